"""Several reasons to stop: the one that counts, and when it is told."""

import asyncio

from batchrun.engine.settings import Stop
from batchrun.engine.stopping import StopRequest
from batchrun.errors import ExitCode


def test_a_reason_is_told_when_it_is_news() -> None:
    told = list[Stop]()
    changed = asyncio.Event()
    stopping = StopRequest(changed, told.append)
    again, limit, signal = (
        Stop(ExitCode.TRY_AGAIN, "time", collect=True),
        Stop(ExitCode.STOPPED, "failures", collect=True),
        Stop(ExitCode.SIGINT, "SIGINT"),
    )
    for stop, counts in ((again, again), (limit, limit), (again, limit), (signal, signal), (limit, signal)):
        changed.clear()
        stopping.request(stop)
        assert stopping.reason == counts
        assert changed.is_set()
    assert told == [again, limit, signal]
