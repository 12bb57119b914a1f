"""First vectors of nano's titles: titles that people choose close together begin alike.

From random vectors a third of the training goes into finding out which titles belong together,
which a factorisation of their co-occurrences says in a second.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from benchkit.lm.nano.corpus import NanoCorpus

_WINDOW = 5  # titles apart; those d apart count 1/d
_SHRINK = 1.0  # added to co-occurrences and what chance expects of them: rare ones say little
_MOST = 8192  # titles: their table then takes 256 MB
_TOLERANCE = 1e-3  # of the eigenvalues
_NONE = np.zeros(0, dtype=np.int64)


def title_vectors(corpus: NanoCorpus, width: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Factorise the co-occurrences of titles that are one token.

    The product of two titles' vectors approximates log (c + 1) / (e + 1), where c is how often they
    stand close together and e what chance would make of it.

    Args:
        corpus: Histories to learn from.
        width: Numbers in a vector.

    Returns:
        [m] tokens in ascending order, and their vectors [m, width]; 0 for titles that are not among
        the `_MOST` with most co-occurrences, and in columns that cannot be found. The mean square
        over all columns of the other titles is 1.
    """
    token_of = np.array([ids[0] if len(ids) == 2 else -1 for ids in corpus.items], dtype=np.int64)
    tokens = np.unique(token_of[token_of >= 0])
    row_of = np.where(token_of >= 0, np.searchsorted(tokens, token_of), -1)
    counts = _co_occurrences([row_of[history] for history in corpus.histories], len(tokens))
    vectors = np.zeros((len(tokens), width), dtype=np.float32)
    totals: NDArray[np.float32] = counts.sum(axis=0)
    rows = np.sort(np.argsort(-totals, kind="stable")[:_MOST])
    count = min(width, len(rows) - 1)
    if count < 1 or not counts.nnz:
        return tokens, vectors
    values, factors = _largest_eigenpairs(_association(counts[rows][:, rows]), count)
    # A vector's sign is arbitrary: let its largest number be positive.
    factors = factors * np.sign(
        factors[np.abs(factors).argmax(axis=0), np.arange(factors.shape[1])]
    )
    vectors[rows, : len(values)] = (factors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1]
    size = np.sqrt(np.mean(np.square(vectors[rows])))
    return tokens, vectors / size if size > 0 else vectors


def _largest_eigenpairs(
    table: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the largest eigenvalues, ascending, and their vectors in columns."""
    start = np.ones(len(table), dtype=np.float32)
    pairs: tuple[NDArray[np.inexact], NDArray[np.inexact]]
    try:
        pairs = eigsh(table, k=count, which="LA", tol=_TOLERANCE, v0=start)
    except ArpackNoConvergence as error:  # those that were found will do
        pairs = error.eigenvalues, error.eigenvectors
    values, factors = pairs
    return values.astype(np.float32), factors.astype(np.float32)


def _co_occurrences(
    histories: list[NDArray[np.int64]], count: int
) -> "sparse.csr_array[np.float32, tuple[int, int]]":
    """Return [count, count] how often titles stand close together; -1 is a title to pass over."""
    firsts, seconds = [_NONE], [_NONE]
    weights = [np.zeros(0, dtype=np.float32)]
    for history in histories:
        for distance in range(1, min(_WINDOW, len(history) - 1) + 1):
            first, second = history[:-distance], history[distance:]
            known = (first >= 0) & (second >= 0)
            firsts.append(first[known])
            seconds.append(second[known])
            weights.append(np.full(int(known.sum()), 1.0 / distance, dtype=np.float32))
    places = np.concatenate(firsts), np.concatenate(seconds)
    one_way = sparse.csr_array((np.concatenate(weights), places), shape=(count, count))
    both_ways: sparse.csr_array[np.float32, tuple[int, int]] = one_way + one_way.T
    return both_ways


def _association(counts: sparse.csr_array) -> NDArray[np.float32]:
    """Return [m, m] log (c + 1) / (e + 1)."""
    totals = counts.sum(axis=0).astype(np.float32)
    shares = totals / totals.sum()
    table = counts.toarray()
    table += _SHRINK
    for row, total in zip(table, totals, strict=True):  # a second table would not be small
        row /= total * shares + _SHRINK
    association: NDArray[np.float32] = np.log(table, out=table)
    return association
