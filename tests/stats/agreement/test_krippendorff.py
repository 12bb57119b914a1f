"""Any number of raters: Krippendorff's alpha, intraclass correlation, mean kappa."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import DataError
from benchkit.stats.agreement.icc import intraclass_correlation, mean_squares
from benchkit.stats.agreement.kappa import quadratic_weighted_kappa
from benchkit.stats.agreement.krippendorff import (
    ALPHA_METRICS,
    _statistic,
    alpha_estimates,
    coincidence_matrix,
    krippendorff_alpha,
    pairable_units,
)
from benchkit.stats.agreement.mean_kappa import mean_kappa
from benchkit.stats.agreement.two_raters import pair_agreement

NAN = float("nan")
# Krippendorff (2011), section C: four observers, twelve units, some grades missing.
TEXTBOOK = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T
# Shrout and Fleiss (1979), Table 2: four judges, six targets.
SHROUT = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)


def alpha_by_pairs(grades, metric):
    """Alpha from its definition as a ratio of mean distances, pair by pair."""
    rows = [row[~np.isnan(row)] for row in np.asarray(grades, dtype=float)]
    rows = [row for row in rows if len(row) > 1]
    pooled = np.concatenate(rows)
    if metric == "ordinal":
        ranks = {v: (pooled < v).sum() + (pooled == v).sum() / 2 for v in pooled}
    else:
        ranks = {v: v for v in pooled}

    def distance(c, k):
        return float(c != k) if metric == "nominal" else (ranks[c] - ranks[k]) ** 2

    observed = sum(
        sum(distance(c, k) for c, k in permutations(row, 2)) / (len(row) - 1) for row in rows
    ) / len(pooled)
    n = len(pooled)
    expected = sum(distance(c, k) for c, k in permutations(pooled, 2)) / (n * (n - 1))
    return 1 - observed / expected


def test_alpha_of_the_textbook():
    assert krippendorff_alpha(TEXTBOOK, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(TEXTBOOK, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(TEXTBOOK, "interval") == pytest.approx(0.849, abs=5e-4)


def test_coincidences_of_the_textbook():
    # The matrix printed there; its sum is the 40 grades that can be paired.
    expected = [
        [7, 4 / 3, 1 / 3, 1 / 3, 0],
        [4 / 3, 10, 4 / 3, 1 / 3, 0],
        [1 / 3, 4 / 3, 8, 1 / 3, 0],
        [1 / 3, 1 / 3, 1 / 3, 4, 0],
        [0, 0, 0, 0, 3],
    ]
    np.testing.assert_allclose(coincidence_matrix(pairable_units(TEXTBOOK)), expected, atol=1e-12)


grade = st.one_of(st.integers(1, 5).map(float), st.just(NAN))


@given(st.lists(st.lists(grade, min_size=3, max_size=3), min_size=2, max_size=12))
@settings(deadline=None)
def test_alpha_is_its_definition(rows):
    result = pairable_units(rows)
    if len(result.values) < 2:
        assert all(np.isnan(krippendorff_alpha(rows, metric)) for metric in ALPHA_METRICS)
        return
    patterns, cell = np.unique(result.counts, axis=0, return_inverse=True)
    once = np.bincount(cell)[None, :].astype(float)
    for metric in ALPHA_METRICS:
        assert krippendorff_alpha(rows, metric) == pytest.approx(
            alpha_by_pairs(rows, metric), abs=1e-10
        )
        resampled = _statistic(result.values, patterns, metric)(once)[0]
        assert resampled == pytest.approx(krippendorff_alpha(rows, metric), abs=1e-10)


def test_alphas_have_intervals_and_p_values():
    result = alpha_estimates(TEXTBOOK, permutations=300)
    for metric in ALPHA_METRICS:
        estimate = result[metric]
        assert estimate.value == krippendorff_alpha(TEXTBOOK, metric)
        assert estimate.low < estimate.value < estimate.high
        assert estimate.p == pytest.approx(1 / 301)
    noise = np.random.default_rng(0).integers(1, 6, (80, 3))
    result = alpha_estimates(noise, permutations=300)
    assert result["ordinal"].low < 0 < result["ordinal"].high
    assert result["ordinal"].p > 0.05


def test_alpha_without_anything_to_pair():
    assert alpha_estimates([[1, NAN], [NAN, 2]])["ordinal"].reason == "no item has two grades"
    assert alpha_estimates([[1, 1], [1, 1]])["ordinal"].reason == "all grades are the same"
    assert np.isnan(krippendorff_alpha([[1, NAN]]))
    with pytest.raises(DataError, match="shape"):
        krippendorff_alpha([1, 2])


def test_icc_of_the_textbook():
    result = intraclass_correlation(SHROUT)
    assert result.single.value == pytest.approx(0.29, abs=5e-3)
    assert result.average.value == pytest.approx(0.62, abs=5e-3)
    between, judges, residual = (x[0] for x in mean_squares(SHROUT, np.ones((1, 6))))
    assert between == pytest.approx(11.24, abs=5e-3)
    assert judges == pytest.approx(32.49, abs=5e-3)
    assert residual == pytest.approx(1.02, abs=5e-3)
    assert result.single.low < result.single.value < result.single.high
    assert result.single.p == result.average.p == pytest.approx(1.35e-4, rel=1e-2)  # F = 11.03


def test_icc_uses_complete_items_and_counts_the_others():
    result = intraclass_correlation([*SHROUT.tolist(), [5, NAN, 5, 5]])
    assert (result.n, result.incomplete) == (6, 1)
    assert result.single.value == intraclass_correlation(SHROUT).single.value
    assert "fewer than two items" in intraclass_correlation([[1, NAN], [2, 3]]).single.reason
    assert "same mean" in intraclass_correlation([[1, 2], [2, 1]]).single.reason
    assert intraclass_correlation([[1, 1], [2, 2], [3, 3]]).single.value == 1
    assert intraclass_correlation([[1, 2], [4, 3]]).n == 2


def test_clusters_widen_the_intervals_of_many_raters():
    rng = np.random.default_rng(1)
    grades = np.clip(rng.integers(1, 6, (40, 1)) + rng.integers(-1, 2, (40, 3)), 1, 5)
    doubled, clusters = np.vstack([grades, grades]), [*range(40), *range(40)]
    for widths in (
        [alpha_estimates(doubled, c, permutations=5)["ordinal"] for c in (None, clusters)],
        [intraclass_correlation(doubled, c).single for c in (None, clusters)],
        [mean_kappa(doubled, range(1, 6), c) for c in (None, clusters)],
    ):
        alone, together = (estimate.high - estimate.low for estimate in widths)
        assert alone < 0.85 * together


def test_mean_kappa_is_the_mean_of_the_pairs():
    rng = np.random.default_rng(2)
    grades = np.clip(rng.integers(0, 4, (50, 1)) + rng.integers(-1, 2, (50, 3)), 0, 3).astype(float)
    grades[rng.random((50, 3)) < 0.1] = NAN
    result = mean_kappa(grades, range(4))
    pairs = [
        quadratic_weighted_kappa(grades[:, a], grades[:, b], range(4))
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert result.value == pytest.approx(np.mean(pairs), abs=1e-12)
    assert result.low < result.value < result.high
    two = mean_kappa(grades[:, :2], range(4))
    same = pair_agreement(*grades[:, :2].T, range(4)).estimates["kappa"]
    assert two.value == pytest.approx(same.value)
    assert two.low == pytest.approx(same.low, abs=0.03)
    assert mean_kappa([[1, NAN], [NAN, 1]], range(4)).reason.startswith("a pair of raters has no")
    assert mean_kappa([[1, 1], [1, 1]], range(4)).reason == "the raters of a pair are constant"
