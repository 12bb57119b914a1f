"""Intervals of ranks: where a method may stand among the others, on one dataset or several.

The true rank of a method is one more than the number of methods with a larger true mean. Methods
with equal true means share their places: with m methods better and l worse of k, every rank from
1 + m to k - l is true. An interval covers if it holds all of them.

Its lower limit is one more than the number of methods that are significantly better, its upper
limit k minus the number of those that are significantly worse, in two-sided tests adjusted for the
comparisons with the k - 1 others. It covers unless one of these tests errs, and where all that are
not clearly apart are equal that happens in 5 % of samples. Where they differ a little, it covers
more often. No interval can avoid that: its chance to hold a rank changes steadily with the means,
but one step beside a tie only one of the tied ranks is left that it has to hold. It covers more
often, too, where only a few users tell methods apart: the signs of five have 32 arrangements, so
that their tests err in less than the 5 % that they may.

Quantiles of the ranks in resamples are no such interval. A resample has the spread of the data on
top of the data, so that methods that are equal are drawn apart: of 20 equal ones they hold all true
ranks in 1 % of samples (tests/stats/ranking/test_rank_coverage.py has the figures of both).

Reference: Mogstad, Romano, Shaikh and Wilhelm (2024), Inference for ranks with applications to
mobility across neighbourhoods and academic achievement across countries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchkit.stats.arrays import Bools, Floats
from benchkit.stats.ranking.paired_statistics import PairedStatistics
from benchkit.stats.ranking.step_down import step_down_p_values

_NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class RankIntervals:
    """Ranks of k methods, 1 the best, with their intervals; means over datasets of several."""

    rank: Floats
    """[k] methods with equal means share the best of their places."""
    low: Floats
    high: Floats


def rank_intervals(datasets: Sequence[PairedStatistics], level: float = 0.95) -> RankIntervals:
    """Return the rank of each method with its interval; over several datasets, its mean rank.

    The limits of a mean rank are means of counts, of tests adjusted for all comparisons on all
    datasets. It is the mean over these datasets; of others it says nothing.

    Args:
        datasets: The same methods in the same order on each.
        level: Chance that an interval covers.

    Raises:
        ValueError: There is no dataset, or they differ in methods or draws.
    """
    if len({dataset.flips.shape for dataset in datasets}) != 1:
        raise ValueError("needs datasets with the same methods and as many draws")
    k, n = len(datasets[0].means), len(datasets)
    rank = np.mean([rank_means(dataset.means) for dataset in datasets], axis=0)
    low, high = np.ones(k), np.full(k, float(k))
    for row in range(k):
        others = np.delete(np.arange(k), row)
        rows = np.full(k - 1, row)
        observed = np.concatenate([dataset.observed[others, row] for dataset in datasets])
        null = (
            np.hstack([dataset.null(others, rows, part) for dataset in datasets])
            for part in _parts(datasets[0], n * k)
        )
        significant = step_down_p_values(np.abs(observed), null) <= 1 - level
        low[row] += (significant & (observed > 0)).sum() / n
        high[row] -= (significant & (observed < 0)).sum() / n
    return RankIntervals(rank, low, high)


def rank_means(means: Floats) -> Floats:
    """Return the rank of each of `means` [k]: one more than the number of larger ones.

    >>> rank_means(np.array([0.5, 0.7, 0.5, 0.1])).tolist()
    [2.0, 1.0, 2.0, 4.0]
    """
    near = np.isclose(means[:, None], means[None, :], rtol=0, atol=1e-12)
    larger: Floats = 1.0 + ((means[None, :] > means[:, None]) & ~near).sum(axis=1)
    return larger


def differing_pairs(statistics: PairedStatistics, level: float = 0.95) -> Bools:
    """Return [k, k] which methods differ significantly, adjusted for all pairs.

    A pair that differs here differs for the rank intervals of both, too.
    """
    k = len(statistics.means)
    a, b = np.triu_indices(k, 1)
    null = (statistics.null(a, b, part) for part in _parts(statistics, len(a)))
    p = step_down_p_values(np.abs(statistics.observed[a, b]), null)
    differs = np.zeros((k, k), dtype=bool)
    differs[a, b] = differs[b, a] = p <= 1 - level
    return differs


def _parts(statistics: PairedStatistics, width: int) -> Iterator[slice]:
    """Yield the draws in parts that leave room for `width` numbers each."""
    draws, step = len(statistics.flips), max(1, _NUMBERS_AT_ONCE // max(1, width))
    for start in range(0, draws, step):
        yield slice(start, start + step)
