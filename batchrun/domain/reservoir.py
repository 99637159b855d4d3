"""A fair sample of bounded size, for quantiles of latencies over any number of rows."""

import math

from batchrun.domain.randomness import draw


class Reservoir:
    """Keeps `size` of the numbers it was given, each with the same chance (Li's algorithm L).

    It draws how many numbers to pass over instead of drawing for each of them.
    """

    def __init__(self, name: str, size: int = 2000, seed: int = 0) -> None:
        self._name, self._size, self._seed = name, size, seed
        self._seen = 0
        self._kept: list[float] = []
        self._draws = 0
        self._share = 1.0
        self._next = 0

    def __len__(self) -> int:
        return self._seen

    def add(self, value: float) -> None:
        """Take one number."""
        place = self._seen
        self._seen = place + 1
        if place < self._size:
            self._kept.append(value)
            if place == self._size - 1:
                self._pass_over(place)
        elif place == self._next:
            self._kept[int(self._draw() * self._size)] = value
            self._pass_over(place)

    def _pass_over(self, place: int) -> None:
        self._share *= (1 - self._draw()) ** (1 / self._size)
        passed = math.log(1 - self._draw()) / math.log1p(-min(self._share, 1 - 2**-53))
        self._next = place + 1 + int(passed)

    def _draw(self) -> float:
        self._draws += 1
        return draw(self._seed, self._name, self._draws)

    def quantile(self, share: float) -> float | None:
        """The smallest number that at least `share` (0 to 1) of the sample does not exceed; None of nothing."""
        if not self._kept:
            return None
        ordered = sorted(self._kept)
        return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]
