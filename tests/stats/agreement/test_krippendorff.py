"""Any number of raters: Krippendorff's alpha, intraclass correlation, mean kappa."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import DataError
from benchkit.stats.agreement.icc import intraclass_correlation
from benchkit.stats.agreement.krippendorff import (
    ALPHA_METRICS,
    _statistic,
    alpha_estimates,
    coincidence_matrix,
    krippendorff_alpha,
    pairable_units,
)
from benchkit.stats.agreement.mean_kappa import mean_kappa

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
