"""How often rank intervals hold the true ranks, beside quantiles of the ranks in resamples.

Run as a script it prints a line a scenario: the share of rows whose interval holds all ranks that
are true of it (equal means share their places), the least of any row, and the mean number of ranks
in an interval; the same of quantiles; and how often letters tell methods apart that are equal.

    python -m tests.stats.ranking.test_rank_coverage
"""

from dataclasses import dataclass

import numpy as np
import pytest

from benchkit.stats.clusters import find_clusters
from benchkit.stats.ranking.paired_statistics import pair_statistics
from benchkit.stats.ranking.rank_intervals import differing_pairs, rank_intervals

pytestmark = pytest.mark.slow

SAMPLES = 800
QUANTILE_SAMPLES = 100
DRAWS = 499
CANDIDATES = 30
GAINS = np.concatenate([1 / np.log2(np.arange(2, 7)), np.zeros(CANDIDATES - 5)])
LEVEL = pytest.approx(0.95, abs=0.02)


@dataclass(frozen=True)
class Scenario:
    """Methods with true skills, and how their users are drawn."""

    skill: tuple[float, ...]
    kind: str = "ndcg"
    users: int = 300
    cases: int = 1
    """Cases of a user at most; each number from 1 on is equally likely."""
    seeds: int = 1
    seed_sd: float = 0.0
    datasets: int = 1


def equal(k, **options):
    return Scenario((0.0,) * k, **options)


def close(k, **options):
    return Scenario(tuple(np.linspace(0, 0.15, k)), **options)


def separated(k, **options):
    return Scenario(tuple(0.6 * np.arange(k)), kind="normal", **options)


