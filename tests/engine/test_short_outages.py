"""An outage that is over at once is told with -v only."""

import asyncio
import logging

import pytest

from batchrun.adapters.rate_limiter import Pacer
from batchrun.domain.circuit_breaker import FAILURES_TO_OPEN
from batchrun.engine.admission import Admission
from batchrun.engine.request_class import RequestClass
from tests.support.virtual import run_virtual

BEGINS = (logging.WARNING, "submissions: service unavailable, waiting up to 15 min: HTTP 500")


async def outage(seconds: float, *, after_success: bool) -> None:
    """The service fails, and answers again after some seconds."""
    requests = RequestClass("submission", Pacer(10), 1, 900.0)
    admission = Admission(requests, RequestClass("poll", Pacer(10), 1, 900.0), 900.0)
    if after_success:
        requests.on_success()
    for _ in range(FAILURES_TO_OPEN):
        requests.on_failure("HTTP 500")
    for _ in range(round(10 * seconds)):
        await asyncio.sleep(0.1)
        admission.tick()
    requests.on_success()
    admission.tick()


@pytest.mark.parametrize(
    ("seconds", "after_success", "told"),
    [
        (0.2, True, [(logging.INFO, "submissions: service unavailable for 0.2 s: HTTP 500")]),
        (3.0, True, [BEGINS, (logging.WARNING, "submissions: service available again after 3 s")]),
        (0.2, False, [BEGINS, (logging.WARNING, "submissions: service available again after 0.2 s")]),
    ],
    ids=["short", "long", "before anything else"],
)
def test_an_outage_is_told(
    caplog: pytest.LogCaptureFixture, seconds: float, after_success: bool, told: list[tuple[int, str]]
) -> None:
    with caplog.at_level(logging.INFO, "batchrun"):
        run_virtual(outage(seconds, after_success=after_success))
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == told
