"""How reliable callbacks are, and how much less often runs need to be polled because of them.

A missing callback cannot be observed directly. It shows only when a poll finds a run ended that no callback announced.
Callbacks therefore start on trial. They are trusted once callbacks announced the ends of `FIRST_PROOF` runs in a row.
They are distrusted when more than `MAX_MISSED` of the last `WINDOW` ends were not announced; then all runs are polled
as if there were no callbacks. To be trusted again, they must announce twice as many ends in a row as the time before.

While callbacks are on trial or trusted, runs are polled late: at intervals of up to `STRETCH` times the longest
interval. A few runs are exempt: the first ones of a session, and then every hundredth, are polled as often as without
callbacks. They show early when callbacks stop arriving.

A run whose callback is lost shows by its age: it is polled at `OVERDUE` times the duration of the longest of the last
runs, and then whenever its age has doubled.
"""

from collections import deque
from enum import Enum, auto

from batchrun.domain.measures import CallbackCount

STRETCH = 4.0
"""Polls of a run are at most this many times the longest interval (`--poll-max`) apart."""

FIRST_PROOF, MAX_PROOF = 3, 96
"""Ends in a row that callbacks must announce to be trusted: the first time, and at most."""

WINDOW, MAX_MISSED = 20, 1
"""Trust survives at most `MAX_MISSED` ends without a callback among the last `WINDOW` ends."""

OVERDUE, LAST_RUNS = 2.0, 100
"""A run is overdue at `OVERDUE` times the duration of the longest of the last `LAST_RUNS` runs that ended."""

FIRST_OFTEN, OFTEN_EVERY = 3, 100
"""The first `FIRST_OFTEN` runs of a session, and then one run in `OFTEN_EVERY`, are polled often."""


class Reliability(Enum):
    """How much callbacks are relied upon."""

    ON_TRIAL = auto()
    TRUSTED = auto()
    DISTRUSTED = auto()


class CallbackReliability:
    """Tracks whether callbacks announced the ends of runs. Pure except for its own state; one per session."""

    def __init__(self) -> None:
        self.level = Reliability.ON_TRIAL
        self._proof = FIRST_PROOF
        self._ends: deque[tuple[int, bool]] = deque(maxlen=MAX_PROOF)
        """The row of each run that ended, and whether a callback announced the end."""
        self._durations: deque[float] = deque(maxlen=LAST_RUNS)
        self._ended = 0
        self._announced = self._missed = 0
        self.overdue_age: float | None = None
        """The age in seconds at which a run is overdue; None if none has ended yet."""

    @property
    def count(self) -> CallbackCount | None:
        """The ends of runs so far; None if there were none."""
        ended = self._announced + self._missed
        return CallbackCount(self._announced, ended) if ended else None

    def took(self, duration: float, running: int) -> bool:
        """A run ended after so many seconds, and others are still running. Returns whether `overdue_age` changes much.

        Soon after the start only the shortest runs have ended: at least as many must have ended as are running.
        """
        self._durations.append(duration)
        self._ended += 1
        before = self.overdue_age
        if before is not None or self._ended >= running:
            self.overdue_age = OVERDUE * max(self._durations)
        return self.overdue_age is not None and (before is None or not before / 2 < self.overdue_age < before * 2)

    def announced(self, row: int) -> None:
        """The run of `row` ended, and a callback announced it."""
        self._announced += 1
        self._ends.append((row, True))
        self._update_level()

    def missed(self, row: int) -> None:
        """A poll found the run of `row` ended, and no callback had announced it."""
        self._missed += 1
        self._ends.append((row, False))
        self._update_level()

    def late(self, row: int) -> None:
        """A callback arrived for a run that has already ended. If the end counted as missed, it counts as announced."""
        if (row, False) in self._ends:
            self._announced, self._missed = self._announced + 1, self._missed - 1
            self._ends[self._ends.index((row, False))] = (row, True)
            self._update_level()

    def wait(self, interval: float, longest: float, chance: float, age: float) -> float:
        """Seconds until the next poll of a run that is not polled often.

        `interval`: the wait without callbacks, in seconds; `longest`: its upper bound. `chance`: a random number in
        [0, 1) that spreads the wait over 90 to 100 %. `age`: that of the run, in seconds.
        """
        if self.level is Reliability.DISTRUSTED:
            return interval
        stretch = STRETCH if self.level is Reliability.TRUSTED else 1.0
        late = stretch * longest * (0.9 + 0.1 * chance)
        if self.overdue_age is not None:
            late = min(late, self.overdue_age - age if age < self.overdue_age else age)
        return max(interval, late)

    def _update_level(self) -> None:
        if self.level is Reliability.TRUSTED:
            if sum(not announced for _, announced in list(self._ends)[-WINDOW:]) > MAX_MISSED:
                self.level = Reliability.DISTRUSTED
                self._proof = min(2 * self._proof, MAX_PROOF)
        elif self._announced_in_a_row() >= self._proof:
            self.level = Reliability.TRUSTED
            self._ends.clear()  # earlier misses no longer count
        elif not all(announced for _, announced in self._ends):
            self.level = Reliability.DISTRUSTED

    def _announced_in_a_row(self) -> int:
        count = 0
        for _, announced in reversed(self._ends):
            if not announced:
                break
            count += 1
        return count


def is_polled_often(number: int) -> bool:
    """Whether run `number` of a session (0, 1, …) is polled as often as without callbacks."""
    return number < FIRST_OFTEN or number % OFTEN_EVERY == 0
