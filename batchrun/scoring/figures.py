"""What a comparison says of each variant of a sweep, and of each difference from the baseline."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Figures:
    """One scorer under one variant. None: no row tells it."""

    n: int
    """The number of scores: runs, not input rows."""
    missing: int
    """Rows without a score. They count in no mean."""
    mean: float | None
    low: float | None
    high: float | None
    pass_all: float | None
    """Share of the input rows with all their repeats in which all scores are at least 1."""
    pass_any: float | None
    disagree: float | None
    """Share of the input rows with two or more scores in which these are not the same."""

    def as_dict(self) -> dict[str, int | float | None]:
        """The figures as plain values, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Difference:
    """One scorer under one variant against the baseline, over the input rows that have a score under both."""

    rows: int
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    """Corrected for the number of variants."""
    p_raw: float | None
    better: int
    worse: int
    same: int
    detectable: float | None
    """The smallest difference that this many rows show in four cases of five."""
    better_rows: Ints
    """The input rows that are better than under the baseline, the largest differences first."""
    worse_rows: Ints

    def as_dict(self) -> dict[str, int | float | None]:
        """The figures as plain values, for JSON; without the rows."""
        return {name: getattr(self, name) for name in self.__slots__ if not name.endswith("_rows")}
