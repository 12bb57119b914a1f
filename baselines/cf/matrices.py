"""Sparse user-item matrices, from training interactions and from the histories of requests."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from baselines.cf.scoring import history_codes
from benchkit.types import Request, TrainView


def training_matrix(data: TrainView) -> sparse.csr_array:
    """Return [n_users, n_items] float64, 1 where the user has the item in training."""
    rows = data.interactions
    shape = (len(data.users), len(data.catalog))
    matrix = sparse.csr_array((np.ones(len(rows)), (rows.user, rows.item)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def history_matrix(
    requests: Sequence[Request],
    index: Mapping[str, int],
    decay: float = 1.0,
    newest: int | None = None,
) -> sparse.csr_array:
    """Return [b, n_items] float64: decay^age of each item of a history, age 0 for the newest.

    An item that occurs twice counts once, as its newest occurrence. Items unknown in training are
    left out; an empty history gives an empty row.

    Args:
        requests: b requests.
        index: Code of each item.
        decay: Weight of an item relative to the next.
        newest: Number of newest items to read; None for all.
    """
    columns, weights, ends = [], [], [0]
    for request in requests:
        backwards = history_codes(request, index)[::-1][:newest]
        items, age = np.unique(backwards, return_index=True)
        columns.append(items)
        weights.append(decay**age)
        ends.append(ends[-1] + len(items))
    table = (np.concatenate(weights), np.concatenate(columns), np.array(ends))
    return sparse.csr_array(table, shape=(len(requests), len(index)))
