"""The runs that are watched, and when each of them is polled next."""

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from batchrun.domain.answers import RunState
from batchrun.domain.callback_reliability import CallbackReliability, is_polled_often
from batchrun.domain.poll_plan import PollBounds
from batchrun.domain.poll_schedule import EXPLORE_EVERY, PollSchedule
from batchrun.domain.randomness import draw
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.survival import RunSpan, run_duration
from batchrun.engine.due_queue import DueQueue
from batchrun.engine.settings import Settings
from batchrun.engine.waiting import wait_until

log = logging.getLogger("batchrun")

BETWEEN_WOKEN = 5.0
"""Seconds between two polls of one run that callbacks wake, at the least: an address may be replayed for ever."""

TOGETHER, CROWD = 0.01, 500
"""Seconds (or parts of the shortest interval, if that is below one) by which polls may be late to leave together, where
so many runs are watched: to wake up for each of them alone is dear."""

MOST_ALIVE = 1000
"""So many running runs, evenly taken from all of them, are enough to learn from."""

MOST_LEFT = 1000
"""So many rows whose watch has ended are remembered longer than that."""


@dataclass(slots=True, eq=False)
class TrackedRun:
    """A run that is polled. Times are the loop's."""

    row: Row
    deadline: float
    values: Sequence[object] | None = None
    """The columns of the row, where it may have to be submitted again."""
    status_known: bool = False
    """Whether the service ever gave it a status that we know."""
    seen_running_at: float | None = None
    """When the last poll left that found it running."""
    unanswered: int = 0
    """Polls in a row that were not answered."""
    resubmit: bool = False
    """Whether the row timed out and is submitted again unless this poll shows that its run has completed."""
    claimed_run_id: str | None = None
    """For a row in doubt: the run_id that a callback named, and that a poll has yet to confirm."""
    announced: bool = False
    """Whether a callback has come for it."""
    expects_callback: bool = True
    """Whether this session would have heard a callback of its end: false while it may have ended before."""
    polled_often: bool = True
    """Whether it is polled as if there were no callbacks."""
    since: float = 0.0
    """When its present wait began."""
    wait: float = 0.0
    """Seconds until its next poll, by the schedule."""
    chance: float | None = None
    """Spreads the wait where callbacks lengthen it; None where they do not."""
    wake_at: float | None = None
    """When the poll is due that a callback has woken."""
    woken_at: float = float("-inf")
    """When the last woken poll left."""

    @property
    def timed_out(self) -> bool:
        """Whether it timed out before: one answer, whatever it is, ends the tracking."""
        return self.row.state is State.TIMED_OUT


