"""Percentages that add up to 100."""

from collections.abc import Sequence

import pytest

from batchrun.views.number_format import percentages


@pytest.mark.parametrize(
    ("parts", "shares"),
    [
        ([1, 1, 1], [34, 33, 33]),
        ([4.0, 1.6, 0.4], [67, 27, 6]),
        ([99.6, 0.4], [100, 0]),
        ([0.5, 99.5], [1, 99]),
        ([7], [100]),
        ([0.0, 0.0], [0, 0]),
        ([], []),
    ],
)
def test_whole_percentages_add_up(parts: Sequence[float], shares: Sequence[int]) -> None:
    assert percentages(parts) == shares
