"""A uniform random sample of bounded size, for quantiles of latencies over any number of rows."""

import math

from batchrun.domain.randomness import draw


class Reservoir:
    """Keeps a sample of `size` of the numbers added, each with the same probability (Li's algorithm L).

    The algorithm draws how many numbers to skip, instead of making a draw for each number.
    """

    def __init__(self, name: str, size: int = 2000, seed: int = 0) -> None:
        self._name, self._size, self._seed = name, size, seed
        self._count = 0
        self._sample: list[float] = []
        self._draws = 0
        self._w = 1.0
        """W of algorithm L, from which the number of skipped numbers is drawn."""
        self._next = 0
        """The index of the next number that enters the sample."""

    def __len__(self) -> int:
        return self._count

    def add(self, value: float) -> None:
        """Add one number."""
        index = self._count
        self._count = index + 1
        if index < self._size:
            self._sample.append(value)
            if index == self._size - 1:
                self._skip(index)
        elif index == self._next:
            self._sample[int(self._draw() * self._size)] = value
            self._skip(index)

    def _skip(self, index: int) -> None:
        self._w *= (1 - self._draw()) ** (1 / self._size)
        skipped = math.log(1 - self._draw()) / math.log1p(-min(self._w, 1 - 2**-53))
        self._next = index + 1 + int(skipped)

    def _draw(self) -> float:
        self._draws += 1
        return draw(self._seed, self._name, self._draws)

    def quantile(self, share: float) -> float | None:
        """The smallest number that at least `share` (0 to 1) of the sample does not exceed; None without a sample."""
        if not self._sample:
            return None
        ordered = sorted(self._sample)
        return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]
