"""Draws of negatives that nobody can repeat who lacks the secret of the draw."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.preparation.past_items import PastItems
from benchkit.errors import DataError

_BLOCK = 65_536  # cases drawn at once: bounds memory


def draw_new_items(
    secret: bytes,
    names: Sequence[str],
    users: NDArray[np.integer],
    stops: NDArray[np.integer],
    required: NDArray[np.integer],
    past: PastItems,
    pool: NDArray[np.integer],
    weights: NDArray[np.float64],
    wanted: int,
) -> NDArray[np.int32]:
    """Return [n, wanted] distinct items of `pool` that are neither in the history nor required.

    Each is the first acceptable one of a stream of draws with probabilities in proportion to
    `weights`, so that all sets are equally likely where all weights are equal.

    Args:
        secret: 32 bytes, the key of the streams together with a case's name.
        names: [n] names of the cases.
        users: [n] codes.
        stops: [n] rows before which the histories end.
        required: [n, g] codes of the items that are in the lists anyway.
        past: The histories.
        pool: Codes of the items that may be drawn, ascending.
        weights: [n_items]
        wanted: Negatives of each case.

    Raises:
        DataError: A case has fewer than `wanted` items left to draw.
    """
    out = np.empty((len(names), wanted), dtype=np.int32)
    if len(names) > _BLOCK:
        for start in range(0, len(names), _BLOCK):
            part = slice(start, start + _BLOCK)
            out[part] = draw_new_items(
                secret, names[part], users[part], stops[part], required[part], past, pool,
                weights, wanted,
            )  # fmt: skip
        return out
    todo = np.arange(len(names))
    is_even = bool((weights[pool] == weights[pool[:1]]).all())
    cumulative = np.cumsum(weights[pool]) / weights[pool].sum()
    most = 16 * (wanted + wanted // 2 + 16)
    # Few draws do for nearly all cases; what they give does not depend on how many come at once.
    # Rejection is fast while the catalogue is much larger than the list.
    for draws in (wanted + wanted // 8 + 4, most // 4, most):
        if not len(todo) or len(pool) < wanted:
            break
        numbers = seeds.secret_streams(secret, [names[case] for case in todo.tolist()], draws)
        uniform = seeds.to_unit_interval(numbers)
        place = (
            (uniform * len(pool)).astype(np.int64)
            if is_even
            else np.searchsorted(cumulative, uniform, side="right")
        )
        items = pool[place.clip(max=len(pool) - 1)]
        acceptable = ~past.contains(users[todo], stops[todo], items)
        acceptable &= _first_draw_mask(items)
        for column in required[todo].T:
            acceptable &= items != column[:, None]
        position = np.cumsum(acceptable, axis=1)
        is_complete = position[:, -1] >= wanted
        rows = np.flatnonzero(is_complete)
        take = acceptable[rows] & (position[rows] <= wanted)
        out[todo[rows]] = items[rows][take].reshape(len(rows), wanted)
        todo = todo[~is_complete]
    # The last resort, exact for any catalogue, orders all items by exponential arrival times, which
    # is the same law.
    arrivals = seeds.derive_secret(secret, "arrivals")
    for case in todo.tolist():
        history = past.list_items(int(users[case]), int(stops[case]))
        is_free = ~np.isin(pool, history) & ~np.isin(pool, required[case])
        if int(is_free.sum()) < wanted:
            raise DataError(
                f"user {names[case]!r} has only {int(is_free.sum())} items left to draw"
                f" {wanted} negatives from ({len(pool)} items can be drawn)",
                "lower candidates.count, or use a larger catalogue",
            )
        uniform = seeds.to_unit_interval(seeds.secret_streams(arrivals, [names[case]], len(pool)))
        arrival = (-np.log1p(-uniform[0]) / weights[pool])[is_free]
        out[case] = pool[is_free][np.argsort(arrival, kind="stable")[:wanted]]
    return out


def draw_past_items(
    secret: bytes,
    name: str,
    history: NDArray[np.integer],
    required: NDArray[np.integer],
    wanted: int,
) -> NDArray[np.integer]:
    """Return `wanted` distinct items of a history [h] but the required ones, all alike likely."""
    free = history[~np.isin(history, required)]
    numbers = seeds.secret_streams(secret, [name], len(free))[0]
    return free[np.argsort(numbers, kind="stable")[:wanted]]


def _first_draw_mask(items: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark the items [n, draws] that are drawn for the first time in their row."""
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    is_first = np.ones(items.shape, dtype=np.bool_)
    is_first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    mask = np.empty_like(is_first)
    np.put_along_axis(mask, order, is_first, axis=1)
    return mask