def grouped(k, **options):
    """Half of the methods far behind the other half."""
    return Scenario((0.0,) * (k // 2) + (1.0,) * (k // 2), **options)


def draw(rng, scenario):
    """Values [seeds, cases] of each method on one dataset, and the cases of each user."""
    skill = np.array(scenario.skill)
    k, users = len(skill), scenario.users
    user = np.repeat(np.arange(users), rng.integers(1, scenario.cases + 1, users))
    score = (rng.normal(size=users) + rng.normal(0, 0.6, (k, users)))[:, user] + skill[:, None]
    score = score[:, None] + rng.normal(0, scenario.seed_sd, (k, scenario.seeds, 1))
    if scenario.cases > 1 or scenario.seeds > 1:
        score = score + rng.normal(0, 0.5, (k, scenario.seeds, len(user)))
    if scenario.kind == "hits":
        score = (score > 1).astype(float)
    elif scenario.kind == "ndcg":
        place = np.floor(CANDIDATES / (1 + np.exp(1.2 * score + 1))).astype(int)
        score = GAINS[np.minimum(place, CANDIDATES - 1)]
    return list(score), find_clusters(user)


def rank_quantiles(rng, datasets):
    """Central 95 % of the mean ranks of resampled means, users drawn with all their cases."""
    ranks = []
    for values, clusters in datasets:
        pooled = np.stack([v.mean(axis=0) for v in values])
        sums = pooled if clusters is None else clusters.sum(pooled)
        n = sums.shape[1]
        means = (rng.multinomial(n, np.full(n, 1 / n), DRAWS) @ sums.T).round(9)
        ranks.append(1 + (means[:, None, :] > means[:, :, None]).sum(axis=2))
    mean = np.mean(ranks, axis=0)
    return [np.quantile(mean, share, axis=0, method="inverted_cdf") for share in (0.025, 0.975)]


def true_ranks(scenario):
    """The least and the largest rank that is true of each method."""
    skill = np.array(scenario.skill)
    better, worse = ((sign * (skill[None] - skill[:, None]) > 1e-9).sum(1) for sign in (1, -1))
    return 1 + better, len(skill) - worse


def measure(scenario, samples=SAMPLES, quantile_samples=QUANTILE_SAMPLES):
    """[rows] coverage, mean width, the same of quantiles, and how often equal ones differ."""
    rng, resampler = np.random.default_rng(7), np.random.default_rng(8)
    first, last = true_ranks(scenario)
    held, width, quantiles_hold, quantiles_width, errors = [], [], [], [], 0
    for sample in range(samples):
        datasets = [draw(rng, scenario) for _ in range(scenario.datasets)]
        statistics = [
            pair_statistics(values, clusters, DRAWS, seed=sample * scenario.datasets + i)
            for i, (values, clusters) in enumerate(datasets)
        ]
        intervals = rank_intervals(statistics)
        held.append((intervals.low <= first + 1e-9) & (intervals.high >= last - 1e-9))
        width.append(intervals.high - intervals.low + 1)
        if sample < quantile_samples:
            low, high = rank_quantiles(resampler, datasets)
            quantiles_hold.append((low <= first) & (high >= last))
            quantiles_width.append(high - low + 1)
        tied = (first[:, None] == first[None, :]) & differing_pairs(statistics[0])
        errors += tied.any()
    return (
        np.mean(held, axis=0), np.mean(width), np.mean(quantiles_hold), np.mean(quantiles_width),
        errors / samples,
    )  # fmt: skip


AT_LEVEL = {
    **{f"{k} equal, {kind}": equal(k, kind=kind) for k in (3, 8, 20) for kind in ("ndcg", "hits")},
    **{f"{k} equal, up to 8 cases a user": equal(k, cases=8, users=150) for k in (3, 8, 20)},
    **{f"{k} in two groups of equals": grouped(k) for k in (4, 8, 20)},
    "8 equal, 80 users, hits": equal(8, kind="hits", users=80),
    "20 equal, 50 users": equal(20, users=50),
    "8 equal, 3 datasets": equal(8, datasets=3),
    "20 equal, 5 datasets": equal(20, datasets=5),
    "3 equal, 5 seeds that differ": equal(3, kind="normal", seeds=5, seed_sd=0.1),
    "8 equal, 5 seeds that differ": equal(8, kind="normal", seeds=5, seed_sd=0.1),
    "8 equal, 3 seeds that differ": equal(8, kind="normal", seeds=3, seed_sd=0.1),
}
ABOVE = {
    **{f"{k} close": close(k) for k in (3, 8, 20)},
    **{f"{k} close, up to 8 cases a user": close(k, cases=8, users=150) for k in (3, 8, 20)},
    **{f"{k} separated": separated(k) for k in (3, 8, 20)},
    "8 close, 3 datasets": close(8, datasets=3),
    "8 close, 5 seeds that differ": Scenario(
        tuple(np.linspace(0, 0.15, 8)), kind="normal", seeds=5, seed_sd=0.1
    ),
    "8 equal, 5 seeds that are alike": equal(8, kind="normal", seeds=5),
    # Two of the methods differ at six users on average: the tests cannot come nearer to 5 %.
    "8 equal, 40 users, hits": equal(8, kind="hits", users=40),
}


@pytest.mark.parametrize("name", AT_LEVEL)
def test_intervals_hold_the_ranks_of_equal_methods_in_95_per_cent(name):
    coverage, _, quantiles, _, errors = measure(AT_LEVEL[name], quantile_samples=40)
    assert coverage.mean() == LEVEL
    assert coverage.min() >= 0.92
    assert errors <= 0.075
    assert quantiles < coverage.mean() + 0.02  # of two equal methods quantiles are no worse


@pytest.mark.parametrize("name", ABOVE)
def test_intervals_hold_the_ranks_of_different_methods_at_least_as_often(name):
    coverage, _, _, _, errors = measure(ABOVE[name], samples=300, quantile_samples=1)
    assert coverage.min() >= 0.93
    assert errors <= 0.075


def test_methods_far_apart_have_one_rank():
    coverage, width, *_ = measure(separated(8), samples=100, quantile_samples=1)
    assert coverage.min() == 1
    assert width == pytest.approx(1, abs=0.01)


if __name__ == "__main__":
    for title, scenario in {**AT_LEVEL, **ABOVE}.items():
        rows, wide, quantiles, narrow, mistakes = measure(scenario)
        print(
            f"{title:36} {rows.mean():.3f} (least {rows.min():.3f}), {wide:.1f} ranks;"
            f" quantiles {quantiles:.3f}, {narrow:.1f} ranks; letters {mistakes:.3f}",
            flush=True,
        )
