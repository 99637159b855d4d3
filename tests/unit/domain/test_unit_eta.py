"""When a running job will have ended."""

import pytest

from batchrun.domain.eta import seconds_left


@pytest.mark.parametrize(
    ("remaining", "ended", "elapsed", "idle", "expected"),
    [
        (90, 20, 50.0, 30.0, 90.0),  # a row a second since the first runs were over
        (90, 10, 10.0, 0.0, 90.0),
        (90, 0, 40.0, 30.0, None),
        (90, 10, 35.0, 30.0, None),  # too soon after the first end
        (90, 10, 20.0, 30.0, None),  # the first to end are shorter than most
        (0, 10, 40.0, 30.0, 0.0),
    ],
)
def test_the_rate_is_that_since_the_first_runs_were_over(
    remaining: int, ended: int, elapsed: float, idle: float, expected: float | None
) -> None:
    assert seconds_left(remaining, ended, elapsed, idle) == expected
