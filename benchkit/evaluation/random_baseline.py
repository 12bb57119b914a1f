"""Where the target stands for a recommender that knows nothing: exact laws of its place.

A law gives, for a number of candidates, the [m] probabilities of the places 1..m; what is missing
to 1 is the probability that the target is not listed.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RankDistribution = Callable[[int], NDArray[np.float64]]


def uniform_ranks(candidates: int) -> NDArray[np.float64]:
    """Every order of the candidates is as likely."""
    return np.full(candidates, 1.0 / candidates)


def single_draw(candidates: int) -> NDArray[np.float64]:
    """One uniform draw."""
    return np.array([1.0 / candidates])


def independent_draws(n: int) -> RankDistribution:
    """The list that n independent uniform draws make, in whatever order its items are put.

    By symmetry each place of a list is as likely to hold the target as any candidate is: place r
    has it with probability P(the list has r items or more) / candidates.

    >>> law = draws(5)(30)
    >>> round(float(law.sum()), 6)  # HR@5: 1 - (29 / 30)^5
    0.15592
    """
    return lambda candidates: _length_survival(n, candidates) / candidates


def _length_survival(n: int, candidates: int) -> NDArray[np.float64]:
    """[min(n, candidates)] P(n draws give r distinct items or more), r from 1."""
    most = min(n, candidates)
    exactly = np.zeros(most + 1)  # probability of so many distinct items
    exactly[0] = 1.0
    fresh = 1.0 - np.arange(most + 1) / candidates  # that the next draw is a new item
    for _ in range(n):
        new = exactly * fresh
        exactly -= new
        exactly[1:] += new[:-1]
    at_least: NDArray[np.float64] = exactly[::-1].cumsum()[::-1]
    return at_least[1:]


def fixed_lengths(
    lengths: NDArray[np.integer], of: NDArray[np.integer], places: int
) -> NDArray[np.float64]:
    """[places] mean over cases of the law of a list of a given length that knows nothing.

    lengths: [n] items listed. of: [n] candidates.
    """
    reached = lengths[:, None] >= np.arange(1, places + 1)
    share: NDArray[np.float64] = (reached / of[:, None]).mean(axis=0)
    return share


def mean_distribution(of: NDArray[np.integer], law: RankDistribution) -> NDArray[np.float64]:
    """[longest] mean over cases of the probabilities of the places. of: [n] candidates."""
    sizes, cases = np.unique(of, return_counts=True)
    laws = [law(int(size)) for size in sizes]
    mean = np.zeros(max(map(len, laws)))
    for probabilities, count in zip(laws, cases, strict=True):
        mean[: len(probabilities)] += probabilities * count / len(of)
    return mean
