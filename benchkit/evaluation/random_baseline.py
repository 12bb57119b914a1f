"""Where the target is ranked by a recommender that knows nothing: exact distributions of its rank.

A distribution gives, for a number of candidates, the [m] probabilities of the ranks 1..m; what is
missing to 1 is the probability that the target is not listed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchkit.stats.chance_test import rank_distribution_p_value, uniform_rank_p_value
from benchkit.stats.clusters import find_clusters

RankDistribution = Callable[[int], NDArray[np.float64]]


class RandomBaseline(ABC):
    """A recommender that knows nothing, asked under a protocol."""

    @abstractmethod
    def distribution(self, first_only: bool) -> RankDistribution:
        """Return the distribution of the target's rank; `first_only`: in the first answer alone."""

    @abstractmethod
    def p_value(
        self,
        mean: float,
        gains: NDArray[np.float64],
        n_candidates: NDArray[np.int64],
        rows: NDArray[np.bool_],
        unlisted_gain: float,
        first_only: bool,
        user: NDArray[np.integer],
    ) -> float:
        """Return the one-sided p of a mean gain over the cases `rows`.

        Args:
            mean: Mean over `rows`.
            gains: [m] Gain of the ranks 1..m.
            n_candidates: [n] Number of candidates of each case.
            rows: [n] The cases that can gain anything.
            unlisted_gain: Gain of a target that is not listed.
            first_only: Whether the metric looks at the first answer alone.
            user: [n] User of each case; the cases of a user count as one draw (`chance_test`).
        """


class RandomRanking(RandomBaseline):
    """Ranks all candidates, every order equally likely."""

    def distribution(self, first_only: bool) -> RankDistribution:  # noqa: ARG002
        return uniform_ranks

    def p_value(
        self,
        mean: float,
        gains: NDArray[np.float64],
        n_candidates: NDArray[np.int64],
        rows: NDArray[np.bool_],
        unlisted_gain: float,  # noqa: ARG002
        first_only: bool,  # noqa: ARG002
        user: NDArray[np.integer],
    ) -> float:
        return uniform_rank_p_value(mean, gains, n_candidates[rows], find_clusters(user[rows]))


@dataclass(frozen=True)
class RandomDraws(RandomBaseline):
    """Draws n answers a case among the candidates, uniformly and independently."""

    n: int
    lengths: NDArray[np.int64]
    """[n_cases] Distinct items in the list that the method's own answers make."""

    def distribution(self, first_only: bool) -> RankDistribution:
        return single_draw if first_only else independent_draws(self.n)

    def p_value(
        self,
        mean: float,
        gains: NDArray[np.float64],
        n_candidates: NDArray[np.int64],
        rows: NDArray[np.bool_],
        unlisted_gain: float,
        first_only: bool,
        user: NDArray[np.integer],
    ) -> float:
        null = mean_distribution(n_candidates[rows], self.distribution(first_only))
        if not first_only:
            # A method that repeats itself less than uniform draws lists more items and hits more
            # often without knowing anything: take the larger of chance and lists of its lengths.
            same_lengths = lengths_distribution(self.lengths[rows], n_candidates[rows], len(null))
            null = np.maximum(null, same_lengths)
        clusters = find_clusters(user[rows])
        return rank_distribution_p_value(
            mean, gains, null, int(rows.sum()), unlisted_gain, clusters
        )


def mean_gain(
    gains: NDArray[np.float64], probabilities: NDArray[np.float64], unlisted_gain: float = 0.0
) -> float:
    """Return the expectation of `gains` [m] over ranks that have `probabilities` [k], k >= m."""
    listed = gains @ probabilities[: len(gains)]
    return float(listed + unlisted_gain * (1.0 - probabilities.sum()))


def uniform_ranks(n_candidates: int) -> NDArray[np.float64]:
    """Return the distribution of a ranking in which every order is equally likely."""
    return np.full(n_candidates, 1.0 / n_candidates)


def single_draw(n_candidates: int) -> NDArray[np.float64]:
    """Return the distribution of one uniform draw."""
    return np.array([1.0 / n_candidates])


def independent_draws(n: int) -> RankDistribution:
    """Return the distribution of the list that n independent uniform draws make, in any order.

    By symmetry each rank of a list is as likely to hold the target as any candidate is: rank r
    has it with probability P(the list has r items or more) / candidates.

    >>> distribution = independent_draws(5)(30)
    >>> round(float(distribution.sum()), 6)  # HR@5: 1 - (29 / 30)^5
    0.15592
    """
    return lambda n_candidates: _length_survival(n, n_candidates) / n_candidates


def _length_survival(n: int, n_candidates: int) -> NDArray[np.float64]:
    """Return [min(n, candidates)] P(n draws give r distinct items or more), r from 1."""
    most = min(n, n_candidates)
    probabilities = np.zeros(most + 1)  # of so many distinct items
    probabilities[0] = 1.0
    is_new = 1.0 - np.arange(most + 1) / n_candidates  # probability that the next draw is new
    for _ in range(n):
        moved = probabilities * is_new
        probabilities -= moved
        probabilities[1:] += moved[:-1]
    at_least: NDArray[np.float64] = probabilities[::-1].cumsum()[::-1]
    return at_least[1:]


def lengths_distribution(
    lengths: NDArray[np.integer], n_candidates: NDArray[np.integer], n_ranks: int
) -> NDArray[np.float64]:
    """Return [n_ranks] the mean distribution of random lists of given lengths.

    Args:
        lengths: [n] Items listed.
        n_candidates: [n] Number of candidates.
        n_ranks: How many ranks to return.
    """
    is_listed = lengths[:, None] >= np.arange(1, n_ranks + 1)
    mean: NDArray[np.float64] = (is_listed / n_candidates[:, None]).mean(axis=0)
    return mean


def mean_distribution(
    n_candidates: NDArray[np.integer], distribution: RankDistribution
) -> NDArray[np.float64]:
    """Return [longest] the mean over cases of the probabilities of the ranks."""
    sizes, counts = np.unique(n_candidates, return_counts=True)
    by_size = [distribution(int(size)) for size in sizes]
    mean = np.zeros(max(map(len, by_size)))
    for probabilities, count in zip(by_size, counts, strict=True):
        mean[: len(probabilities)] += probabilities * count / len(n_candidates)
    return mean
