"""Is a row above chance? One-sided test of a mean against a target whose rank is uniform."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds

DRAWS = 20_000
_RANKS = 1000  # further ranks are pooled: there the gain of any metric hardly changes


def p_value(mean: float, gains: NDArray[np.float64], of: NDArray[np.int64]) -> float:
    """P(mean of n cases >= `mean`) when no case's ranking knows its target.

    If scores do not depend on which candidate is the target, the target's rank is uniform on
    1..of, in every case, whatever else the recommender does; so the null is exact and needs no
    normal approximation. It is drawn DRAWS times (p >= 1 / (DRAWS + 1)). With lists of different
    lengths, ranks are drawn from the mean of the cases' distributions, which is conservative.
    Ties only lower the variance of the expected gain, so they are conservative, too.

    gains: [m] gain of ranks 1..m; of: [n] number of candidates of each case.
    """
    sizes, cases = np.unique(of, return_counts=True)
    null = _null_means(gains.tobytes(), tuple(sizes.tolist()), tuple(cases.tolist()))
    above = len(null) - np.searchsorted(null, mean - 1e-12)
    return float((above + 1) / (len(null) + 1))


@lru_cache(maxsize=256)
def _null_means(
    gains: bytes, sizes: tuple[int, ...], cases: tuple[int, ...]
) -> NDArray[np.float64]:
    """Sorted [DRAWS] means of n cases under the null."""
    gain, n = np.frombuffer(gains, dtype=np.float64), sum(cases)
    reach = max(sizes)
    full = np.zeros(reach)
    full[: min(len(gain), reach)] = gain[:reach]
    probability = np.zeros(reach)
    for size, count in zip(sizes, cases, strict=True):
        probability[:size] += count / n / size
    kept = min(len(gain), reach, _RANKS)
    rest = probability[kept:].sum()
    pooled = float(probability[kept:] @ full[kept:] / rest) if rest > 0 else 0.0
    value = np.append(full[:kept], pooled)
    weight = np.append(probability[:kept], rest)
    rng = seeds.generator("chance", gains.hex(), sizes, cases)
    means = np.empty(DRAWS)
    for start in range(0, DRAWS, 1000):
        counts = rng.multinomial(n, weight / weight.sum(), size=1000)
        means[start : start + 1000] = counts @ value / n
    return np.sort(means)
