"""How often each test rejects a true null: 2,000 and more simulated comparisons, at 5 %.

Users differ and are shared by the rankers, as in a benchmark: a ranker's score of the target is
what the user's case is worth to any ranker plus what this ranker makes of it.
"""

import numpy as np
import pytest

from benchkit.stats import paired
from benchkit.stats.crossed_effects import fit_crossed_effects
from benchkit.stats.friedman import friedman
from benchkit.stats.permutation_test import sign_flip_p_values
from benchkit.stats.proportions.mcnemar import mcnemar
from benchkit.stats.proportions.sequential import msprt

pytestmark = pytest.mark.slow

COMPARISONS = 2000
CANDIDATES = 30
GAINS = np.concatenate([1 / np.log2(np.arange(2, 7)), np.zeros(CANDIDATES - 5)])
LEVEL = pytest.approx(0.05, abs=0.01)


def ranks(rng, methods, users, spread=0.6, seeds=0, seed_sd=0.0, rest=0.5):
    """Ranks 1..30 of the target [methods, users], or [methods, seeds, users]."""
    score = rng.normal(size=users) + rng.normal(0, spread, (methods, users))
    if seeds:
        score = score[:, None] + rng.normal(0, rest, (methods, seeds, users))
        score = score + rng.normal(0, seed_sd, (methods, seeds, 1))
    place = np.floor(CANDIDATES / (1 + np.exp(1.2 * score + 2))).astype(int)
    return np.minimum(place, CANDIDATES - 1) + 1


def ndcg(rank):
    return GAINS[rank - 1]


def test_sign_flips_on_ndcg():
    rng, result = np.random.default_rng(1), []
    for _ in range(5 * COMPARISONS):  # quick, and more of them say it more exactly
        result += paired.count_pair_differences(ndcg(ranks(rng, 2, 500)), [(0, 1)])
    assert np.mean(sign_flip_p_values(result) < 0.05) == LEVEL


def test_sign_flips_on_continuous_values():
    rng, rejected = np.random.default_rng(2), 0
    for _ in range(COMPARISONS):
        a, b = rng.gumbel(size=200) + rng.gumbel(size=(2, 200))
        rejected += paired.compare_paired(a, b, draws=999, resamples=2).p < 0.05
    assert rejected / COMPARISONS == LEVEL


def test_bootstrap_intervals_leave_out_zero():
    rng, rejected = np.random.default_rng(3), 0
    for seed in range(COMPARISONS):  # else all would share the error of the same resamples
        result = paired.compare_paired(*ndcg(ranks(rng, 2, 400)), draws=9, resamples=999, seed=seed)
        rejected += not result.low <= 0 <= result.high
    assert rejected / COMPARISONS == LEVEL


def test_mcnemar_on_hit_rates():
    """Mid-p is at the level; the exact test is at most there, because counts are coarse."""
    rng, exact, mid = np.random.default_rng(4), 0, 0
    for _ in range(COMPARISONS):
        hits = ranks(rng, 2, 500) == 1
        result = mcnemar(*hits)
        exact += result.p < 0.05
        mid += result.mid_p < 0.05
    assert mid / COMPARISONS == LEVEL
    assert 0.025 <= exact / COMPARISONS <= 0.055


def friedman_rates(methods, datasets):
    """Share of comparisons in which Friedman's test rejects; the same of any pair, of Nemenyi's
    with the drawn null and with the studentized range."""
    rng, rejected = np.random.default_rng(5), np.zeros(3)
    for _ in range(COMPARISONS):
        means = [ndcg(ranks(rng, methods, 100)).mean(axis=1) for _ in range(datasets)]
        result = friedman(np.array(means).T)
        p = (result.p, result.nemenyi.min(), result.asymptotic_nemenyi.min())
        rejected += np.array(p) < 0.05
    return rejected / COMPARISONS


@pytest.mark.parametrize(("methods", "datasets"), [(10, 8), (20, 8)])
def test_friedman_and_nemenyi_over_datasets(methods, datasets):
    omnibus, pairwise, _ = friedman_rates(methods, datasets)
    assert omnibus == LEVEL
    assert pairwise == LEVEL


@pytest.mark.parametrize(("methods", "datasets"), [(5, 8), (20, 5)])
def test_nemenyi_with_coarse_ranks_errs_to_the_safe_side(methods, datasets):
    """Mean ranks of few methods on few datasets take few values, so 5 % cannot be met exactly."""
    omnibus, pairwise, limit = friedman_rates(methods, datasets)
    assert omnibus == LEVEL
    assert limit - 0.001 <= pairwise <= 0.055
    assert pairwise >= 0.025


@pytest.mark.parametrize(("seeds", "seed_sd"), [(3, 0.0), (3, 0.05), (5, 0.05), (5, 0.2)])
def test_users_and_seeds(seeds, seed_sd):
    """`seed_sd` .05 moves a mean by about .01 from training to training."""
    rng, rejected = np.random.default_rng(6), 0
    for _ in range(COMPARISONS):
        values = ndcg(ranks(rng, 2, 500, spread=0.4, seeds=seeds, seed_sd=seed_sd))
        rejected += fit_crossed_effects(*values).p < 0.05
    assert rejected / COMPARISONS == LEVEL


def test_averaging_seeds_alone_would_find_differences_that_are_none():
    """Why seeds are a random effect: users alone cannot tell a lucky training from a method."""
    rng, result = np.random.default_rng(7), []
    for _ in range(500):
        values = ndcg(ranks(rng, 2, 2000, spread=0.4, seeds=3, seed_sd=0.1)).mean(axis=1)
        result.append(paired.count_pair_differences(values, [(0, 1)])[0])
    assert np.mean(sign_flip_p_values(result, draws=999) < 0.05) > 0.15


@pytest.mark.parametrize(("rate", "tau"), [(0.1, 0.01), (0.1, 0.03), (0.02, 0.01)])
def test_always_valid_p_under_continuous_peeking(rate, tau):
    """A look after each impression of either arm; once is enough to reject."""
    rng, rejected = np.random.default_rng(8), 0
    n = np.arange(1, 20_001)
    for _ in range(COMPARISONS):
        clicks = (rng.random((2, len(n))) < rate).cumsum(axis=1)
        share = clicks / n
        variance = (share * (1 - share)).sum(axis=0) / n
        variance[(clicks == 0).any(axis=0) | (clicks == n).any(axis=0)] = np.inf
        # The same formula over all looks at once; the test below holds it to `msprt`.
        both = variance + tau**2
        with np.errstate(invalid="ignore"):
            log_ratio = 0.5 * np.log(variance / both)
            log_ratio += (tau * (share[1] - share[0])) ** 2 / (2 * variance * both)
        log_ratio = np.nan_to_num(log_ratio, nan=0.0)
        at = int(log_ratio.argmax())
        look = msprt((int(clicks[0, at]), at + 1), (int(clicks[1, at]), at + 1), tau=tau)
        assert look.p == pytest.approx(min(1.0, np.exp(-log_ratio[at])))
        rejected += look.p < 0.05
    assert rejected / COMPARISONS <= 0.05
