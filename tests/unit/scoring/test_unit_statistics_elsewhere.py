"""Our figures against other people's: statsmodels, where it is installed, and published examples."""

import numpy as np
import pytest

from batchrun.scoring.chance import holm, mcnemar
from batchrun.scoring.intervals import Clusters, mean_interval, paired_shares_interval, wilson
from tests.unit.scoring.score_tables import compared

statsmodels = pytest.importorskip("statsmodels")

GENERATOR = np.random.default_rng(5)
CLUSTERS = GENERATOR.integers(0, 12, 80)
VALUES = GENERATOR.normal(0.5, 0.2, 80) + 0.1 * CLUSTERS


@pytest.mark.parametrize(("passed", "number"), [(0, 10), (3, 10), (81, 263), (20.7, 29.3), (5, 5)])
def test_wilson(passed: float, number: float) -> None:
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415 - an import that takes seconds

    assert wilson(passed / number, number) == pytest.approx(proportion_confint(passed, number, method="wilson"))


def test_wilson_as_newcombe_published_it() -> None:
    """Newcombe (1998), Statistics in Medicine 17, 857-872, table I: method 3."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0 / 20, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(1 / 29, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_the_cluster_robust_interval() -> None:
    """A regression on a constant with clustered errors; its correction for few values is for one cluster a value."""
    from statsmodels.api import OLS  # noqa: PLC0415 - likewise

    fit = OLS(VALUES, np.ones(80)).fit(
        cov_type="cluster", cov_kwds={"groups": CLUSTERS, "df_correction": True}, use_t=True
    )
    sums, counts = np.bincount(CLUSTERS, VALUES).astype(float), np.bincount(CLUSTERS).astype(float)
    values = Clusters(sums, counts)
    assert values.variance**0.5 == pytest.approx(fit.bse[0])
    assert mean_interval(values, binary=False) == pytest.approx(fit.conf_int()[0])


@pytest.mark.parametrize(("better", "worse"), [(9, 2), (1, 7), (40, 20), (0, 3)])
def test_mcnemar(better: int, worse: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar as theirs  # noqa: PLC0415 - likewise

    assert mcnemar(better, worse) == pytest.approx(theirs([[0, better], [worse, 0]], exact=True).pvalue)


def test_holm() -> None:
    from statsmodels.stats.multitest import multipletests  # noqa: PLC0415 - likewise

    values = [0.01, 0.04, 0.03, 0.5, 0.005, 0.03]
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


def test_the_paired_interval_of_airway_reactivity() -> None:
    """Bentur (2009) as in Fagerland, Lydersen and Laake (2014), BMC Medical Research Methodology 13:88."""
    assert paired_shares_interval(1, 7, 21) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_where_no_pair_differs_the_interval_is_that_of_one_share() -> None:
    """Tango (1998): with no pair that differs the bounds are those of z²/(n+z²)."""
    assert paired_shares_interval(0, 0, 30) == pytest.approx((-wilson(0, 30)[1], wilson(0, 30)[1]))  # type: ignore[operator]


def test_the_paired_t_interval_of_scores_that_all_differ() -> None:
    from scipy.stats import ttest_rel  # noqa: PLC0415 - likewise

    before, after = GENERATOR.random(40), GENERATOR.random(40)
    found = compared(*zip(before.tolist(), after.tolist(), strict=True)).differences[1]
    theirs = ttest_rel(after, before).confidence_interval()
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_the_permutation_of_scipy() -> None:
    from scipy.stats import permutation_test  # noqa: PLC0415 - likewise

    before, after = GENERATOR.random(10), GENERATOR.random(10) + 0.2
    found = compared(*zip(before.tolist(), after.tolist(), strict=True)).differences[1]
    theirs = permutation_test(
        (after, before), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert found is not None
    assert found.p_raw == pytest.approx(theirs.pvalue)
