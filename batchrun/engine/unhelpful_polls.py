"""Runs whose polls bring no usable answer: is it the run or the service, and when does it end the row?

One run that cannot be polled must neither keep the job from ending nor stop it. A service that is out must not end its
rows. The two look alike, so another request decides: if anything else was answered well since the first such poll, it
is the run. Where nothing else is left to ask, a completed run is polled once more as a health check.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.row import Row
from batchrun.engine.context import Context
from batchrun.engine.poll_queue import PollQueue, TrackedRun

MAX_REFUSED = 5
"""Runs whose polls are refused in a row, without a good answer in between, before a health check decides."""

MIN_UNHELPFUL = 3
"""Unhelpful polls in a row that end a run whose time is up. A single one may be an accident."""

MIN_UNREADABLE = 5
"""Unreadable answers in a row that end a run before its time."""

MIN_OF_ANOTHER = 10
"""Answers in a row that name another run, and end this one before its time."""

_OF_THE_JOB = {RefusalKind.CREDENTIALS, RefusalKind.CONFIGURATION, RefusalKind.QUOTA}
"""Refusals that stop the job if they are not about a single run."""


@dataclass(frozen=True, slots=True)
class Unhelpful:
    """What was said instead of the state of a run. `refusal`: the answer, if it was a refusal."""

    message: str
    refusal: Refusal | None = None
    is_unreadable: bool = False
    """Whether the service reported success, in words that cannot be read."""
    is_held: bool = False
    """Whether the answer may be about the run, but is not believed."""
    names_another: bool = False
    """Whether the answer names another run than the one that was asked for."""

    @property
    def why_kept(self) -> str:
        """What is wrong with the answers of a run whose result may be there; empty if nothing points to one."""
        return "cannot be read" if self.is_unreadable else "are not believed" if self.is_held else ""

    @property
    def is_of_the_job(self) -> bool:
        """Whether it would stop the job if all runs met it."""
        return self.refusal is not None and self.refusal.kind in _OF_THE_JOB


class Conclusion(Enum):
    """What an unhelpful poll leads to."""

    POLL_AGAIN = auto()
    END = auto()
    """It is the run: its time is up."""
    STOP = auto()
    """It is the service: it refuses to report on any run."""


class UnhelpfulPolls:
    """Keeps the runs whose last poll was unhelpful."""

    def __init__(self, context: Context, poll_queue: PollQueue) -> None:
        self._settings = context.settings
        self._admission = context.admission
        self._lookup = context.lookup
        self._poll_queue = poll_queue
        self._time = asyncio.get_running_loop().time
        self._runs: dict[int, TrackedRun] = {}
        self._refused: set[int] = set()
        self._health_check: TrackedRun | None = None
        self.completed: Row | None = None
        """A row that was completed, whose run can be polled as a health check."""

    def on_unhelpful(self, run: TrackedRun, said: Unhelpful, sent_at: float) -> Conclusion:
        """A poll sent at `sent_at` (event loop time) brought nothing. What follows? The caller sees to it."""
        run.unanswered += 1
        self._runs[run.row.row] = run
        if run.unhelpful_since is None:
            run.unhelpful_since = sent_at
        # A token may allow submissions and no polls. Only another poll proves that it allows these.
        admission = self._admission
        last_success = admission.polls.last_success if said.is_of_the_job else admission.last_success
        is_proven = last_success >= run.unhelpful_since
        if is_proven:
            self._refused.clear()
        if said.is_of_the_job:
            self._refused.add(run.row.row)
        if self._is_over(run, said, sent_at, is_proven=is_proven):
            return Conclusion.END
        if not is_proven and self._must_ask_another and not self._ask_a_completed_run() and said.is_of_the_job:
            return Conclusion.STOP
        return Conclusion.POLL_AGAIN

    def is_refused(self, run: TrackedRun) -> bool:
        """Whether the last poll of the run was refused in a way that may hold for all runs."""
        return run.row.row in self._refused

    def forget(self, run: TrackedRun) -> None:
        """A poll was answered usefully, or the run is not polled any more."""
        if self._runs.pop(run.row.row, None) is not None:
            run.unanswered, run.unhelpful_since = 0, None
            self._refused.discard(run.row.row)

    def on_health_check(self, *, is_well: bool) -> None:
        """The health check was answered, well or not."""
        self._health_check = None
        if is_well:
            now = self._time()
            for run in self._runs.values():
                if self._is_due_to_end(run, now):
                    self._poll_queue.hasten(run)

    def _is_due_to_end(self, run: TrackedRun, at: float) -> bool:
        most = self._settings.max_polls
        out_of_polls = most is not None and run.row.run_polls + run.unanswered >= most
        return at >= run.deadline or out_of_polls or run.claimed_run_id is not None

    def _is_over(self, run: TrackedRun, said: Unhelpful, sent_at: float, *, is_proven: bool) -> bool:
        most = MIN_UNREADABLE if said.is_unreadable else MIN_OF_ANOTHER if said.names_another else None
        if most is not None and is_proven and run.unanswered >= most:
            return True  # waiting will not make it better
        if not self._is_due_to_end(run, sent_at):
            return False
        if run.timed_out and not run.resubmit and said.is_of_the_job:
            return True  # it was polled once more, and nothing else depends on it
        if is_proven or (run.timed_out and not run.resubmit):
            return run.unanswered >= MIN_UNHELPFUL
        if not self._must_ask_another or self._completed() is not None:
            return False
        # There is nothing else to ask. The job must end all the same, after the longest outage that the user allows.
        since = run.deadline - run.overdue if run.deadline <= sent_at else run.unhelpful_since or sent_at
        until = since + self._settings.max_outage
        self._admission.postpone_outage(until)
        return sent_at >= until

    @property
    def _must_ask_another(self) -> bool:
        """Whether no poll of another run will show if the service works."""
        return len(self._refused) >= MAX_REFUSED or len(self._poll_queue) <= len(self._runs) + bool(self._health_check)

    def _ask_a_completed_run(self) -> bool:
        """Poll a completed run, unless that is under way. Returns False if there is none."""
        if self._health_check is not None:
            return True
        row = self._completed()
        if row is None:
            return False
        self._health_check = TrackedRun(row, float("inf"), expects_callback=False, is_health_check=True)
        self._poll_queue.add(self._health_check)
        self._poll_queue.poll_now(self._health_check)
        return True

    def _completed(self) -> Row | None:
        if self.completed is None:
            self.completed = self._lookup.completed()
        return self.completed
