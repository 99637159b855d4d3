"""p values of paired comparisons."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.scoring.chance import DRAWS, ENUMERATED, NORMAL, holm, mcnemar, permutation


@pytest.mark.parametrize(("better", "worse", "p"), [(0, 0, 1), (1, 0, 1), (6, 0, 1 / 32), (5, 5, 1), (9, 1, 22 / 1024)])
def test_mcnemar_counts_heads(better: int, worse: int, p: float) -> None:
    assert mcnemar(better, worse) == pytest.approx(p)
    assert mcnemar(worse, better) == mcnemar(better, worse)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.1, 0.2, 0.3]), max_size=8))
def test_few_clusters_are_enumerated(differences: list[float]) -> None:
    seen = abs(sum(differences))
    sums = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert permutation(np.array(differences), 1) == pytest.approx(np.mean([each >= seen - 1e-9 for each in sums]))


@given(st.integers(0, ENUMERATED), st.integers(0, ENUMERATED))
def test_with_one_difference_a_row_it_is_mcnemar(better: int, worse: int) -> None:
    better = min(better, ENUMERATED - worse)
    assert permutation(np.array([1.0] * better + [-1.0] * worse), 1) == pytest.approx(mcnemar(better, worse))


def test_more_are_drawn_and_never_0() -> None:
    assert permutation(np.ones(40), 1) == 1 / (DRAWS + 1)
    differences = np.array([1.0] * 25 + [-1.0] * 15)
    assert permutation(differences, 1) == pytest.approx(mcnemar(25, 15), abs=0.015)
    assert permutation(differences, 1) == permutation(differences, 1)


def test_many_are_normal() -> None:
    generator = np.random.default_rng(3)
    differences = generator.normal(0.03, 1, NORMAL + 1)
    normal, drawn = permutation(differences, 1), permutation(differences[:-1], 1)
    assert normal == pytest.approx(drawn, abs=0.05)
    assert permutation(np.concatenate([differences, np.zeros(9)]), 1) == normal


def test_clusters_that_do_not_differ_say_nothing_of_chance() -> None:
    assert permutation(np.array([0.5, 0.5, 0.5] + [0.0] * 5_000), 1) == 1 / 4


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=6))
def test_holm_raises_p_and_keeps_the_order(values: list[float | None]) -> None:
    corrected = holm(values)
    pairs = [(p, q) for p, q in zip(values, corrected, strict=True) if p is not None and q is not None]
    assert len(pairs) == sum(p is not None for p in values)
    assert all(p <= q <= 1 for p, q in pairs)
    assert [q for _, q in sorted(pairs)] == sorted(q for _, q in pairs)
