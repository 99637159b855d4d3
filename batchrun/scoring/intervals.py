"""95 % intervals of means and of paired differences, from the sums of clusters of rows.

Rows of one cluster may be alike; clusters are independent. So the number of clusters bounds what is known, not the
number of rows: repeats of one row make it more exact and are not further rows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]

Z = float(ndtri(0.975))
POWER = 0.8
"""The chance with which a difference of the size `detectable` is found."""

FLOOR = 1.0
"""How many further rows that differ are assumed, in the share of the rows that do not (`difference_interval`).

Chosen by simulation, see tests/benchmarks/coverage.py.
"""


_ROUNDING = 1e-18
"""A variance that is smaller, in squares of the mean, is none."""


class Interval(NamedTuple):
    """The bounds of a 95 % interval; None if the rows do not tell them: no row, or one cluster alone."""

    low: float | None
    high: float | None


UNKNOWN = Interval(None, None)


@dataclass(frozen=True, slots=True)
class Clusters:
    """Per cluster, the sum of its values and their number (not 0)."""

    sums: Floats
    counts: Floats

    @property
    def mean(self) -> float | None:
        """The mean of all values."""
        return float(self.sums.sum() / self.counts.sum()) if len(self.sums) else None

    @property
    def variance(self) -> float:
        """The cluster-robust variance of the mean (CR1). Needs two clusters."""
        return self._of_mean(float(np.square(self.sums - self.sums.sum() / self.counts.sum() * self.counts).sum()))

    def _of_mean(self, sum_of_squares: float) -> float:
        clusters = len(self.sums)
        return clusters / (clusters - 1) * sum_of_squares / float(self.counts.sum()) ** 2

    def difference_variance(self, scale: float) -> float:
        """The variance of a mean of differences, which is not 0 because the rows at hand happen not to differ.

        Where most rows do not differ, their variance is known from the few that do. So it is taken as if `FLOOR` more
        rows had differed, as those did; if nothing varies, by `scale`. If every row differs, it is the plain variance.
        """
        plain, differing = self.variance, self.sums[self.sums != 0]
        if plain * len(self.sums) > _ROUNDING * float(self.sums.sum() / self.counts.sum()) ** 2:
            square = float(np.square(differing).mean()) * (1 - len(differing) / len(self.sums))
        else:
            square = scale**2 * float(np.square(self.counts).mean())
        return plain + self._of_mean(FLOOR * square)


def mean_interval(values: Clusters, *, binary: bool) -> Interval:
    """The interval of a mean: Wilson on the effective number of values if they are 0 and 1 (`binary`), else t."""
    mean, clusters = values.mean, len(values.sums)
    if mean is None or clusters < 2:
        return UNKNOWN
    if binary:
        return wilson(mean, _effective_number(values, mean))
    half = _t(clusters) * values.variance**0.5
    return Interval(mean - half, mean + half)


def wilson(share: float, number: float) -> Interval:
    """Wilson's interval of a share of this number of values, which need not be whole."""
    centre = (share + Z**2 / (2 * number)) / (1 + Z**2 / number)
    half = Z / (1 + Z**2 / number) * (share * (1 - share) / number + Z**2 / (4 * number**2)) ** 0.5
    # The share is within its interval; if it is 0 or 1, rounding may say otherwise.
    return Interval(max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def _effective_number(values: Clusters, mean: float) -> float:
    """The number of independent values that tell as much: by the design effect, after Korn and Graubard (1998).

    It is between the number where the values of a cluster are all alike, which is also taken if all values are equal
    and tell nothing of that, and the number of values, which it is where each is a cluster of its own.
    """
    number, clusters = float(values.counts.sum()), len(values.sums)
    least = number**2 / float(np.square(values.counts).sum())
    if not 0 < mean < 1:
        return least
    effect = values.variance * (number - 1) / (mean * (1 - mean))
    return min(number, max(least, number / effect * (_t(round(number)) / _t(clusters)) ** 2 if effect else number))


def difference_interval(differences: Clusters, *, binary: bool, scale: float) -> Interval:
    """The interval of a mean of paired differences: t with a floor. `binary`: of scores of 0 and 1.

    `scale`: what a difference is taken to be if none was seen. See `Clusters.difference_variance`.
    """
    mean, clusters = differences.mean, len(differences.sums)
    if mean is None or clusters < 2:
        return UNKNOWN
    half = _t(clusters) * differences.difference_variance(scale) ** 0.5
    if binary:
        return Interval(max(-1.0, mean - half), min(1.0, mean + half))
    return Interval(mean - half, mean + half)


def detectable_difference(differences: Clusters, *, scale: float) -> float | None:
    """The smallest difference that as many such rows show in four cases of five (80 % power, at 5 %).

    None if it is larger than `scale`, the largest difference that there can be.
    """
    clusters = len(differences.sums)
    if clusters < 2:
        return None
    factor = _t(clusters) + float(stdtrit(clusters - 1, POWER))
    detectable = float(factor * differences.difference_variance(scale) ** 0.5)
    return detectable if detectable <= scale else None


def paired_shares_interval(better: int, worse: int, rows: int) -> Interval:
    """Tango's (1998) score interval of the difference of two shares of the same rows."""
    if rows < 2:
        return UNKNOWN

    def score(delta: float) -> float:
        """Standard deviations from `delta` to the difference, with the likeliest share of worse rows given `delta`."""
        distance = better - worse - rows * delta
        half = (-better - worse + (2 * rows - better + worse) * delta) / 2
        share = (max(0.0, half**2 + 2 * rows * worse * delta * (1 - delta)) ** 0.5 - half) / (2 * rows)
        variance = rows * (2 * share + delta * (1 - delta))
        return float(distance / max(variance, 1e-12) ** 0.5)

    mean = (better - worse) / rows
    return Interval(
        -1.0 if mean == -1 else float(brentq(lambda delta: score(delta) - Z, -1.0, mean)),
        1.0 if mean == 1 else float(brentq(lambda delta: score(delta) + Z, mean, 1.0)),
    )


def _t(clusters: int) -> float:
    return float(stdtrit(clusters - 1, 0.975))
