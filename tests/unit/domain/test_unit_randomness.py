"""A draw is a pure function of the seed and its purpose."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.randomness import draw

WHAT = st.lists(st.integers() | st.text("abc", min_size=1), max_size=4)


@given(st.integers(), WHAT)
def test_a_draw_is_in_the_unit_interval_and_always_the_same(seed: int, what: list[int | str]) -> None:
    assert 0 <= draw(seed, *what) < 1
    assert draw(seed, *what) == draw(seed, *what)


def test_draws_are_pinned_so_that_a_resumed_job_makes_the_same_ones() -> None:
    assert round(draw(1, 2, 3, "poll"), 6) == 0.385058


@given(st.integers(0, 1000))
def test_seed_row_attempt_and_purpose_all_matter(seed: int) -> None:
    draws = {draw(seed, 1, 1, "a"), draw(seed + 1, 1, 1, "a"), draw(seed, 2, 1, "a"), draw(seed, 1, 1, "b")}
    assert len(draws) == 4


def test_draws_are_spread_evenly() -> None:
    tenths = [0] * 10
    for row in range(10_000):
        tenths[int(10 * draw(7, row))] += 1
    assert all(850 < count < 1150 for count in tenths)