class PollQueue:
    """The one place that decides when a run is polled. `trust`: how far callbacks are, None where there are none."""

    def __init__(self, settings: Settings, trust: CallbackReliability | None) -> None:
        self._settings = settings
        self._time = asyncio.get_running_loop().time
        self._reliability = trust
        self._since = self._time()
        self._schedule = PollSchedule(
            PollBounds(settings.poll_initial, settings.poll_max),
            self._since,
            # A number of polls is a time only where the intervals are known beforehand.
            learns=settings.poll_learned and settings.max_polls is None,
        )
        self._runs: dict[int, TrackedRun] = {}
        self._queue = DueQueue[TrackedRun]()
        self._wakeup = asyncio.Event()
        self._together = TOGETHER * min(1.0, settings.poll_initial)
        self._sleeps_until = math.inf
        """Until when nothing was due when it was last asked for."""
        self._left: dict[int, float] = {}
        self._number = 0

    def __len__(self) -> int:
        """Runs that have not ended."""
        return len(self._runs)

    def find(self, row: int) -> TrackedRun | None:
        """The run of this row, if it is watched."""
        return self._runs.get(row)

    def add(self, run: TrackedRun) -> None:
        """Watch a run; say then when it is polled."""
        self._runs[run.row.row] = run
        run.woken_at = self._left.pop(run.row.row, run.woken_at)
        if self._reliability is not None and run.expects_callback:
            run.polled_often = is_polled_often(self._number)
            self._number += 1

    def remove(self, run: TrackedRun) -> None:
        """Watch it no longer."""
        del self._runs[run.row.row]
        self._queue.remove(run.row.row)
        if run.timed_out or run.claimed_run_id is not None:  # a callback may have it watched once more
            if len(self._left) >= MOST_LEFT:
                now = self._time()
                self._left = {row: at for row, at in self._left.items() if now - at < BETWEEN_WOKEN}
            self._left[run.row.row] = run.woken_at

    # -- when

    def poll_now(self, run: TrackedRun) -> None:
        """Poll it as soon as can be."""
        self.poll_after(run, 0.0)

    def poll_after(self, run: TrackedRun, delay: float) -> None:
        """Poll it `delay` seconds from now, whatever callbacks promise."""
        run.since, run.wait, run.chance = self._time(), delay, None
        self._put(run)

    def poll_by_schedule(self, run: TrackedRun, polls: int) -> None:
        """Poll it again when the schedule says, after `polls` of them."""
        run.since = self._time()
        run.chance = draw(self._settings.seed, run.row.row, run.row.attempts, polls, "poll")
        age, explore = run.since - self._begun(run), run.row.row % EXPLORE_EVERY == EXPLORE_EVERY - 1
        run.wait = self._schedule.wait(polls, age, run.chance, explore=explore)
        self._put(run)

    def add_claimed(self, run: TrackedRun) -> None:
        """Watch a run that a callback tells of; its first poll is due when `wake` says."""
        self.add(run)
        run.since, run.wait, run.chance = self._time(), float("inf"), None
        self.wake(run)
        self._put(run)

    def wake(self, run: TrackedRun) -> None:
        """A callback tells of the run: poll it now, but not too often. Of several at once, one is enough."""
        if run.wake_at is not None:
            return
        run.announced = True
        run.wake_at = max(self._time(), run.woken_at + BETWEEN_WOKEN)
        if run.row.row in self._queue:
            self._put(run)

    def _put(self, run: TrackedRun) -> None:
        wait_due = self._due(run)
        self._queue.put(run.row.row, run, wait_due)
        if wait_due + self._slack < self._sleeps_until:
            self._wakeup.set()

    def _due(self, run: TrackedRun) -> float:
        wait = run.wait
        if self._reliability is not None and run.chance is not None and not (run.polled_often or run.announced):
            wait = self._reliability.wait(wait, self._settings.poll_max, run.chance)
        wait_due = run.since + wait
        if wait_due > run.deadline > run.since:
            wait_due = run.deadline
        return wait_due if run.wake_at is None else min(wait_due, run.wake_at)

    @property
    def _slack(self) -> float:
        return self._together if len(self._runs) >= CROWD else 0.0

    async def wait_due(self) -> None:
        """Wait until a run is due."""
        while (wait_due := self._queue.next_due()) is None or wait_due > self._time():
            self._wakeup.clear()
            until = None if wait_due is None else wait_due + self._slack
            self._sleeps_until = math.inf if until is None else until
            await wait_until(self._wakeup, until)

    def take(self) -> TrackedRun | None:
        """The run that is most overdue, to be polled now; None where none is due any more."""
        now = self._time()
        wait_due = self._queue.next_due()
        if wait_due is None or wait_due > now:
            return None
        run = self._queue.take()
        if run.wake_at is not None:
            run.wake_at, run.woken_at = None, now
        elif run.chance is not None:
            self._schedule.on_poll(wait_due - run.since, now - wait_due)
        return run

    # -- what the ends tell

    def on_run_ended(self, run: TrackedRun, state: RunState) -> None:
        """A poll found the end of the run."""
        self._learn(run, state)
        if self._reliability is None:
            return
        before = self._reliability.level
        if run.announced:
            self._reliability.announced(run.row.row)
        elif run.expects_callback:
            self._reliability.missed(run.row.row)
        self._on_reliability(self._reliability, before is not self._reliability.level)

    def _begun(self, run: TrackedRun) -> float:
        return run.deadline - self._settings.run_timeout

    def _learn(self, run: TrackedRun, state: RunState) -> None:
        now, begun = self._time(), self._begun(run)
        told = None
        if state.created_at is not None and state.updated_at is not None:
            told = (state.updated_at - state.created_at) / 1000
        elif run.seen_running_at is None and begun < self._since:
            return  # it may have ended at any time before this session
        age = run_duration((run.seen_running_at or begun) - begun, now - begun, told)
        if age is None:
            return
        self._schedule.on_run_ended(RunSpan(begun, begun + age))
        if self._schedule.wants_plan(now):
            each = len(self._runs) // MOST_ALIVE + 1
            alive = islice(self._runs.values(), 0, None, each)
            self._schedule.learn(
                (RunSpan(self._begun(one), one.seen_running_at) for one in alive if one.seen_running_at), each, now
            )

    def on_late_callback(self, row: int) -> None:
        """A callback tells of a run that is not watched any more."""
        if self._reliability is not None:
            before = self._reliability.level
            self._reliability.late(row)
            self._on_reliability(self._reliability, before is not self._reliability.level)

    def _on_reliability(self, trust: CallbackReliability, changed: bool) -> None:
        if changed:
            log.info("callbacks are %s: runs are polled accordingly", trust.level.name.lower().replace("_", " "))
            self._queue.reschedule(self._due)
            self._wakeup.set()
