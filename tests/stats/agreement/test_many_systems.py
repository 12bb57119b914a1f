"""Agreement over thousands of systems, in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.sparse import issparse
from scipy.stats import kendalltau

from benchkit.stats import bootstrap
from benchkit.stats.agreement import correlation, system_agreement
from benchkit.stats.agreement.system_agreement import (
    system_level_correlations,
    within_item_correlations,
)
from benchkit.stats.bootstrap import bca_intervals

NAN = float("nan")


def peak_megabytes(function):
    tracemalloc.start()
    try:
        result = function()
        return result, tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def test_tau_of_many_systems_holds_no_pairs_of_resamples():
    rng = np.random.default_rng(0)
    n = 2500
    grades = rng.integers(1, 6, (2, n)).astype(float)
    (estimates, systems), peak = peak_megabytes(
        lambda: system_level_correlations(
            *grades, np.arange(n), np.arange(n) % 310, resamples=60, permutations=60
        )
    )
    assert systems == n and peak < 400  # 60 x 3 million pairs are 1.5 GB
    assert estimates["kendall"].value == pytest.approx(kendalltau(*grades).statistic, abs=1e-12)
    assert estimates["kendall"].low < estimates["kendall"].value < estimates["kendall"].high


def test_tau_of_one_item_with_thousands_of_answers():
    rng = np.random.default_rng(1)
    n = 3000
    a = rng.integers(1, 6, 2 * n).astype(float)
    b = np.clip(a + rng.integers(-1, 2, 2 * n), 1, 5)
    run = lambda: within_item_correlations(a, b, [0] * n + [1] * n, resamples=20, permutations=5)  # noqa: E731
    (estimates, counts), peak = peak_megabytes(run)
    taus = [kendalltau(a[part], b[part]).statistic for part in (slice(n), slice(n, None))]
    assert estimates["kendall"].value == pytest.approx(np.mean(taus), abs=1e-12)
    assert counts["kendall"] == 2 and peak < 100


@pytest.mark.parametrize("length", [2, 63, 64, 65, 90])
def test_sorting_and_all_pairs_give_the_same_tau(length):
    rng = np.random.default_rng(length)
    x = rng.integers(0, 5, (6, length)).astype(float)
    y = rng.integers(0, 5, (6, length)).astype(float)
    x[rng.random(x.shape) < 0.2] = NAN
    x[0], y[1] = 3.0, NAN  # undefined: constant, and nothing to compare
    ours = correlation.row_kendall(x, y)
    expected = []
    for row in range(6):
        both = ~np.isnan(x[row]) & ~np.isnan(y[row])
        tau = kendalltau(x[row, both], y[row, both]).statistic if both.sum() > 1 else NAN
        expected.append(tau)
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_blocks_of_rows_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 5, (2, 50, 20)).astype(float)
    whole = correlation.row_kendall(x, y)
    monkeypatch.setattr(correlation, "_PAIRS_AT_ONCE", 500)
    np.testing.assert_array_equal(correlation.row_kendall(x, y), whole)
    assert len(correlation.row_kendall(x[:0], y[:0])) == 0


def test_sparse_tables_of_systems_give_the_same_figures(monkeypatch):
    rng = np.random.default_rng(4)
    a = rng.integers(1, 6, 200).astype(float)
    b = np.clip(a + rng.integers(-1, 2, 200), 1, 5)
    data = (a, b, np.arange(200) % 10, np.arange(200) // 10)
    dense, _ = system_level_correlations(*data, resamples=100, permutations=50)
    monkeypatch.setattr(system_agreement, "_DENSE_ANSWERS", 10)
    table = system_agreement._sum_by_answer(a, np.arange(200), np.arange(200), (200, 200))
    assert issparse(table)
    sparse, _ = system_level_correlations(*data, resamples=100, permutations=50)
    for name, estimate in dense.items():
        other = sparse[name]
        for field in ("value", "low", "high", "p"):
            assert getattr(other, field) == pytest.approx(getattr(estimate, field), abs=1e-9)


def test_sparse_clusters_give_the_same_interval(monkeypatch):
    rng = np.random.default_rng(5)
    cell, cluster = rng.integers(0, 6, 300), np.arange(300) // 3
    values = np.arange(6.0)
    mean = {"mean": lambda counts: counts @ values / counts.sum(axis=1)}
    dense = bca_intervals(mean, cell, cluster, resamples=4000)["mean"]
    monkeypatch.setattr(bootstrap, "_DENSE_UNITS", 10)
    sparse = bca_intervals(mean, cell, cluster, resamples=4000)["mean"]
    assert sparse.low == pytest.approx(dense.low, abs=0.03)
    assert sparse.high == pytest.approx(dense.high, abs=0.03)
