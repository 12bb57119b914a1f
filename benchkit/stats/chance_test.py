"""Is a method above chance? One-sided test of a mean against targets at random ranks.

With one case a user the null is exact: ranks of different users are independent. The cases of one
user are not: whoever always takes the items that a method likes anyway has all of its targets at
the top, or, with other tastes, none. How alike they are is unknown without an answer key, so that
of several cases of a user all have one rank under the null, drawn once: no dependence gives the
mean a larger variance. This is conservative where the cases of users are little alike.
"""

from functools import lru_cache

import numpy as np

from benchkit import seeds
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.bootstrap import draw_counts
from benchkit.stats.clusters import Clusters
from benchkit.stats.permutation_test import upper_tail_p_value

CHANCE_DRAWS = 20_000
_RANKS = 1000  # further ranks are pooled: there the gain of any metric hardly changes


def uniform_rank_p_value(
    mean: float, gains: Floats, n_candidates: Ints, clusters: Clusters | None = None
) -> float:
    """Return P(mean of n cases >= `mean`) when no case's ranking knows its target.

    If scores do not depend on which candidate is the target, the target's rank is uniform on
    1..n_candidates in every case, whatever else the recommender does; so the null is exact and
    needs no normal approximation. With lists of different lengths, ranks are drawn from the mean of
    the cases' distributions, which is conservative. Ties only lower the variance of the expected
    gain, so they are conservative, too.

    Args:
        mean: Observed mean gain.
        gains: [m] gain of ranks 1..m.
        n_candidates: [n] number of candidates of each case.
        clusters: The cases of each user, where users have several; they share one rank.
    """
    sizes, cases = np.unique(n_candidates, return_counts=True)
    probabilities = np.zeros(int(sizes.max()))
    for size, count in zip(sizes, cases, strict=True):
        probabilities[:size] += count / len(n_candidates) / size
    return rank_distribution_p_value(
        mean, gains, probabilities, len(n_candidates), clusters=clusters
    )


def rank_distribution_p_value(
    mean: float,
    gains: Floats,
    probabilities: Floats,
    n: int,
    unlisted_gain: float = 0.0,
    clusters: Clusters | None = None,
) -> float:
    """Return P(mean of n cases >= `mean`) when the ranks of targets follow a given distribution.

    The null is drawn CHANCE_DRAWS times, so p >= 1 / (CHANCE_DRAWS + 1).

    Args:
        mean: Observed mean gain.
        gains: [m] gain of ranks 1..m.
        probabilities: [k] probability of ranks 1..k; the target is not listed with the remaining
            probability.
        n: Number of cases.
        unlisted_gain: Gain of a target that is not listed.
        clusters: The cases of each user, where users have several; they share one rank.
    """
    reach = len(probabilities)
    full = np.zeros(reach)
    full[: min(len(gains), reach)] = gains[:reach]
    top = min(len(gains), reach, _RANKS)
    rest = probabilities[top:].sum()
    pooled = float(probabilities[top:] @ full[top:] / rest) if rest > 0 else 0.0
    value = np.concatenate([full[:top], [pooled, unlisted_gain]])
    weight = np.concatenate([probabilities[:top], [rest, max(0.0, 1.0 - probabilities.sum())]])
    weights = (weight / weight.sum()).tobytes()
    if clusters is None:
        null = _null_means(value.tobytes(), weights, n)
    else:
        null = _null_means_of_users(value.tobytes(), weights, np.sort(clusters.sizes).tobytes())
    return float(upper_tail_p_value(null, mean, slack=1e-12))


@lru_cache(maxsize=256)
def _null_means(values: bytes, weights: bytes, n: int) -> Floats:
    """Return the sorted [CHANCE_DRAWS] means of n cases under the null."""
    value, weight = np.frombuffer(values), np.frombuffer(weights)
    rng = seeds.generator("chance", values.hex(), weights.hex(), n)
    chunks = draw_counts(rng, n, weight, CHANCE_DRAWS, step=1000)
    return np.sort(np.concatenate([counts @ value / n for counts in chunks]))


@lru_cache(maxsize=64)
def _null_means_of_users(values: bytes, weights: bytes, sizes: bytes) -> Floats:
    """Return the sorted [CHANCE_DRAWS] means of all cases when a user's cases share their rank.

    sizes: [users] the number of cases of each, ascending.
    """
    value, weight = np.frombuffer(values), np.frombuffer(weights)
    cases, users = np.unique(np.frombuffer(sizes, dtype=np.int64), return_counts=True)
    rng = seeds.generator("chance-users", values.hex(), weights.hex(), sizes.hex())
    sums = np.zeros(CHANCE_DRAWS)
    for size, count in zip(cases.tolist(), users.tolist(), strict=True):
        chunks = draw_counts(rng, count, weight, CHANCE_DRAWS, step=1000)
        sums += size * np.concatenate([counts @ value for counts in chunks])
    return np.sort(sums / (cases @ users))
