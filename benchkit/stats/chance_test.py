"""Is a row above chance? One-sided test of a mean against targets placed without knowledge."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds

CHANCE_DRAWS = 20_000
_RANKS = 1000  # further ranks are pooled: there the gain of any metric hardly changes


def uniform_rank_p_value(mean: float, gains: NDArray[np.float64], of: NDArray[np.int64]) -> float:
    """P(mean of n cases >= `mean`) when no case's ranking knows its target.

    If scores do not depend on which candidate is the target, the target's rank is uniform on
    1..of, in every case, whatever else the recommender does; so the null is exact and needs no
    normal approximation. With lists of different lengths, ranks are drawn from the mean of the
    cases' distributions, which is conservative. Ties only lower the variance of the expected gain,
    so they are conservative, too.

    gains: [m] gain of ranks 1..m; of: [n] number of candidates of each case.
    """
    sizes, cases = np.unique(of, return_counts=True)
    places = np.zeros(int(sizes.max()))
    for size, count in zip(sizes, cases, strict=True):
        places[:size] += count / len(of) / size
    return rank_distribution_p_value(mean, gains, places, len(of))


def rank_distribution_p_value(
    mean: float,
    gains: NDArray[np.float64],
    places: NDArray[np.float64],
    n: int,
    unlisted: float = 0.0,
) -> float:
    """P(mean of n cases >= `mean`) when each target stands at place r with probability `places[r]`.

    The null is drawn DRAWS times, so p >= 1 / (DRAWS + 1).

    gains: [m] gain of the places 1..m. places: [k] probabilities of the places 1..k; with what is
    missing to 1 the target is not listed, which gains `unlisted`.
    """
    reach = len(places)
    full = np.zeros(reach)
    full[: min(len(gains), reach)] = gains[:reach]
    kept = min(len(gains), reach, _RANKS)
    rest = places[kept:].sum()
    pooled = float(places[kept:] @ full[kept:] / rest) if rest > 0 else 0.0
    value = np.concatenate([full[:kept], [pooled, unlisted]])
    weight = np.concatenate([places[:kept], [rest, max(0.0, 1.0 - places.sum())]])
    null = _null_means(value.tobytes(), (weight / weight.sum()).tobytes(), n)
    above = len(null) - np.searchsorted(null, mean - 1e-12)
    return float((above + 1) / (len(null) + 1))


@lru_cache(maxsize=256)
def _null_means(values: bytes, weights: bytes, n: int) -> NDArray[np.float64]:
    """Sorted [DRAWS] means of n cases under the null."""
    value, weight = np.frombuffer(values), np.frombuffer(weights)
    rng = seeds.generator("chance", values.hex(), weights.hex(), n)
    means = np.empty(CHANCE_DRAWS)
    for start in range(0, CHANCE_DRAWS, 1000):
        counts = rng.multinomial(n, weight, size=1000)
        means[start : start + 1000] = counts @ value / n
    return np.sort(means)
