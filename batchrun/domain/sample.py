"""A fair sample of bounded size, for quantiles of latencies over any number of rows."""

import math

from batchrun.domain.chance import draw


class Sample:
    """Keeps `size` of the numbers it was given, each with the same chance (Vitter's algorithm R)."""

    def __init__(self, name: str, size: int = 2000, seed: int = 0) -> None:
        self._name, self._size, self._seed = name, size, seed
        self._seen = 0
        self._kept: list[float] = []

    def __len__(self) -> int:
        return self._seen

    def add(self, value: float) -> None:
        """Take one number."""
        self._seen += 1
        if len(self._kept) < self._size:
            self._kept.append(value)
            return
        place = int(draw(self._seed, self._name, self._seen) * self._seen)
        if place < self._size:
            self._kept[place] = value

    def quantile(self, share: float) -> float | None:
        """The smallest number that at least `share` (0 to 1) of the sample does not exceed; None of nothing."""
        if not self._kept:
            return None
        ordered = sorted(self._kept)
        return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]
