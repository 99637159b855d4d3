"""How likely a difference as large as the one seen is by chance: p values of paired comparisons."""

from collections.abc import Sequence
from math import erfc

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

Floats = NDArray[np.float64]

DRAWS = 9_999
ENUMERATED = 16
"""Up to this many clusters that differ, all their 2^n signs are tried: fewer than 70,000 sums."""

NORMAL = 1_000
"""With more clusters that differ, the sum of their signed differences is normal enough."""

_AT_ONCE = 1_000
"""Draws for which there is memory at one time."""
_ROUNDING = 1e-9
"""Sums of the same size may differ by this share of all that is summed."""


def mcnemar(better: int, worse: int) -> float:
    """The exact test whether as many rows became better as worse."""
    return min(1.0, 2 * float(bdtr(min(better, worse), better + worse, 0.5)))


def permutation(differences: NDArray[np.float64], seed: int) -> float:
    """The paired permutation test: by chance, the difference of each cluster might have had the other sign.

    `differences`: the sum of the differences of each cluster.
    """
    signed = differences[np.abs(differences) > 1e-12]
    size = abs(float(signed.sum()))
    seen = size - _ROUNDING * float(np.abs(signed).sum())
    if len(signed) <= ENUMERATED:
        sums = np.zeros(1)
        for difference in signed:
            sums = np.concatenate([sums + difference, sums - difference])
        return float((np.abs(sums) >= seen).mean())
    if len(signed) > NORMAL:
        return erfc(size / float(2 * np.square(signed).sum()) ** 0.5)
    generator = np.random.default_rng(seed)
    # Of clusters with the same size of difference, only the number of those with a plus counts.
    sizes, clusters = np.unique(np.abs(signed), return_counts=True)
    hits = 0
    for start in range(0, DRAWS, _AT_ONCE):
        positive = generator.binomial(clusters, 0.5, (min(_AT_ONCE, DRAWS - start), len(sizes)))
        hits += int((np.abs((2 * positive - clusters) @ sizes) >= seen).sum())
    return (hits + 1) / (DRAWS + 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The values corrected after Holm (1979) for how many there are. None stays None and counts for nothing."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[place] = largest
    return corrected
