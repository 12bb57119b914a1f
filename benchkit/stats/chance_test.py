"""Is a method above chance? One-sided test of a mean against targets at random ranks."""

from functools import lru_cache

import numpy as np

from benchkit import seeds
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.bootstrap import draw_counts
from benchkit.stats.permutation_test import upper_tail_p_value

CHANCE_DRAWS = 20_000
_RANKS = 1000  # further ranks are pooled: there the gain of any metric hardly changes


def uniform_rank_p_value(mean: float, gains: Floats, n_candidates: Ints) -> float:
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
    """
    sizes, cases = np.unique(n_candidates, return_counts=True)
    probabilities = np.zeros(int(sizes.max()))
    for size, count in zip(sizes, cases, strict=True):
        probabilities[:size] += count / len(n_candidates) / size
    return rank_distribution_p_value(mean, gains, probabilities, len(n_candidates))


def rank_distribution_p_value(
    mean: float, gains: Floats, probabilities: Floats, n: int, unlisted_gain: float = 0.0
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
    """
    reach = len(probabilities)
    full = np.zeros(reach)
    full[: min(len(gains), reach)] = gains[:reach]
    top = min(len(gains), reach, _RANKS)
    rest = probabilities[top:].sum()
    pooled = float(probabilities[top:] @ full[top:] / rest) if rest > 0 else 0.0
    value = np.concatenate([full[:top], [pooled, unlisted_gain]])
    weight = np.concatenate([probabilities[:top], [rest, max(0.0, 1.0 - probabilities.sum())]])
    null = _null_means(value.tobytes(), (weight / weight.sum()).tobytes(), n)
    return float(upper_tail_p_value(null, mean, slack=1e-12))


@lru_cache(maxsize=256)
def _null_means(values: bytes, weights: bytes, n: int) -> Floats:
    """Return the sorted [CHANCE_DRAWS] means of n cases under the null."""
    value, weight = np.frombuffer(values), np.frombuffer(weights)
    rng = seeds.generator("chance", values.hex(), weights.hex(), n)
    chunks = draw_counts(rng, n, weight, CHANCE_DRAWS, step=1000)
    return np.sort(np.concatenate([counts @ value / n for counts in chunks]))
