"""Telling how a job goes in records: to a reader of lines, or to a function."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

import msgspec

from batchrun.domain.summary import counts
from batchrun.engine.settings import Stop
from batchrun.ports import Clock
from batchrun.views.progress import Live
from batchrun.views.progress_events import Event, Progress, Start, Stopping, moment

log = logging.getLogger("batchrun")

EVERY = 2.0
"""Seconds between two records of progress."""

Tell = Callable[[Event], None]


class EventView:
    """Tells the start, the progress, and why the job stops."""

    def __init__(self, tell: Tell, clock: Clock) -> None:
        self._tell = tell
        self._clock = clock

    async def show(self, live: Live) -> None:
        """Tell the figures every two seconds until cancelled, and once more then."""
        live.sample()
        now = moment(self._clock.now())
        self._tell(Start(at=now, folder=live.folder, job=live.job, **counts(live.tally), reused=live.tally.reused))
        try:
            while True:
                await asyncio.sleep(EVERY)
                self._progress(live)
        finally:
            self._progress(live)

    def stopping(self, stop: Stop) -> None:
        """Tell why."""
        now = moment(self._clock.now())
        self._tell(Stopping(at=now, reason=stop.reason, exit_code=stop.exit_code, collect=stop.collect))

    def _progress(self, live: Live) -> None:
        live.sample()
        rate, eta, sent = live.rate, live.eta, live.counters
        self._tell(
            Progress(
                at=moment(self._clock.now()),
                **counts(live.tally),
                reused=live.tally.reused,
                in_flight=live.in_flight,
                submissions=sent.submissions,
                polls=sent.polls,
                throttled=sent.throttled,
                rate=None if rate is None else round(rate, 3),
                eta_s=None if eta is None else round(eta, 3),
                elapsed_s=round(live.elapsed, 3),
            )
        )


class EventStream:
    """Writes records to a file, one JSON object a line. The reader may go away: then they go nowhere."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def tell(self, record: Event) -> None:
        """Write one line."""
        if self._file is None:
            return
        with suppress(OSError):
            try:
                self._file.write(msgspec.json.encode(record).decode() + "\n")
                self._file.flush()
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())


def progress_for(listener: Callable[[Progress], object]) -> Tell:
    """Tells `listener` of the progress alone. One that raises is told no more: its mistake is not the job's."""
    listening = True

    def tell(record: Event) -> None:
        nonlocal listening
        if not listening or not isinstance(record, Progress):
            return
        try:
            listener(record)
        except Exception:
            listening = False
            log.exception("the function that was told of the progress failed; it is told no more, the job goes on")

    return tell
