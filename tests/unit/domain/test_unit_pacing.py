"""What a window of the service can see of a bucket never passes the limit."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.pacing import Bucket, bucket, window

RATES = st.floats(0.001, 10_000)


def most_in(shape: Bucket, seconds: float) -> int:
    """Most whole requests that can leave in a half-open window: a full bucket and all that leaks meanwhile.

    The first needs no leak; the k-th needs that k - size have leaked strictly within the window.
    """
    whole = math.floor(shape.size)
    rest = shape.size - whole
    return max(whole, whole + math.ceil(shape.leak * seconds + rest) - 1)


@given(RATES)
def test_a_window_never_sees_more_than_the_limit(rate: float) -> None:
    shape = bucket(rate)
    limit = math.ceil(rate) if rate >= 1 else 1
    assert shape.size + shape.leak * window(rate) < limit + 1
    assert most_in(shape, window(rate)) <= limit


@given(RATES)
def test_one_request_always_fits_and_the_bucket_stays_small(rate: float) -> None:
    shape = bucket(rate)
    assert 1 <= shape.size <= 5


@given(RATES)
def test_the_long_run_is_within_two_per_cent_of_the_limit(rate: float) -> None:
    assert 0.98 * rate == pytest.approx(bucket(rate).leak)
    assert bucket(rate).leak < rate


@given(RATES)
def test_the_period_is_the_time_in_which_the_bucket_leaks_empty(rate: float) -> None:
    shape = bucket(rate)
    assert shape.period * shape.leak == pytest.approx(shape.size)


@given(st.floats(0.001, 1, exclude_max=True))
def test_below_one_a_second_the_interval_is_longer_than_the_inverse_of_the_rate(rate: float) -> None:
    shape = bucket(rate)
    assert (2 - shape.size) / shape.leak > 1 / rate  # from an empty bucket's first request to the second
    assert window(rate) == 1 / rate


@given(st.floats(1, 10_000))
def test_from_one_a_second_on_the_window_is_a_second(rate: float) -> None:
    assert window(rate) == 1.0
