"""A uniform sample of bounded size."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.reservoir import Reservoir

NUMBERS = st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=200)


def sample_of(values: list[float], size: int = 2000, seed: int = 0) -> Reservoir:
    sample = Reservoir("test", size, seed)
    for value in values:
        sample.add(value)
    return sample


def test_an_empty_sample_has_no_quantile() -> None:
    assert sample_of([]).quantile(0.5) is None
    assert len(sample_of([])) == 0


@given(NUMBERS, st.floats(0, 1))
def test_a_quantile_is_one_of_the_numbers(values: list[float], share: float) -> None:
    assert sample_of(values).quantile(share) in values


@given(NUMBERS, st.floats(0, 1), st.floats(0, 1))
def test_quantiles_are_in_order_from_the_least_to_the_greatest(values: list[float], a: float, b: float) -> None:
    sample = sample_of(values)
    low, high = sample.quantile(min(a, b)), sample.quantile(max(a, b))
    assert low is not None
    assert high is not None
    assert low <= high
    assert sample.quantile(0.0) == min(values)
    assert sample.quantile(1.0) == max(values)


@given(NUMBERS, st.floats(0, 1))
def test_at_least_the_share_is_not_above_the_quantile_and_not_much_more_is_below(
    values: list[float], share: float
) -> None:
    found = sample_of(values).quantile(share)
    assert found is not None
    n = len(values)
    assert sum(value <= found for value in values) >= Fraction(share) * n * (1 - Fraction(1, 10**9))
    assert sum(value < found for value in values) <= Fraction(share) * n * (1 + Fraction(1, 10**9))


@given(NUMBERS, st.integers(1, 20), st.integers(0, 1000))
def test_the_sample_is_bounded_and_every_number_is_counted(values: list[float], size: int, seed: int) -> None:
    distinct = [value + index * 1e4 for index, value in enumerate(values)]
    sample = sample_of(distinct, size, seed)
    assert len(sample) == len(values)
    kept = {sample.quantile(step / 1000) for step in range(1001)}
    assert len(kept) <= min(size, len(values))
    assert kept <= set(distinct)


@given(st.integers(0, 10_000))
def test_the_same_seed_keeps_the_same(seed: int) -> None:
    values = [float(n) for n in range(200)]
    one, two = sample_of(values, 10, seed), sample_of(values, 10, seed)
    assert [one.quantile(q / 10) for q in range(11)] == [two.quantile(q / 10) for q in range(11)]


def test_early_and_late_numbers_have_the_same_probability() -> None:
    medians = [sample_of([float(n) for n in range(1000)], 100, seed).quantile(0.5) for seed in range(30)]
    mean = sum(median for median in medians if median is not None) / len(medians)
    assert 450 < mean < 550
