"""Scores of sweeps, written as one list of repeats for each input row and variant."""

from collections.abc import Sequence

import numpy as np

from batchrun.scoring.comparison import Comparison, compare_scores, layout_of

Row = Sequence[Sequence[float | None] | float | None]


def compared(*rows: Row, clusters: Sequence[int] | None = None, baseline: int = 0) -> Comparison:
    """The comparison of these input rows: each has for each variant its score, or a list of repeats. None: missing."""
    lists = [[cell if isinstance(cell, Sequence) else [cell] for cell in row] for row in rows]
    flat = [
        (row, variant, score, row if clusters is None else clusters[row])
        for row, cells in enumerate(lists)
        for variant, repeats in enumerate(cells)
        for score in repeats
    ]
    input_row, variant, scores, cluster = (np.array(column) for column in zip(*flat, strict=True))
    layout = layout_of(
        input_row,
        variant,
        variants=len(lists[0]),
        repeats=max(len(repeats) for cells in lists for repeats in cells),
        cluster=None if clusters is None else cluster,
    )
    return compare_scores(layout, scores.astype(float), baseline=baseline)
