"""p values of agreement against permutation tests."""

import numpy as np
import pytest
from scipy import stats

from benchkit.stats.agreement import independence_test
from benchkit.stats.agreement.contingency import contingency_table
from tests.support.kappa import compute_kappa


def grades(n, levels, seed=0, noise=1.0):
    """Two raters of the same items, correlated."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    cuts = stats.norm.ppf(np.arange(1, levels) / levels)
    return tuple(np.searchsorted(cuts, truth + noise * rng.normal(size=n)) for _ in range(2))


@pytest.mark.parametrize("large", [False, True])
def test_p_values_are_those_of_a_permutation_test(large, monkeypatch):
    if large:
        monkeypatch.setattr(independence_test, "_LARGE", 0)
    a, b = grades(40, 4, seed=3, noise=2.2)
    table = contingency_table(a, b)
    scale = [0, 1, 5, 6]  # for kappa, gaps in the grades do not count
    spread = contingency_table(np.take(scale, a), np.take(scale, b))
    i, j = table.x, table.y
    p = independence_test.independence_p_values(spread, (i, j), permutations=10_000)
    correlations = {
        "spearman": lambda x: stats.spearmanr(x, b).statistic,
        "kendall": lambda x: stats.kendalltau(x, b).statistic,
        "pearson": lambda x: np.corrcoef(np.take(scale, x), np.take(scale, b))[0, 1],
        "kappa": lambda x: compute_kappa(x, b, 4),
    }
    rng = np.random.default_rng(0)
    shuffles = [rng.permutation(a) for _ in range(1500)]
    for name, f in correlations.items():
        drawn = np.abs([f(x) for x in shuffles])
        reference = (1 + (drawn >= abs(f(a)) - 1e-12).sum()) / 1501
        assert p[name] == pytest.approx(reference, abs=0.04), name


def test_p_values_are_uniform_without_agreement():
    rng = np.random.default_rng(5)
    p = [
        independence_test.independence_p_values(
            contingency_table(rng.integers(0, 7, 80), rng.integers(0, 7, 80)),
            permutations=300,
            seed=k,
        )
        for k in range(200)
    ]
    for name in ("pearson", "spearman", "kendall"):
        assert stats.kstest([result[name] for result in p], "uniform").pvalue > 0.001
