"""Keeps what a session measures in its checkpoint, so that `status` shows it while the job runs, and after a kill."""

import asyncio
from collections.abc import Mapping

import msgspec

from batchrun.adapters.checkpoint.session_reader import Session
from batchrun.domain.counters import Counters
from batchrun.domain.measures import Measures
from batchrun.engine.outlook import Outlook

RECORD_EVERY = 5
"""Seconds between two records. They are written with the counters."""

_NOTHING = Measures(at=0)


async def keep_measures(outlook: Outlook, counters: Counters) -> None:
    """Sample the rate once a second, and pass the measures to the journal, until cancelled."""
    seconds = 0
    while True:
        outlook.sample()
        if seconds % RECORD_EVERY == RECORD_EVERY - 1:
            record_measures(outlook, counters)
        seconds += 1
        await asyncio.sleep(1.0)


def record_measures(outlook: Outlook, counters: Counters) -> Measures | None:
    """The measures so far. They are recorded with the next commit. None if nothing was sent and nothing has ended."""
    outlook.sample()
    measures = outlook.measures()
    if measures.run_s is None and measures.wait_s is None:
        return None
    counters.measures = msgspec.json.encode(measures).decode()
    return measures


def recorded_measures(meta: Mapping[str, str], last: Session | None) -> Measures:
    """The measures of the last session that sent anything. It has none if it was killed before it recorded any."""
    try:
        found = msgspec.json.decode(meta.get("measures", ""), type=Measures)
    except msgspec.MsgspecError:
        return _NOTHING
    is_of_earlier = last is not None and last.submissions + last.polls > 0 and found.at <= last.started_at
    return _NOTHING if is_of_earlier else found
