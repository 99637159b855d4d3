"""Runs whose polls bring no usable answer: is it the run or the service, and when does it end the row?

One run that cannot be polled must neither keep the job from ending nor stop it. A service that is out must not end its
rows. The two look alike, so another request decides: if anything else was answered well since the first such poll, it
is the run. Where nothing else is left to ask, a completed run is polled once more as a health check.

For the same reason, the polls of one run count as one failure of the service, and as none once it is the run.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.circuit_breaker import FAILURES_TO_OPEN
from batchrun.domain.unhelpful_rows import UnhelpfulRows
from batchrun.engine.admission import SILENT_PAUSE
from batchrun.engine.context import Context
from batchrun.engine.health_check import OF_THE_JOB, HealthCheck
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.tracked_run import TrackedRun

MAX_REFUSED = 5
"""Runs whose polls are refused in a row, without a good answer in between, before a health check decides. No more runs
than this are paid for while polls are only refused."""

MIN_UNHELPFUL = 3
"""Unhelpful polls in a row that end a run whose time is up. A single one may be an accident."""

MIN_UNREADABLE = 5
"""Unreadable answers in a row that end a run before its time."""

MIN_OF_ANOTHER = 10
"""Answers in a row that name another run, and end this one before its time."""

MIN_SECONDS = 60.0
"""Seconds over which such answers end a run before its time. A proxy may answer in place of the service for a while."""


@dataclass(frozen=True, slots=True)
class Unhelpful:
    """What was said instead of the state of a run. `refusal`: the answer, if it was a refusal."""

    message: str
    refusal: Refusal | None = None
    is_failure: bool = False
    """Whether there was no answer, or one that shows a problem of the service."""
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
        return self.refusal is not None and self.refusal.kind in OF_THE_JOB

    @property
    def is_throttled(self) -> bool:
        """Whether the service asked for fewer requests."""
        return self.refusal is not None and self.refusal.kind is RefusalKind.THROTTLED

    @property
    def asks_for_a_long_pause(self) -> bool:
        """Whether no poll is sent for a long time because of it."""
        return self.is_throttled and self.refusal is not None and (self.refusal.retry_after or 0.0) > SILENT_PAUSE


class Conclusion(Enum):
    """What an unhelpful poll leads to."""

    POLL_AGAIN = auto()
    END = auto()
    """It is the run: its time is up."""
    STOP = auto()
    """It is the service: it refuses to report on any run."""


class UnhelpfulPolls:
    """Keeps the runs whose last poll was unhelpful, and counts the failures of the service among these polls."""

    def __init__(self, context: Context, poll_queue: PollQueue) -> None:
        self._context = context
        self._settings = context.settings
        self._admission = context.admission
        self._requests = context.admission.polls
        self._poll_queue = poll_queue
        self._time = asyncio.get_running_loop().time
        self._runs: dict[int, tuple[TrackedRun, Unhelpful | None]] = {}
        self._refused: dict[int, float] = {}
        """Rows whose polls were refused, and when the first of these polls was sent."""
        self._ended_throttled: dict[int, None] = {}
        self._earlier = UnhelpfulRows.of(context.counters.unhelpful_rows)
        self.suspects: dict[int, TrackedRun] = {}
        """Runs that an earlier session recorded, some of which have been polled since."""
        self.health_check = HealthCheck(context, poll_queue, self._on_health_check)

    def on_unhelpful(self, run: TrackedRun, said: Unhelpful, sent_at: float) -> Conclusion:
        """A poll sent at `sent_at` (event loop time) brought nothing. What follows? The caller sees to it."""
        run.unanswered += 1
        run.is_refused = said.is_of_the_job
        self._runs[run.row.row] = run, said
        if run.unhelpful_since is None:
            run.unhelpful_since = sent_at
        is_proven = self.is_proven(run, said)
        if said.is_of_the_job and not run.is_recheck:
            self._refused = self._refused_in_a_row | {run.row.row: run.unhelpful_since}
        if said.is_failure:
            self._count(run, said.message, is_proven=is_proven)
        if said.is_of_the_job or said.asks_for_a_long_pause:
            self._context.counters.unhelpful_rows = self.record
        if self._is_over(run, said, sent_at, is_proven=is_proven):
            if said.asks_for_a_long_pause:
                self._ended_throttled[run.row.row] = None
            if said.is_throttled and run.is_recheck:
                self._poll_queue.hold_rechecks()
            return Conclusion.END
        if is_proven or run.is_recheck:
            return Conclusion.POLL_AGAIN
        is_known = self._requests.last_success > float("-inf")
        if said.is_of_the_job and said.refusal is not None and said.refusal.names_other_api and not is_known:
            return Conclusion.STOP
        if self._requests.breaker.is_open:
            self.health_check.ask()
        if self._must_ask_another and not self.health_check.ask() and said.is_of_the_job:
            is_enough = len(self._refused_in_a_row) >= MAX_REFUSED or not self._context.may_submit
            return Conclusion.STOP if is_enough else Conclusion.POLL_AGAIN
        return Conclusion.POLL_AGAIN

    def is_proven(self, run: TrackedRun, said: Unhelpful) -> bool:
        """Whether anything else was answered well since the first unhelpful poll of the run: it is not the service."""
        # A token may allow submissions and no polls. Only another poll proves that it allows these.
        last_success = self._requests.last_success if said.is_of_the_job else self._admission.last_success
        return run.unhelpful_since is not None and last_success >= run.unhelpful_since

    def _count(self, run: TrackedRun, message: str, *, is_proven: bool) -> None:
        if run.is_recheck:
            return  # its row has ended: an outage does not keep the job from ending
        if not is_proven:
            self._requests.on_failure(message, opens=run.unanswered == 1)
            if run.unanswered >= FAILURES_TO_OPEN:
                self._requests.report_outage(message)
        elif self._must_ask_another and self.health_check.is_called_for and not self.health_check.ask():
            self._requests.on_failure(message, opens=False)

    def also_over(self) -> list[tuple[TrackedRun, Unhelpful]]:
        """Runs that wait for their next poll, and end because one has ended for which nothing else was left to ask."""
        now = self._time()
        return [
            (run, said)
            for run, said in self._runs.values()
            if said is not None
            and not self.is_proven(run, said)
            and self._poll_queue.is_waiting(run)
            and self._is_over(run, said, now, is_proven=False)
        ]

    def release(self, run: TrackedRun) -> None:
        """The run is polled now, and was held back because of its polls in an earlier session."""
        self._runs[run.row.row] = run, None

    def forget(self, run: TrackedRun) -> None:
        """A poll was answered usefully, or the run is not polled any more."""
        run.unanswered, run.unhelpful_since, run.is_suspect = 0, None, False
        if self._runs.pop(run.row.row, None) is not None:
            self._refused.pop(run.row.row, None)

    @property
    def _refused_in_a_row(self) -> dict[int, float]:
        """Those rows for which no poll has been answered well since."""
        last_success = self._requests.last_success
        return {row: since for row, since in self._refused.items() if since > last_success}

    @property
    def refused_only(self) -> bool:
        """Whether polls were refused in a way that may hold for all runs, and none has been answered well."""
        return bool(self._refused) and self._requests.last_success == float("-inf")

    @property
    def open_runs(self) -> int:
        """Runs whose row has not ended and whose last poll was unhelpful."""
        return sum(not run.is_recheck for run, _ in self._runs.values())

    @property
    def record(self) -> str:
        """The rows, for a later session; with those of earlier sessions that were not polled in this one."""
        throttled, refused, failed = list(self._ended_throttled), list[int](), list[int]()
        unpolled = {row for row, run in self.suspects.items() if run.is_suspect}
        for row, (_, said) in self._runs.items():
            if said is not None:
                unpolled.discard(row)
            if said is None:
                pass
            elif said.asks_for_a_long_pause:
                throttled.append(row)
            elif said.refusal is not None and said.is_of_the_job and not said.refusal.names_other_api:
                refused.append(row)
            elif said.is_failure:
                failed.append(row)
        known = self._earlier
        sorts = zip((known.throttled, known.refused, known.failed), (throttled, refused, failed), strict=True)
        return UnhelpfulRows(*((*filter(unpolled.__contains__, old), *new) for old, new in sorts)).record

    def _on_health_check(self, is_well: bool) -> None:
        if is_well:
            now = self._time()
            for run, said in self._runs.values():
                if self._is_due_to_end(run, now) or (said is not None and self._is_hopeless(run, said, now)):
                    self._poll_queue.hasten(run)

    def is_due_to_end(self, run: TrackedRun) -> bool:
        """Whether the time of the run is up, or its polls are used up."""
        return self._is_due_to_end(run, self._time())

    def _is_due_to_end(self, run: TrackedRun, at: float) -> bool:
        most = self._settings.max_polls
        out_of_polls = most is not None and run.row.run_polls + run.unanswered >= most
        return at >= run.deadline or out_of_polls or run.claimed_run_id is not None

    def _is_over(self, run: TrackedRun, said: Unhelpful, sent_at: float, *, is_proven: bool) -> bool:
        if run.is_recheck:  # it was polled once more, nothing depends on it, and the next command polls it again
            is_useless = said.is_of_the_job or said.is_throttled or not self._admission.has_succeeded
            return is_useless or run.unanswered >= MIN_UNHELPFUL
        if is_proven and self._is_hopeless(run, said, sent_at):
            return True  # waiting will not make it better
        if not self._is_due_to_end(run, sent_at):
            return False
        if is_proven:
            return run.unanswered >= MIN_UNHELPFUL or run.is_suspect
        if not self._must_ask_another or self.health_check.completed is not None:
            return False
        # There is nothing else to ask. The job must end all the same, after the longest outage that the user allows.
        first = run.unhelpful_since or sent_at
        since = run.deadline - run.overdue if run.deadline <= sent_at else first
        if not run.is_suspect:  # its time may have been up before this session began
            since = max(since, first)
        until = since + self._settings.max_outage
        self._admission.postpone_outage(until)
        return sent_at >= until

    def _is_hopeless(self, run: TrackedRun, said: Unhelpful, at: float) -> bool:
        """Whether its answers were of a sort that ends a run before its time, and those about other runs were not."""
        most = MIN_UNREADABLE if said.is_unreadable else MIN_OF_ANOTHER if said.names_another else None
        if most is None or run.unanswered < most or run.unhelpful_since is None:
            return False
        earliest = run.unhelpful_since + MIN_SECONDS
        must_work_since = earliest - MIN_SECONDS / 2
        if self._requests.last_success >= must_work_since:
            return at >= earliest
        if at >= must_work_since and self._must_ask_another:
            self.health_check.ask()
        return False

    @property
    def _must_ask_another(self) -> bool:
        """Whether no poll of another run will show if the service works."""
        queue = self._poll_queue
        others = len(queue) - len(queue.held) - len(self._runs) - (self.health_check.run is not None)
        if others > 0 and self._requests.breaker.is_open:  # several have failed: so will those that failed before
            others -= sum(
                run.is_suspect and row not in self._runs and row not in queue.held for row, run in self.suspects.items()
            )
        return len(self._refused_in_a_row) >= MAX_REFUSED or others <= 0
