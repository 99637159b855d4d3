"""The runs that are tracked, and when each of them is polled next."""

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from batchrun.domain.answers import RunState
from batchrun.domain.callback_reliability import CallbackReliability, is_polled_often
from batchrun.domain.duration_survival import RunSpan, run_duration
from batchrun.domain.poll_plan import PollBounds
from batchrun.domain.poll_schedule import EXPLORE_EVERY, PollSchedule
from batchrun.domain.randomness import draw
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.due_queue import DueQueue
from batchrun.engine.settings import Settings
from batchrun.engine.wait_until import wait_until

log = logging.getLogger("batchrun")

MIN_WAKE_INTERVAL = 5.0
"""The shortest time in seconds between two polls of one run that callbacks trigger. Callbacks may be replayed."""

COALESCE_SECONDS, COALESCE_MIN_RUNS = 0.01, 500
"""With at least `COALESCE_MIN_RUNS` runs, polls may be delayed by `COALESCE_SECONDS` to leave together, which saves
wakeups. If the initial interval is below one second, the delay is this share of it."""

MAX_SAMPLE = 1000
"""The schedule learns from an even sample of at most this many running runs."""

MAX_REMOVED = 1000
"""Rows that were removed and may come back are remembered for `MIN_WAKE_INTERVAL` only, once there are this many."""


@dataclass(slots=True, eq=False)
class TrackedRun:
    """A run that is polled. Times are event loop time, in seconds."""

    row: Row
    deadline: float
    values: Sequence[object] | None = None
    """The columns of the row, if it may have to be submitted again."""
    digest: bytes | None = None
    """The digest of its inputs (`domain.echoes`); None for a run of an earlier session."""
    status_known: bool = False
    """Whether the service has ever reported a status that we know."""
    seen_running_at: float | None = None
    """When the last poll that found it running was sent."""
    overdue: float = 0.0
    """Seconds from the end of the run timeout until the run was tracked, in a later session."""
    unanswered: int = 0
    """Polls in a row that brought nothing usable."""
    unhelpful_since: float | None = None
    """When the first of these polls was sent."""
    may_have_result: bool = False
    """Whether there was an answer that may be its result, but could not be read, or was not believed."""
    is_health_check: bool = False
    """Whether the run has ended, and is polled once to see if the service works."""
    resubmit: bool = False
    """Whether the row timed out and is submitted again unless this poll finds its run completed."""
    claimed_run_id: str | None = None
    """For a row in doubt: the run_id that a callback named and that a poll has not confirmed yet."""
    announced: bool = False
    """Whether a callback has arrived for it."""
    expects_callback: bool = True
    """Whether this session would have received a callback about its end. False if it may have ended before."""
    polled_often: bool = True
    """Whether it is polled as often as without callbacks."""
    since: float = 0.0
    """When the current wait began."""
    wait: float = 0.0
    """The length of the current wait according to the schedule, in seconds."""
    chance: float | None = None
    """The random number that spreads a wait lengthened by callbacks; None if they must not lengthen it."""
    wake_at: float | None = None
    """When the poll that a callback triggered is due."""
    woken_at: float = float("-inf")
    """When the last poll that a callback triggered was sent."""

    @property
    def timed_out(self) -> bool:
        """Whether it timed out before: one answer, whatever it is, ends the tracking."""
        return self.row.state is State.TIMED_OUT


