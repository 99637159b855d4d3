"""A uniform random sample of bounded size, for quantiles of latencies over any number of rows."""

import math
from collections.abc import Sequence
from typing import Generic, TypeVar

from batchrun.domain.randomness import draw

T = TypeVar("T")


class Sample(Generic[T]):
    """Keeps a sample of `size` of the values added, each with the same probability (Li's algorithm L).

    The algorithm draws how many values to skip, instead of making a draw for each value.
    """

    def __init__(self, name: str, size: int = 2000, seed: int = 0) -> None:
        self._name, self._size, self._seed = name, size, seed
        self._count = 0
        self.values: list[T] = []
        self.changes = 0
        """How often the sample has changed."""
        self._draws = 0
        self._w = 1.0
        """W of algorithm L, from which the number of skipped numbers is drawn."""
        self._next = 0
        """The index of the next number that enters the sample."""

    def __len__(self) -> int:
        return self._count

    def add(self, value: T) -> None:
        """Add one value."""
        index = self._count
        self._count = index + 1
        if index < self._size:
            self.values.append(value)
            self.changes += 1
            if index == self._size - 1:
                self._skip(index)
        elif index == self._next:
            self.values[int(self._draw() * self._size)] = value
            self.changes += 1
            self._skip(index)

    def _skip(self, index: int) -> None:
        self._w *= (1 - self._draw()) ** (1 / self._size)
        skipped = math.log(1 - self._draw()) / math.log1p(-min(self._w, 1 - 2**-53))
        self._next = index + 1 + int(skipped)

    def _draw(self) -> float:
        self._draws += 1
        return draw(self._seed, self._name, self._draws)


class Reservoir(Sample[float]):
    """A sample of numbers, with their quantiles."""

    _ordered: tuple[int, list[float]] = (0, [])

    @property
    def ordered(self) -> list[float]:
        """The sample, the least number first."""
        if self._ordered[0] != self.changes:
            self._ordered = self.changes, sorted(self.values)
        return self._ordered[1]

    def quantile(self, share: float) -> float | None:
        """The smallest number that at least `share` (0 to 1) of the sample does not exceed; None without a sample."""
        return quantile(self.ordered, share)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of the ordered numbers that at least `share` (0 to 1) of them do not exceed; None without any."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)] if ordered else None
