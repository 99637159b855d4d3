"""Progress as events: written as lines of JSON, or passed to a function."""

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
from batchrun.views.progress import JobProgress
from batchrun.views.progress_events import Event, Progress, Start, Stopping, utc_time

log = logging.getLogger("batchrun")

PROGRESS_INTERVAL = 2.0
"""Seconds between two `Progress` events."""

EmitEvent = Callable[[Event], None]


class EventView:
    """Emits events for the start, the progress and an early stop of a job."""

    def __init__(self, emit: EmitEvent, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock

    async def show(self, progress: JobProgress) -> None:
        """Emit the figures every `PROGRESS_INTERVAL` seconds until cancelled, and once more at the end."""
        now, tally = utc_time(self._clock.now()), progress.tally
        self._emit(Start(at=now, folder=progress.folder, job=progress.job, **counts(tally), reused=tally.reused))
        try:
            while True:
                await asyncio.sleep(PROGRESS_INTERVAL)
                self._emit_progress(progress)
        finally:
            self._emit_progress(progress)

    def on_stopping(self, stop: Stop) -> None:
        """Emit why the job stops early."""
        now = utc_time(self._clock.now())
        self._emit(Stopping(at=now, reason=stop.reason, exit_code=stop.exit_code, collect=stop.collect))

    def _emit_progress(self, progress: JobProgress) -> None:
        rate, eta, counters = progress.rate, progress.eta, progress.counters
        self._emit(
            Progress(
                at=utc_time(self._clock.now()),
                **counts(progress.tally),
                reused=progress.tally.reused,
                in_flight=progress.in_flight,
                submissions=counters.submissions,
                polls=counters.polls,
                throttled=counters.throttled,
                rate=None if rate is None else round(rate, 3),
                eta_s=None if eta is None else round(eta, 3),
                elapsed_s=round(progress.elapsed, 3),
            )
        )


class EventStream:
    """Writes events to a file, one JSON object per line. After a broken pipe they are discarded."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def emit(self, event: Event) -> None:
        """Write an event as one line."""
        if self._file is None:
            return
        line = msgspec.json.encode(event) + b"\n"
        with suppress(OSError):
            try:
                if (binary := getattr(self._file, "buffer", None)) is None:
                    self._file.write(line.decode())
                else:  # JSON is UTF-8, whatever the encoding of the file is
                    self._file.flush()
                    binary.write(line)
                self._file.flush()
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())


def emit_progress_to(listener: Callable[[Progress], object]) -> EmitEvent:
    """A function that passes `Progress` events to `listener` and drops all others.

    If `listener` raises, the error is logged and `listener` is not called again; the job continues.
    """
    enabled = True

    def emit(event: Event) -> None:
        nonlocal enabled
        if not enabled or not isinstance(event, Progress):
            return
        try:
            listener(event)
        except Exception as error:
            enabled = False
            error.__suppress_context__ |= isinstance(error.__context__, asyncio.CancelledError)  # the end of the view
            log.exception("the progress function failed and is not called again; the job goes on")

    return emit
