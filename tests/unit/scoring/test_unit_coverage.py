"""95 % intervals have the true value in them in 95 % of all cases: few of them here, more in the benchmarks."""

import pytest

from tests.benchmarks.coverage import coverage


@pytest.mark.parametrize("repeats", [1, 3])
def test_coverage(repeats: int) -> None:
    """The seed is fixed. 900 sweeps: two standard errors are 1.5 points."""
    covered = coverage(30, repeats, times=100)
    assert covered.mean == pytest.approx(0.95, abs=0.02)
    assert covered.difference == pytest.approx(0.95, abs=0.02)
