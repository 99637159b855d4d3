"""Waits are bounded and jittered, and never overflow."""

import math

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.backoff import doubled, poll_interval, retry_delay

SECONDS = st.floats(0.001, 1e5)
CHANCE = st.floats(0, 1, exclude_max=True)
MANY = st.integers(0, 1_000_000)


@given(MANY, SECONDS, SECONDS)
def test_a_doubled_wait_stays_between_its_start_and_its_cap_and_never_decreases(
    n: int, initial: float, cap: float
) -> None:
    wait = doubled(n, initial, cap)
    assert min(initial, cap) <= wait <= cap
    assert doubled(n + 1, initial, cap) >= wait


@given(st.integers(0, 40), SECONDS)
def test_the_wait_doubles_below_the_cap(n: int, initial: float) -> None:
    assert doubled(n + 1, initial, math.inf) == 2 * doubled(n, initial, math.inf)


@given(st.integers(1, 1_000_000), CHANCE, SECONDS, SECONDS)
def test_a_retry_waits_half_to_all_of_its_doubled_wait(
    failures: int, chance: float, initial: float, cap: float
) -> None:
    full = doubled(failures - 1, initial, cap)
    assert 0.5 * full <= retry_delay(failures, chance, initial, cap) <= full


@given(st.integers(1, 1_000_000), st.floats(0, 0.49), st.floats(0.5, 0.99))
def test_the_jitter_of_a_retry_survives_the_cap(failures: int, low: float, high: float) -> None:
    assert retry_delay(failures, low) < retry_delay(failures, high) <= 60.0


def test_retries_by_default_start_at_a_second_and_end_at_a_minute() -> None:
    assert retry_delay(1, 0.0) == 0.5
    assert retry_delay(2, 0.0) == 1.0
    assert retry_delay(1_000_000, 0.0) == 30.0


@given(MANY, CHANCE, SECONDS, SECONDS)
def test_a_poll_is_never_later_than_the_longest_interval(n: int, chance: float, initial: float, longest: float) -> None:
    interval = poll_interval(n, chance, initial, longest)
    plain = doubled(n, initial, longest)
    assert 0.9 * plain * (1 - 1e-12) <= interval <= min(longest, 1.1 * plain) * (1 + 1e-12)


@given(MANY, st.floats(0, 0.49), st.floats(0.5, 0.99))
def test_the_jitter_of_a_poll_survives_the_cap(n: int, low: float, high: float) -> None:
    assert poll_interval(n, low, 1.0, 30.0) < poll_interval(n, high, 1.0, 30.0)


def test_polls_begin_as_the_documentation_advises() -> None:
    assert [poll_interval(n, 0.5, 1.0, 30.0) for n in range(5)] == [1, 2, 4, 8, 16]
    assert 27 <= poll_interval(5, 0.0, 1.0, 30.0) < poll_interval(5, 0.999, 1.0, 30.0) <= 30
