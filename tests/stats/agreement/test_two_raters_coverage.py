"""Intervals cover a truth that is known: a joint law of two raters' grades, and samples of it."""

import numpy as np
import pytest
from scipy import stats

from benchkit.stats.agreement import correlation, kappa
from benchkit.stats.agreement.contingency import ContingencyTable, contingency_table
from benchkit.stats.bootstrap import bca_intervals

N, SAMPLES = 250, 1000
# Shares of the grades of either rater, and how alike they are (correlation of latent normals).
LAWS = {
    "four grades": ([0.25] * 4, [0.2, 0.3, 0.3, 0.2], 0.6),
    "four grades, one of 83 %": ([0.05, 0.05, 0.07, 0.83], [0.03, 0.05, 0.12, 0.80], 0.6),
    "seven grades": (
        [0.05, 0.1, 0.15, 0.2, 0.2, 0.2, 0.1], [0.03, 0.07, 0.15, 0.25, 0.25, 0.15, 0.1], 0.7,
    ),
    "seven grades, hardly apart": (
        [0.05, 0.1, 0.15, 0.2, 0.2, 0.2, 0.1], [0.03, 0.07, 0.15, 0.25, 0.25, 0.15, 0.1], 0.93,
    ),
}  # fmt: skip


def law(first, second, rho):
    """[k, k] probabilities of the joint grades."""
    cuts = [np.r_[-8, stats.norm.ppf(np.cumsum(shares)[:-1]), 8] for shares in (first, second)]
    latent = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    below = np.array([[latent.cdf([x, y]) for y in cuts[1]] for x in cuts[0]])
    chances = np.clip(np.diff(np.diff(below, axis=0), axis=1), 1e-9, None)
    return chances / chances.sum()


def statistics(table, k):
    return {
        "kappa": kappa.quadratic_kappa(table, range(k)),
        "spearman": correlation.spearman(table),
        "kendall": correlation.kendall(table),
    }


def truth(chances):
    """The statistics of the law itself: they are functions of shares, so shares go in as counts."""
    k = len(chances)
    i, j = np.divmod(np.arange(k * k), k)
    population = ContingencyTable(
        i.astype(float), j.astype(float), i, j, np.ones(k * k, dtype=int), i, None, (0, 0, 0)
    )
    return {
        name: float(f(chances.reshape(1, -1))[0]) for name, f in statistics(population, k).items()
    }


def covered(chances, samples, seed=1):
    """[share of samples whose interval holds the truth], by statistic."""
    k, rng, known = len(chances), np.random.default_rng(seed), truth(chances)
    hits = dict.fromkeys(known, 0)
    for sample in range(samples):
        table = contingency_table(*np.divmod(rng.choice(k * k, N, p=chances.ravel()), k))
        for name, (low, high, _) in bca_intervals(
            statistics(table, k), table.cell, seed=sample
        ).items():
            hits[name] += low <= known[name] <= high
    return {name: count / samples for name, count in hits.items()}


def test_the_truth_is_what_a_huge_sample_says():
    chances, rng = law(*LAWS["four grades"]), np.random.default_rng(0)
    a, b = np.divmod(rng.choice(16, 400_000, p=chances.ravel()), 4)
    known = truth(chances)
    assert known["spearman"] == pytest.approx(stats.spearmanr(a, b).statistic, abs=0.005)
    assert known["kendall"] == pytest.approx(stats.kendalltau(a, b).statistic, abs=0.005)
    weights = np.subtract.outer(np.arange(4), np.arange(4)) ** 2
    expected = np.outer(chances.sum(axis=1), chances.sum(axis=0))
    by_definition = 1 - (weights * chances).sum() / (weights * expected).sum()
    assert known["kappa"] == pytest.approx(by_definition, abs=1e-12)


def test_few_samples_are_covered():
    result = covered(law(*LAWS["four grades"]), 150)
    assert all(share >= 0.9 for share in result.values()), result


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_95_percent_intervals_cover_95_percent(name):
    result = covered(law(*LAWS[name]), SAMPLES)
    assert all(0.93 <= share <= 0.97 for share in result.values()), result