class PollQueue:
    """Decides when each run is polled. `reliability`: of callbacks; None in a job without callbacks."""

    def __init__(self, settings: Settings, reliability: CallbackReliability | None) -> None:
        self._settings = settings
        self._time = asyncio.get_running_loop().time
        self._reliability = reliability
        self._started_at = self._time()
        self._schedule = PollSchedule(
            PollBounds(settings.poll_initial, settings.poll_max),
            self._started_at,
            # With `--max-polls`, the number of polls is a time limit. That requires fixed intervals.
            learns=settings.poll_learned and settings.max_polls is None,
        )
        self._runs: dict[int, TrackedRun] = {}
        self._queue = DueQueue[TrackedRun]()
        self._wakeup = asyncio.Event()
        self._coalesce_seconds = COALESCE_SECONDS * min(1.0, settings.poll_initial)
        self._waits_until = math.inf
        """The time until which `wait_due` sleeps."""
        self._removed: dict[int, float] = {}
        """Rows that were removed and may come back, with their `woken_at`."""
        self._expecting_callback = 0

    def __len__(self) -> int:
        """Runs that have not ended."""
        return len(self._runs)

    def find(self, row: int) -> TrackedRun | None:
        """The run of this row, if it is tracked."""
        return self._runs.get(row)

    def add(self, run: TrackedRun) -> None:
        """Track a run. Call one of the `poll_…` methods next to schedule its first poll."""
        self._runs[run.row.row] = run
        run.woken_at = self._removed.pop(run.row.row, run.woken_at)
        if self._reliability is not None and run.expects_callback:
            run.polled_often = is_polled_often(self._expecting_callback)
            self._expecting_callback += 1

    def remove(self, run: TrackedRun) -> None:
        """Stop tracking a run."""
        del self._runs[run.row.row]
        self._queue.remove(run.row.row)
        if run.timed_out or run.claimed_run_id is not None:  # a callback may add it again
            if len(self._removed) >= MAX_REMOVED:
                now = self._time()
                self._removed = {row: at for row, at in self._removed.items() if now - at < MIN_WAKE_INTERVAL}
            self._removed[run.row.row] = run.woken_at

    def poll_now(self, run: TrackedRun) -> None:
        """Poll it as soon as possible."""
        self.poll_after(run, 0.0)

    def hasten(self, run: TrackedRun) -> None:
        """Poll it as soon as possible, unless a poll of it is under way."""
        if run.row.row in self._queue:
            self.poll_now(run)

    def poll_after(self, run: TrackedRun, delay: float) -> None:
        """Poll it in `delay` seconds, however reliable callbacks are."""
        run.since, run.wait, run.chance = self._time(), delay, None
        self._put(run)

    def poll_by_schedule(self, run: TrackedRun, polls: int) -> None:
        """Poll it according to the schedule, after `polls` polls."""
        run.since = self._time()
        run.chance = draw(self._settings.seed, run.row.row, run.row.attempts, polls, "poll")
        age, explore = run.since - self._accepted_at(run), run.row.row % EXPLORE_EVERY == EXPLORE_EVERY - 1
        run.wait = self._schedule.wait(polls, age, run.chance, explore=explore)
        self._put(run)

    def add_claimed(self, run: TrackedRun) -> None:
        """Track a run that a callback named. Its first poll is due as `wake` decides."""
        self.add(run)
        run.since, run.wait, run.chance = self._time(), float("inf"), None
        self.wake(run)
        self._put(run)

    def wake(self, run: TrackedRun) -> None:
        """A callback arrived for the run: poll it now, or `MIN_WAKE_INTERVAL` after the last such poll."""
        if run.wake_at is not None:
            return
        run.announced = True
        run.wake_at = max(self._time(), run.woken_at + MIN_WAKE_INTERVAL)
        if run.row.row in self._queue:
            self._put(run)

    def _put(self, run: TrackedRun) -> None:
        due = self._due(run)
        self._queue.put(run.row.row, run, due)
        if due + self._slack < self._waits_until:
            self._wakeup.set()

    def _due(self, run: TrackedRun) -> float:
        wait = run.wait
        if self._reliability is not None and run.chance is not None and not (run.polled_often or run.announced):
            wait = self._reliability.wait(wait, self._settings.poll_max, run.chance)
        due = run.since + wait
        if due > run.deadline > run.since:
            due = run.deadline
        return due if run.wake_at is None else min(due, run.wake_at)

    @property
    def _slack(self) -> float:
        return self._coalesce_seconds if len(self._runs) >= COALESCE_MIN_RUNS else 0.0

    async def wait_due(self) -> None:
        """Wait until a run is due."""
        while (due := self._queue.next_due()) is None or due > self._time():
            self._wakeup.clear()
            until = None if due is None else due + self._slack
            self._waits_until = math.inf if until is None else until
            await wait_until(self._wakeup, until)

    def take(self) -> TrackedRun | None:
        """The run that has been due longest, to be polled now; None if none is due any more."""
        now = self._time()
        due = self._queue.next_due()
        if due is None or due > now:
            return None
        run = self._queue.take()
        if run.wake_at is not None:
            run.wake_at, run.woken_at = None, now
        elif run.chance is not None:
            self._schedule.on_poll(due - run.since, now - due)
        return run

    def on_run_ended(self, run: TrackedRun, state: RunState) -> None:
        """A poll found the run ended."""
        self._learn(run, state)
        if self._reliability is None:
            return
        before = self._reliability.level
        if run.announced:
            self._reliability.announced(run.row.row)
        elif run.expects_callback:
            self._reliability.missed(run.row.row)
        self._on_reliability(self._reliability, before is not self._reliability.level)

    def _accepted_at(self, run: TrackedRun) -> float:
        return run.deadline - self._settings.run_timeout

    def _learn(self, run: TrackedRun, state: RunState) -> None:
        now, accepted_at = self._time(), self._accepted_at(run)
        reported = None
        if state.created_at is not None and state.updated_at is not None:
            reported = (state.updated_at - state.created_at) / 1000
        elif run.seen_running_at is None and accepted_at < self._started_at:
            return  # it may have ended at any time before this session began
        age = run_duration((run.seen_running_at or accepted_at) - accepted_at, now - accepted_at, reported)
        if age is None:
            return
        self._schedule.on_run_ended(RunSpan(accepted_at, accepted_at + age))
        if self._schedule.wants_plan(now):
            weight = len(self._runs) // MAX_SAMPLE + 1
            sample = islice(self._runs.values(), 0, None, weight)
            self._schedule.learn(
                (RunSpan(self._accepted_at(one), one.seen_running_at) for one in sample if one.seen_running_at),
                weight,
                now,
            )

    def on_late_callback(self, row: int) -> None:
        """A callback arrived for a run that is no longer tracked."""
        if self._reliability is not None:
            before = self._reliability.level
            self._reliability.late(row)
            self._on_reliability(self._reliability, before is not self._reliability.level)

    def _on_reliability(self, reliability: CallbackReliability, changed: bool) -> None:
        if changed:
            log.info("callbacks are %s: runs are polled accordingly", reliability.level.name.lower().replace("_", " "))
            self._queue.reschedule(self._due)
            self._wakeup.set()
