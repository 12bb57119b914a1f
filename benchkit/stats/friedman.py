"""Many methods over many datasets: Friedman's test and Nemenyi's comparison of mean ranks.

Demšar (2006), "Statistical Comparisons of Classifiers over Multiple Data Sets", section 3.2.2. The
textbook's limiting laws (chi-square, studentized range) find too little with as few datasets as
papers have: with 20 methods on 5 datasets, Nemenyi's test rejects a true null in 2 % of cases. So p
values here come from the null itself, in which ranks are shuffled within each dataset; the limiting
ones stand beside them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit import seeds

FRIEDMAN_DRAWS = 49_999
_CELLS = 2_000_000  # drawn ranks at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FriedmanTest:
    """Are k methods alike over n datasets?

    ranks: [k] mean rank, 1 the best. statistic: Friedman's, corrected for ties.
    p: of the drawn null. p_chi2: of chi-square. p_f: of Iman and Davenport's (1980) F.
    nemenyi: [k, k] p of each pair of methods, adjusted for all pairs, of the drawn null.
    critical_difference: mean ranks further apart than this differ (Nemenyi 1963), of the drawn null.
    asymptotic_nemenyi, asymptotic_critical_difference: the same from the studentized range.
    """

    n: int
    ranks: Floats
    statistic: float
    p: float
    p_chi2: float
    p_f: float
    nemenyi: Floats
    critical_difference: float
    asymptotic_nemenyi: Floats
    asymptotic_critical_difference: float


def friedman(
    values: ArrayLike, level: float = 0.05, draws: int = FRIEDMAN_DRAWS, seed: int = 0
) -> FriedmanTest:
    """Compare `values` [methods, datasets], higher is better. Deterministic for a seed.

    Raises ValueError for fewer than 3 methods, fewer than 2 datasets, or values that are no number.
    """
    from scipy.stats import chi2, rankdata, studentized_range
    from scipy.stats import f as f_law

    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 2 or v.shape[0] < 3 or v.shape[1] < 2 or not np.isfinite(v).all():
        raise ValueError(f"needs numbers [>= 3 methods, >= 2 datasets], got {v.shape}")
    k, n = v.shape
    each = rankdata(-v, axis=0)
    ranks = each.mean(axis=1)
    between, spread = _squares(ranks, k) * n, _squares(each, k)
    statistic = (k - 1) * n * between / spread if spread else 0.0
    rest = n * (k - 1) - statistic
    f = (n - 1) * statistic / rest if rest > 1e-9 else float("inf")
    squares, ranges = _null(np.sort(each, axis=0).T.tobytes(), k, draws, seed)
    apart = np.abs(ranks[:, None] - ranks[None, :])
    p_range = (1 + draws - np.arange(draws)) / (1 + draws)  # of the sorted ranges
    # The studentized range is slow to compute, and mean ranks of few datasets often coincide.
    different, which = np.unique(apart.round(9), return_inverse=True)
    error = float(np.sqrt(k * (k + 1) / (12 * n)))
    limit = studentized_range.sf(different / error, k, np.inf)
    return FriedmanTest(
        n,
        ranks,
        statistic,
        float(_p(squares, _squares(ranks, k))),
        float(chi2.sf(statistic, k - 1)),
        float(f_law.sf(f, k - 1, (k - 1) * (n - 1))),
        _p(ranges, apart),
        float(ranges[p_range >= level][-1]),
        np.asarray(limit, dtype=np.float64)[which].reshape(apart.shape),
        float(studentized_range.isf(level, k, np.inf)) * error,
    )


def _squares(ranks: Floats, k: int) -> float:
    return float(((ranks - (k + 1) / 2) ** 2).sum())


def _p(null: Floats, observed: float | Floats) -> Floats:
    """Share of the sorted null at least as large, counting what was observed."""
    above = len(null) - np.searchsorted(null, np.asarray(observed) - 1e-9)
    return np.asarray((1 + above) / (1 + len(null)), dtype=np.float64)


@lru_cache(maxsize=32)
def _null(columns: bytes, k: int, draws: int, seed: int) -> tuple[Floats, Floats]:
    """Sorted sums of squares and sorted ranges of mean ranks when ranks are shuffled.

    columns: [datasets, k] ranks of each dataset, sorted.
    """
    ranks = np.frombuffer(columns).reshape(-1, k)
    rng = seeds.generator("friedman", seed, k, len(ranks))
    squares, ranges = np.empty(draws), np.empty(draws)
    step = max(1, _CELLS // ranks.size)
    for start in range(0, draws, step):
        take = min(step, draws - start)
        shuffled = rng.permuted(np.broadcast_to(ranks, (take, *ranks.shape)), axis=2)
        means = shuffled.mean(axis=1)
        squares[start : start + take] = ((means - (k + 1) / 2) ** 2).sum(axis=1)
        ranges[start : start + take] = np.ptp(means, axis=1)
    return np.sort(squares), np.sort(ranges)


def rank_cliques(ranks: ArrayLike, difference: float) -> list[tuple[int, ...]]:
    """Largest groups of two and more methods whose mean ranks [k] are no further apart.

    Indices are in the order of ranks; a group that is part of another is left out.

    >>> rank_cliques([1.0, 4.0, 2.0, 2.5], 1.6)
    [(0, 2, 3), (3, 1)]
    """
    r = np.asarray(ranks, dtype=np.float64)
    order = np.argsort(r, kind="stable")
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start
        while end < len(order) and r[order[end]] - r[order[start]] <= difference + 1e-9:
            end += 1
        if end - start > 1 and end > reached:
            found.append(tuple(int(i) for i in order[start:end]))
            reached = end
    return found
