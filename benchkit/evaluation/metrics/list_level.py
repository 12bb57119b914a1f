"""Catalogue coverage: how much of what could be recommended is recommended to somebody."""

import numpy as np
from numpy.typing import NDArray


def coverage(
    candidates: NDArray[np.integer],
    scores: NDArray[np.float64],
    answered: NDArray[np.bool_],
    k: int,
) -> float:
    """Share of all items among the candidates that stand in the top k of at least one case.

    candidates, scores: [n, c]. answered: [n]. Ties are cut in the frozen, shuffled order of the
    list. (Ge, Delgado-Battenfeld & Jannach, RecSys 2010.)

    >>> answered = np.array([True, True])
    >>> coverage(np.array([[0, 1], [1, 2]]), np.array([[2., 1.], [3., 1.]]), answered, 1)
    0.6666666666666666
    """
    possible = np.unique(candidates)
    top = np.argsort(-scores[answered], axis=1, kind="stable")[:, :k]
    shown = np.unique(np.take_along_axis(candidates[answered], top, axis=1))
    return len(shown) / len(possible)
