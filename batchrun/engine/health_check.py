"""A poll of a completed run: it shows if the service works where no other poll can."""

import asyncio
from collections.abc import Callable

from batchrun.domain.answers import PollAnswer, Refusal, RefusalKind, RunState
from batchrun.domain.row import Row
from batchrun.engine.context import Context
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.tracked_run import TrackedRun

ABOUT_THE_RUN = {RefusalKind.GONE, RefusalKind.ROW}
"""Refusals that are about a single run."""

OF_THE_JOB = {RefusalKind.CREDENTIALS, RefusalKind.CONFIGURATION, RefusalKind.QUOTA}
"""Refusals that stop the job if they are not about a single run."""

MAX_SILENCE = 60.0
"""Seconds without a good answer after which a health check is made even for a run that is known to be at fault."""


class HealthCheck:
    """At most one health check at a time. `on_end` is called with its result: whether the service works."""

    def __init__(self, context: Context, poll_queue: PollQueue, on_end: Callable[[bool], None]) -> None:
        self._admission = context.admission
        self._requests = context.admission.polls
        self._counters = context.counters
        self._lookup = context.lookup
        self._transitions = context.transitions
        self._poll_queue = poll_queue
        self._on_end = on_end
        self._time = asyncio.get_running_loop().time
        self._max_silence = min(MAX_SILENCE, context.settings.max_outage / 2)
        self._completed: Row | None = None
        self.run: TrackedRun | None = None
        """The completed run, while it is to be polled."""

    @property
    def completed(self) -> Row | None:
        """A completed row, whose run can be polled; None if there is none."""
        if self._completed is None:
            self._completed = self._lookup.completed()
        return self._completed

    @completed.setter
    def completed(self, row: Row) -> None:
        self._completed = row

    @property
    def is_called_for(self) -> bool:
        """Whether nothing has been answered well for some time."""
        return self._time() - self._admission.last_success > self._max_silence

    def ask(self) -> bool:
        """Poll a completed run, unless that is under way. Returns False if there is none."""
        if self.run is not None:
            return True
        if (row := self.completed) is None:
            return False
        self.run = TrackedRun(row, float("inf"), expects_callback=False, is_health_check=True)
        self._poll_queue.add(self.run)
        self._poll_queue.poll_now(self.run)
        return True

    def on_answer(self, run: TrackedRun, answer: PollAnswer, sent_at: float) -> Refusal | None:
        """The answer about a run that has ended shows only if the service works.

        Returns a refusal that stops the job.
        """
        refusal = answer if isinstance(answer, Refusal) else None
        is_well = isinstance(answer, RunState) or (refusal is not None and refusal.kind in ABOUT_THE_RUN)
        if is_well:
            self._requests.on_success()
            self._end(run, is_well=True)
            return None
        if refusal is not None and refusal.kind is RefusalKind.THROTTLED:
            self._counters.throttled += 1
            self._admission.throttled(self._requests, sent_at, refusal, self._transitions.now(), run.row.row)
        self.on_failure(run, str(answer))
        return refusal if refusal is not None and refusal.kind in OF_THE_JOB else None

    def on_failure(self, run: TrackedRun, message: str) -> None:
        """It brought no answer, or one that shows a problem of the service."""
        self._requests.on_failure(message)
        self._end(run, is_well=False)

    def _end(self, run: TrackedRun, *, is_well: bool) -> None:
        self.run = None
        self._poll_queue.remove(run)
        self._on_end(is_well)
        self._transitions.changed.set()
