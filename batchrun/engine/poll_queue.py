"""When each of the tracked runs is polled next."""

import asyncio
import logging
import math
from collections.abc import Sequence
from itertools import islice

from batchrun.domain.answers import RunState
from batchrun.domain.callback_reliability import CallbackReliability, is_polled_often
from batchrun.domain.duration_survival import RunSpan, run_duration
from batchrun.domain.poll_plan import PollBounds
from batchrun.domain.poll_schedule import EXPLORE_EVERY, PollSchedule
from batchrun.domain.randomness import draw
from batchrun.engine.backlog import GOLDEN_RATIO
from batchrun.engine.due_queue import DueQueue
from batchrun.engine.settings import Settings
from batchrun.engine.tracked_run import TrackedRun
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
        self.open_runs = 0
        """Tracked runs whose row has not ended."""
        self.held: dict[int, TrackedRun] = {}
        """Runs that are not polled before something else is done; see `hold`."""

    def __len__(self) -> int:
        """Runs that have not ended."""
        return len(self._runs)

    def find(self, row: int) -> TrackedRun | None:
        """The run of this row, if it is tracked."""
        return self._runs.get(row)

    def add(self, run: TrackedRun) -> None:
        """Track a run. Call one of the `poll_…` methods next to schedule its first poll."""
        if run.row.row not in self._runs:
            self.open_runs += not (run.is_recheck or run.is_health_check)
        self._runs[run.row.row] = run
        run.woken_at = self._removed.pop(run.row.row, run.woken_at)
        if self._reliability is not None and run.expects_callback:
            run.polled_often = is_polled_often(self._expecting_callback)
            self._expecting_callback += 1

    def remove(self, run: TrackedRun) -> None:
        """Stop tracking a run."""
        del self._runs[run.row.row]
        self.open_runs -= not (run.is_recheck or run.is_health_check)
        self.held.pop(run.row.row, None)
        self._queue.remove(run.row.row)
        if run.timed_out or run.claimed_run_id is not None:  # a callback may add it again
            if len(self._removed) >= MAX_REMOVED:
                now = self._time()
                self._removed = {row: at for row, at in self._removed.items() if now - at < MIN_WAKE_INTERVAL}
            self._removed[run.row.row] = run.woken_at

    def hold(self, run: TrackedRun) -> None:
        """Do not poll it before one of the `poll_…` methods is called."""
        self.held[run.row.row] = run
        self._queue.remove(run.row.row)

    def withdraw(self, run: TrackedRun) -> None:
        """Do not poll it again: its end is about to be recorded. It is tracked until `remove`."""
        self._queue.remove(run.row.row)

    def hold_rechecks(self) -> None:
        """Do not poll rows that have ended before something else is done: such a poll was throttled."""
        for run in self._runs.values():
            if run.is_recheck and self.is_waiting(run):
                self.hold(run)

    def is_waiting(self, run: TrackedRun) -> bool:
        """Whether its next poll is not under way yet."""
        return run.row.row in self._queue

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
        self.held.pop(run.row.row, None)
        self._queue.put(run.row.row, run, due)
        if due + self._slack < self._waits_until:
            self._wakeup.set()

    def _due(self, run: TrackedRun) -> float:
        wait = run.wait
        if self._reliability is not None and run.chance is not None and not (run.polled_often or run.announced):
            age = run.since - self._accepted_at(run)
            wait = self._reliability.wait(wait, self._settings.poll_max, run.chance, age)
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

    def take(self, probe_number: int = 0) -> TrackedRun | None:
        """The run that has been due longest, to be polled now; None if none is due any more.

        `probe_number`: the number of the probe of an outage, if it is one; see `_probe`.
        """
        now = self._time()
        due = self._queue.next_due()
        if due is None or due > now:
            return None
        if probe_number:
            due, run = _probe(self._queue.due(now), probe_number)
            self._queue.remove(run.row.row)
        else:
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
        if self._reliability is not None and self._reliability.took(age, len(self._runs)):
            self._reschedule()
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
            self._reschedule()

    def _reschedule(self) -> None:
        self._queue.reschedule(self._due)
        self._wakeup.set()


def _probe(due: Sequence[tuple[float, TrackedRun]], number: int) -> tuple[float, TrackedRun]:
    """The run, of those that are due, for this probe of an outage, with its due time.

    Runs whose polls bring nothing may look like an outage. Of three probes, the first one is therefore a health check,
    or else, like the second one, a run that has not failed yet; these are spread over the runs that are due. The third
    one is a run that has failed, in case that was an accident.
    """
    tracked = [entry for entry in due if not entry[1].is_health_check]
    if len(tracked) < len(due) and (number % 3 == 1 or not tracked):
        return next(entry for entry in due if entry[1].is_health_check)
    best = (max if number % 3 == 0 else min)(run.probe_rank for _, run in tracked)
    tracked = [entry for entry in tracked if entry[1].probe_rank == best]
    return tracked[int(number * GOLDEN_RATIO % 1 * len(tracked))]
