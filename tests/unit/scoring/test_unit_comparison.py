"""What a comparison says, on tables that can be counted by hand, and the laws that it keeps."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.scoring.chance import mcnemar
from batchrun.scoring.comparison import compare_scores, layout_of
from batchrun.scoring.figures import Difference
from batchrun.scoring.intervals import Clusters, Interval, mean_interval, paired_shares_interval, wilson
from tests.unit.scoring.score_tables import Row, compared


def difference(*rows: Row) -> Difference:
    found = compared(*rows).differences[1]
    assert found is not None
    return found


def test_the_figures_of_a_variant() -> None:
    figures = compared([[1, 1, 1]], [[1, 0, 1]], [[0, 0, 0]], [[1, None, 1]]).figures[0]
    assert (figures.n, figures.missing) == (11, 1)
    assert figures.mean == 7 / 11
    assert figures.pass_all == 1 / 3  # of the three rows that have all their repeats
    assert figures.pass_any == 2 / 3
    assert figures.disagree == 1 / 4
    assert figures.as_dict().keys() == {"n", "missing", "mean", "low", "high", "pass_all", "pass_any", "disagree"}


def test_means_pool_runs_and_differences_average_rows() -> None:
    found = compared([[1, 1, 1], [0, 0, 0]], [[0, None, None], [0, 0, 0]])
    assert [figures.mean for figures in found.figures] == [3 / 4, 0]
    assert found.differences[1] is not None
    assert found.differences[1].mean == -1 / 2


def test_the_figures_of_a_difference() -> None:
    found = difference([0, 1], [0, 1], [1, 0], [1, 1], [None, 1], [1, None])
    assert (found.rows, found.better, found.worse, found.same) == (4, 2, 1, 1)
    assert found.mean == 1 / 4
    assert (found.low, found.high) == paired_shares_interval(2, 1, 4)
    assert found.p == found.p_raw == mcnemar(2, 1)
    assert found.better_rows.tolist() == [0, 1]
    assert found.worse_rows.tolist() == [2]


def test_the_rows_with_the_largest_differences_are_first() -> None:
    found = difference([0.5, 0.6], [0.5, 0.9], [0.5, 0.4], [0.5, 0.0])
    assert found.better_rows.tolist() == [1, 0]
    assert found.worse_rows.tolist() == [3, 2]


def test_the_baseline_may_be_another() -> None:
    found = compared([0, 1], [0, 1], [1, 1], baseline=1)
    assert found.differences[1] is None
    assert found.differences[0] is not None
    assert found.differences[0].mean == pytest.approx(-2 / 3)


def test_p_is_corrected_for_the_number_of_variants() -> None:
    found = compared(*([0, 1, 1, 0] for _ in range(6)))
    raw = mcnemar(6, 0)
    assert [each and (each.p_raw, each.p) for each in found.differences] == [
        None,
        (raw, 3 * raw),
        (raw, 3 * raw),
        (1, 1),
    ]


def test_nothing_is_told_of_nothing() -> None:
    found = compared([None, 1], [None, 0])
    assert found.figures[0].mean is found.figures[0].low is found.figures[0].pass_all is None
    assert found.figures[0].missing == 2
    none = found.differences[1]
    assert none is not None
    assert none.rows == 0
    assert none.mean is none.low is none.p is none.p_raw is none.detectable is None
    empty = np.array([], np.int64)
    nothing = compare_scores(layout_of(empty, empty, variants=2, repeats=1), empty.astype(float))
    assert [figures.n for figures in nothing.figures] == [0, 0]


def test_one_cluster_alone_has_no_interval() -> None:
    found = compared([[0, 1], [1, 1]], [[1, 1], [0, 0]], clusters=[7, 7])
    assert found.figures[0].mean == 3 / 4
    assert found.figures[0].low is found.figures[0].high is None
    assert found.differences[1] is not None
    assert found.differences[1].low is found.differences[1].detectable is None
    assert found.differences[1].p_raw == 1


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 1]] * 30,
        [[0.5, 0.5]] * 30,
        [[[0, 1, 0], [1, 0, 0]]] * 30,
        [[1, 1], [0, 0]] * 15,
        [[[0, 0], [1, 1]]] * 30,
        [[0, 1]] * 30,
        [[[0, 0, 0], [0, 1, 1]]] * 30,
        [[0.5, 0.6]] * 30,
    ],
)
def test_a_difference_has_an_interval_also_if_nothing_varies(rows: Sequence[Row]) -> None:
    found = difference(*rows)
    assert found.low is not None
    assert found.high is not None
    assert found.mean is not None
    assert found.low <= found.mean <= found.high
    assert 0.03 < found.high - found.low < 0.25
    assert found.detectable


# -- the three wrong ways to score


def test_errors_are_not_zeros() -> None:
    """A variant whose service failed for some rows is not a worse one."""
    rows: Sequence[Row] = [[1, 1]] * 8 + [[1, None]] * 2
    zeros: Sequence[Row] = [[1, 1]] * 8 + [[1, 0]] * 2
    assert compared(*rows).figures[1].mean == 1
    assert compared(*zeros).figures[1].mean == 0.8
    assert difference(*rows).mean == 0
    assert difference(*zeros).mean == pytest.approx(-0.2)


def test_repeats_are_not_further_rows() -> None:
    """Three equal answers to one question tell as much as one."""
    thirty = [[[float(row % 2)] * 3] for row in range(30)]
    ninety = [[score] for row in thirty for score in row[0]]
    ours, wrong = compared(*thirty).figures[0], compared(*ninety).figures[0]
    assert ours.mean == wrong.mean
    assert ours.low is not None
    assert wrong.low is not None
    assert Interval(ours.low, ours.high) == pytest.approx(wilson(0.5, 30))
    assert Interval(wrong.low, wrong.high) == pytest.approx(wilson(0.5, 90))


def test_a_comparison_is_paired() -> None:
    """A variant that is better in six rows and worse in none is better, however much the rows differ."""
    rows: Sequence[Row] = [[row % 2, row % 2] for row in range(94)] + [[0, 1]] * 6
    before, after = compared(*rows).figures
    assert before.high is not None
    assert after.low is not None
    assert after.low < before.high  # the intervals overlap, from which people conclude that nothing is shown
    found = difference(*rows)
    assert found.p_raw == pytest.approx(2 / 2**6)
    assert found.low is not None
    assert found.low > 0


# -- laws

SCORES = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=16))
TABLES = st.integers(1, 3).flatmap(
    lambda repeats: st.lists(
        st.lists(st.lists(SCORES, min_size=repeats, max_size=repeats), min_size=2, max_size=2), min_size=1, max_size=12
    )
)


@given(TABLES)
def test_the_other_way_round_everything_has_the_other_sign(rows: Sequence[Row]) -> None:
    there, back = difference(*rows), difference(*([after, before] for before, after in rows))
    assert (there.rows, there.better, there.worse) == (back.rows, back.worse, back.better)
    assert there.p_raw == back.p_raw
    if there.mean is not None and back.mean is not None:
        assert there.mean == pytest.approx(-back.mean)
    if there.low is not None and back.high is not None:
        assert there.low == pytest.approx(-back.high)


@given(TABLES)
def test_every_mean_is_in_its_interval_and_every_count_adds_up(
    rows: Sequence[Sequence[Sequence[float | None]]],
) -> None:
    found = compared(*rows)
    cells = len(rows) * len(rows[0][0])
    for figures in found.figures:
        assert figures.n + figures.missing == cells
        if figures.low is not None:
            assert figures.mean is not None
            assert figures.high is not None
            assert figures.low - 1e-9 <= figures.mean <= figures.high + 1e-9
    each = found.differences[1]
    assert each is not None
    assert each.better + each.worse + each.same == each.rows
    assert len(each.better_rows) == each.better
    if each.low is not None:
        assert each.mean is not None
        assert each.high is not None
        assert each.low - 1e-9 <= each.mean <= each.high + 1e-9
        assert each.low < each.high or each.same < each.rows
    assert each.p_raw is None or 0 < each.p_raw <= 1


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=4), min_size=2, max_size=20))
def test_clusters_tell_no_more_than_their_values_and_no_less_than_their_number(rows: list[list[float]]) -> None:
    sums, counts = np.array([sum(row) for row in rows]), np.array([float(len(row)) for row in rows])
    low, high = mean_interval(Clusters(sums, counts), binary=True)
    mean = sums.sum() / counts.sum()
    assert low is not None
    assert high is not None
    narrowest, widest = wilson(mean, counts.sum()), wilson(mean, counts.sum() ** 2 / (counts**2).sum())
    assert narrowest.low is not None
    assert widest.low is not None
    assert widest.low - 1e-9 <= low <= narrowest.low + 1e-9


def test_the_same_seed_gives_the_same_p() -> None:
    rows = np.arange(200)
    layout = layout_of(np.repeat(rows, 2), np.tile([0, 1], 200), variants=2, repeats=1)
    scores = np.random.default_rng(0).random(400)
    drawn = [compare_scores(layout, scores, seed=seed).differences[1] for seed in (1, 1, 2)]
    assert [each and each.p for each in drawn[:1]] == [each and each.p for each in drawn[1:2]]
    assert drawn[0] is not None
    assert drawn[2] is not None
    assert drawn[0].p == pytest.approx(drawn[2].p, abs=0.02)
