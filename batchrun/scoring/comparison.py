"""Compares the variants of a sweep by the scores of one scorer.

Scores are columns: a million of them take some hundred megabytes less than objects, and seconds less.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batchrun.scoring.chance import holm, mcnemar, permutation
from batchrun.scoring.figures import Difference, Figures, Ints
from batchrun.scoring.intervals import (
    Clusters,
    Floats,
    detectable_difference,
    difference_interval,
    mean_interval,
    paired_shares_interval,
)

_ROUNDING = 1e-12
"""Means of the same scores may differ by this."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where scores belong. It is the same for all scorers of a sweep. Made by `layout_of`."""

    input_rows: Ints
    """The input rows, ascending."""
    cells: Ints
    """For each score, its cell: position in `input_rows` × number of variants + variant."""
    clusters: Ints
    """For each of `input_rows`, the number of its cluster, from 0."""
    variants: int
    repeats: int


def layout_of(input_row: Ints, variant: Ints, *, variants: int, repeats: int, cluster: Ints | None = None) -> Layout:
    """The layout of scores with these input rows, variants (from 0) and codes of clusters (default: input rows).

    `variants`, `repeats`: how many the sweep has, also if some have no score yet.
    """
    input_rows, first, position = np.unique(input_row, return_index=True, return_inverse=True)
    clusters = np.arange(len(input_rows)) if cluster is None else np.unique(cluster[first], return_inverse=True)[1]
    return Layout(input_rows, position * variants + variant, clusters, variants, repeats)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One scorer under all variants, in their order."""

    baseline: int
    figures: Sequence[Figures]
    differences: Sequence[Difference | None]
    """None for the baseline."""
    input_rows: Ints
    row_means: Floats
    """Input row × variant: the mean over the repeats that have a score, NaN if none has."""
    row_missing: NDArray[np.bool_]
    """Input row × variant: whether a repeat has no score."""

    def rows_below(self, variant: int, bound: float) -> list[int]:
        """The input rows with a smaller mean, ascending. Those without a score are not among them."""
        return [int(row) for row in self.input_rows[self.row_means[:, variant] < bound - _ROUNDING]]

    def rows_missing(self, variant: int) -> list[int]:
        """The input rows that have a repeat without a score, ascending."""
        return [int(row) for row in self.input_rows[self.row_missing[:, variant]]]

    def share_scored(self, variant: int) -> float:
        """The share of the input rows with a score."""
        return float((~np.isnan(self.row_means[:, variant])).mean()) if len(self.input_rows) else 0.0


def compare_scores(layout: Layout, scores: Floats, *, baseline: int = 0, seed: int = 0) -> Comparison:
    """Compare the variants by these scores, NaN where there is none. `seed`: of the permutations that are drawn."""
    table = _Table.of(layout, scores)
    variants = range(layout.variants)
    differences = [None if variant == baseline else _difference(table, variant, baseline, seed) for variant in variants]
    corrected = holm([None if difference is None else difference.p_raw for difference in differences])
    return Comparison(
        baseline=baseline,
        figures=[_figures(table, variant) for variant in variants],
        differences=[
            None if difference is None else replace(difference, p=p)
            for difference, p in zip(differences, corrected, strict=True)
        ],
        input_rows=layout.input_rows,
        row_means=table.means,
        row_missing=table.counts < table.places,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """Sums over the repeats: arrays of input row × variant."""

    layout: Layout
    places: Ints
    counts: Ints
    sums: Floats
    means: Floats
    passed: Ints
    varied: Ints
    """The number of scores that differ from their mean."""
    binary: Sequence[bool]
    """By variant, whether all scores are 0 or 1."""
    lowest: Sequence[float]
    highest: Sequence[float]

    @classmethod
    def of(cls, layout: Layout, scores: Floats) -> "_Table":
        size = len(layout.input_rows) * layout.variants

        def counted(cells: Ints) -> Ints:
            return np.bincount(cells, minlength=size).astype(np.int64, copy=False).reshape(-1, layout.variants)

        there = ~np.isnan(scores)
        cells, scores = layout.cells[there], scores[there]
        counts, sums = counted(cells), _summed(cells, scores, size).reshape(-1, layout.variants)
        means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
        other = counted(cells[(scores != 0) & (scores != 1)])
        variant = cells % layout.variants
        lowest, highest = np.full(layout.variants, np.inf), np.full(layout.variants, -np.inf)
        np.minimum.at(lowest, variant, scores)
        np.maximum.at(highest, variant, scores)
        return cls(
            layout=layout,
            places=counted(layout.cells),
            counts=counts,
            sums=sums,
            means=means,
            passed=counted(cells[scores >= 1]),
            varied=counted(cells[np.abs(scores - means.ravel()[cells]) > _ROUNDING]),
            binary=[not count for count in other.sum(axis=0)],
            lowest=lowest.tolist(),
            highest=highest.tolist(),
        )

    def clusters(self, values: Floats, counts: Floats) -> Clusters:
        """The sums by cluster of what each input row has (`values`) and how many it has of it."""
        sums, numbers = _summed(self.layout.clusters, values), _summed(self.layout.clusters, counts)
        return Clusters(sums[numbers > 0], numbers[numbers > 0])

    @property
    def independent(self) -> bool:
        """Whether each score is a cluster of its own."""
        rows = len(self.layout.input_rows)
        return self.layout.repeats == 1 and (not rows or int(self.layout.clusters.max()) == rows - 1)


def _figures(table: _Table, variant: int) -> Figures:
    counts, passed = table.counts[:, variant], table.passed[:, variant]
    values = table.clusters(table.sums[:, variant], counts.astype(float))
    low, high = mean_interval(values, binary=table.binary[variant])
    repeats = int(table.places[:, variant].max(initial=1))  # jobs may have different numbers of them
    whole, several = counts >= repeats, counts >= 2
    return Figures(
        n=int(counts.sum()),
        missing=int((table.places[:, variant] - counts).sum()),
        mean=values.mean,
        low=low,
        high=high,
        pass_all=_share(passed[whole] == counts[whole]),
        pass_any=_share(passed[whole] > 0),
        disagree=_share(table.varied[several, variant] > 0),
    )


def _difference(table: _Table, variant: int, baseline: int, seed: int) -> Difference:
    differences = table.means[:, variant] - table.means[:, baseline]
    both = ~np.isnan(differences)
    differences[~both | (np.abs(differences) < _ROUNDING)] = 0.0
    better, worse, rows = int((differences > 0).sum()), int((differences < 0).sum()), int(both.sum())
    values = table.clusters(differences, both.astype(float))
    binary = table.binary[variant] and table.binary[baseline]
    of_both = (variant, baseline)
    scale = max(1.0, max(table.highest[v] for v in of_both) - min(table.lowest[v] for v in of_both)) if rows else 1.0
    if binary and table.independent:
        low, high = paired_shares_interval(better, worse, rows)
        p = mcnemar(better, worse) if rows else None
    else:
        low, high = difference_interval(values, binary=binary, scale=scale)
        p = permutation(values.sums, seed) if rows else None
    by_size = np.argsort(-np.abs(differences), kind="stable")
    return Difference(
        rows=rows,
        mean=values.mean,
        low=low,
        high=high,
        p=p,
        p_raw=p,
        better=better,
        worse=worse,
        same=rows - better - worse,
        detectable=detectable_difference(values, scale=scale),
        better_rows=table.layout.input_rows[by_size[differences[by_size] > 0]],
        worse_rows=table.layout.input_rows[by_size[differences[by_size] < 0]],
    )


def _summed(places: Ints, values: Floats, size: int = 0) -> Floats:
    """The sums of the values at each place, from 0."""
    return np.bincount(places, values, size).astype(np.float64, copy=False)


def _share(of: NDArray[np.bool_]) -> float | None:
    return float(of.mean()) if len(of) else None
