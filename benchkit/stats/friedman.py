"""Many methods over many datasets: Friedman's test and Nemenyi's comparison of mean ranks.

The textbook's limiting distributions (chi-square, studentized range) find too little with as few
datasets as papers have: with 20 methods on 5 datasets, Nemenyi's test rejects a true null in 2 % of
cases. So p values here come from the null itself, in which ranks are shuffled within each dataset.
That is why this is not scikit-posthocs, which has the limiting ones; they are reported beside ours.

Reference: Demšar (2006), "Statistical Comparisons of Classifiers over Multiple Data Sets", 3.2.2.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from benchkit import seeds
from benchkit.stats.arrays import Floats
from benchkit.stats.permutation_test import shuffle_rows, upper_tail_p_value

FRIEDMAN_DRAWS = 49_999
_ROUNDING = 1e-9


@dataclass(frozen=True)
class FriedmanTest:
    """Test whether k methods are alike over n datasets."""

    n: int
    """Number of datasets."""
    ranks: Floats
    """[k] mean rank, 1 the best."""
    statistic: float
    """Friedman's statistic, corrected for ties."""
    p: float
    """p value of the drawn null."""
    p_chi2: float
    """p value of chi-square."""
    p_f: float
    """p value of Iman and Davenport's (1980) F."""
    nemenyi: Floats
    """[k, k] p of each pair of methods, adjusted for all pairs, of the drawn null."""
    critical_difference: float
    """Mean ranks further apart than this differ (Nemenyi 1963), of the drawn null."""
    asymptotic_nemenyi: Floats
    """[k, k] p of each pair of methods from the studentized range."""
    asymptotic_critical_difference: float
    """Critical difference from the studentized range."""


def friedman(
    values: ArrayLike, level: float = 0.05, draws: int = FRIEDMAN_DRAWS, seed: int = 0
) -> FriedmanTest:
    """Compare `values` [methods, datasets], higher is better. Deterministic for a seed.

    Raises:
        ValueError: For fewer than 3 methods, fewer than 2 datasets, or values that are not finite.
    """
    from scipy.stats import chi2, rankdata, studentized_range
    from scipy.stats import f as f_distribution

    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 2 or v.shape[0] < 3 or v.shape[1] < 2 or not np.isfinite(v).all():
        raise ValueError(f"needs numbers [>= 3 methods, >= 2 datasets], got {v.shape}")
    k, n = v.shape
    table = rankdata(-v, axis=0)
    ranks = table.mean(axis=1)
    between, spread = _squares(ranks, k) * n, _squares(table, k)
    statistic = (k - 1) * n * between / spread if spread else 0.0
    rest = n * (k - 1) - statistic
    f = (n - 1) * statistic / rest if rest > 1e-9 else float("inf")
    squares, ranges = _draw_null(np.sort(table, axis=0).T.tobytes(), k, draws, seed)
    gaps = np.abs(ranks[:, None] - ranks[None, :])
    p_of_range = (1 + draws - np.arange(draws)) / (1 + draws)  # of the sorted ranges
    # The studentized range is slow to compute, and mean ranks of few datasets often coincide.
    distinct, codes = np.unique(gaps.round(9), return_inverse=True)
    error = float(np.sqrt(k * (k + 1) / (12 * n)))
    asymptotic = np.asarray(studentized_range.sf(distinct / error, k, np.inf), dtype=np.float64)
    return FriedmanTest(
        n,
        ranks,
        statistic,
        float(upper_tail_p_value(squares, _squares(ranks, k), _ROUNDING)),
        float(chi2.sf(statistic, k - 1)),
        float(f_distribution.sf(f, k - 1, (k - 1) * (n - 1))),
        upper_tail_p_value(ranges, gaps, _ROUNDING),
        float(ranges[p_of_range >= level][-1]),
        asymptotic[codes].reshape(gaps.shape),
        float(studentized_range.isf(level, k, np.inf)) * error,
    )


def _squares(ranks: Floats, k: int) -> float:
    return float(((ranks - (k + 1) / 2) ** 2).sum())


@lru_cache(maxsize=32)
def _draw_null(columns: bytes, k: int, draws: int, seed: int) -> tuple[Floats, Floats]:
    """Return the sorted [draws] sums of squares and ranges of mean ranks when ranks are shuffled.

    columns: [datasets, k] ranks of each dataset, sorted.
    """
    ranks = np.frombuffer(columns).reshape(-1, k)
    rng = seeds.generator("friedman", seed, k, len(ranks))
    means = np.concatenate([part.mean(axis=1) for part in shuffle_rows(rng, ranks, draws)])
    squares = ((means - (k + 1) / 2) ** 2).sum(axis=1)
    return np.sort(squares), np.sort(np.ptp(means, axis=1))


def rank_cliques(ranks: ArrayLike, difference: float) -> list[tuple[int, ...]]:
    """Return the largest groups of two and more methods whose mean ranks [k] are no further apart.

    Indices are in the order of ranks; a group that is part of another is left out.

    >>> rank_cliques([1.0, 4.0, 2.0, 2.5], 1.6)
    [(0, 2, 3), (3, 1)]
    """
    r = np.asarray(ranks, dtype=np.float64)
    order = np.argsort(r, kind="stable")
    cliques: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start
        while end < len(order) and r[order[end]] - r[order[start]] <= difference + _ROUNDING:
            end += 1
        if end - start > 1 and end > reached:
            cliques.append(tuple(int(i) for i in order[start:end]))
            reached = end
    return cliques
