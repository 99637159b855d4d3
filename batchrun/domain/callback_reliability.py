"""How far callbacks can be relied upon, and how much less needs to be polled for it.

A callback is announced by nobody when it does not come. Only a poll shows it: one that finds a run ended of which no
callback had told. So callbacks are on trial at first, trusted once the ends of `PROOF` runs in a row were learned by
them, and not trusted any more when more than `FORGIVEN` of the last `WINDOW` ends were not; then all runs are polled
as if there were none, until twice as many in a row as the last time prove them again.

While they are on trial or trusted, runs are polled late, at most `STRETCH` times the longest interval apart. A few
runs are not: the first ones of a session and then every hundredth are watched as closely as ever, so that it shows
soon, and not after a long wait of all, when callbacks do not come (any more).
"""

from collections import deque
from enum import Enum, auto

STRETCH = 4.0
"""Polls of a run are at most so many times the longest interval (`--poll-max`) apart."""

PROOF, MOST_PROOF = 3, 96
"""Ends in a row, learned by callbacks, that prove them: the first time, and at the most."""

WINDOW, FORGIVEN = 20, 1

CLOSE, EVERY = 3, 100
"""So many runs are watched closely first, and then every so many-th."""


class Reliability(Enum):
    """How far callbacks are relied upon."""

    ON_TRIAL = auto()
    TRUSTED = auto()
    DISTRUSTED = auto()


class CallbackReliability:
    """Sees how the end of each run was learned. Pure but for its own memory; one for each session."""

    def __init__(self) -> None:
        self.level = Reliability.ON_TRIAL
        self._proof = PROOF
        self._ends: deque[tuple[int, bool]] = deque(maxlen=MOST_PROOF)

    def announced(self, row: int) -> None:
        """The run of `row` has ended, and a callback had said so before."""
        self._ends.append((row, True))
        self._apply_verdicts()

    def missed(self, row: int) -> None:
        """A poll found the run of `row` ended, and no callback had told."""
        self._ends.append((row, False))
        self._apply_verdicts()

    def late(self, row: int) -> None:
        """A callback tells of a run whose end is known: if it was missed, it was only slower than the poll."""
        if (row, False) in self._ends:
            self._ends[self._ends.index((row, False))] = (row, True)
            self._apply_verdicts()

    def wait(self, interval: float, longest: float, chance: float) -> float:
        """Seconds until the next poll of a run that is not watched closely.

        `interval`: what it would be without callbacks; `longest`: the longest that this can be; `chance` in [0, 1)
        spreads the wait over 90 to 100 %.
        """
        match self.level:
            case Reliability.DISTRUSTED:
                return interval
            case Reliability.ON_TRIAL:
                return max(interval, longest * (0.9 + 0.1 * chance))
            case Reliability.TRUSTED:
                return max(interval, STRETCH * longest * (0.9 + 0.1 * chance))

    def _apply_verdicts(self) -> None:
        if self.level is Reliability.TRUSTED:
            if sum(not told for _, told in list(self._ends)[-WINDOW:]) > FORGIVEN:
                self.level = Reliability.DISTRUSTED
                self._proof = min(2 * self._proof, MOST_PROOF)
        elif self._in_a_row() >= self._proof:
            self.level = Reliability.TRUSTED
            self._ends.clear()  # what was missed before is atoned for
        elif not all(told for _, told in self._ends):
            self.level = Reliability.DISTRUSTED

    def _in_a_row(self) -> int:
        count = 0
        for _, told in reversed(self._ends):
            if not told:
                break
            count += 1
        return count


def polled_closely(number: int) -> bool:
    """Whether the run that is watched as `number` of its session (0, 1, …) is polled as if there were no callbacks."""
    return number < CLOSE or number % EVERY == 0
