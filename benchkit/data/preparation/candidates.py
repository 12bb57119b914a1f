"""Frozen candidates: one target and items that the user never interacted with.

Every draw is a hash of (seed, split, user, counter): it depends on no other user and on no order
of rows, and the order of a list is a permutation that is drawn before the target is looked at.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.errors import DataError

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 65_536  # cases drawn at once: bounds memory


def sample_candidates(
    names: Sequence[str],
    users: NDArray[np.integer],
    required: NDArray[np.integer],
    seen: NDArray[np.int64],
    popularity: NDArray[np.integer],
    count: int,
    sampling: Literal["uniform", "popularity"] = "uniform",
    seed: int = 0,
    split: str = "test",
    drawable: NDArray[np.bool_] | None = None,
) -> NDArray[np.int32]:
    """Return candidates [n, count] of item codes, the required ones once each at random places.

    names: [n] names of the cases, which key the draws together with `seed` and `split`.
    users: [n] codes. required: [n, g] items that must be in the list, the target first.
    seen: sorted unique `user * n_items + item` of every interaction, test included.
    popularity: [n_items] training counts; with `sampling="popularity"` an item is drawn with
        probability proportional to it (items without training interactions are never drawn).
    drawable: [n_items] items that may be drawn, all of them when absent.
    Raises DataError when a user has fewer than `count - g` items left to draw.
    """
    n_items = len(popularity)
    allowed = np.ones(n_items, dtype=np.bool_) if drawable is None else drawable.copy()
    if sampling == "popularity":
        allowed &= popularity > 0
    pool = np.flatnonzero(allowed)
    wanted = count - required.shape[1]
    weights = np.ones(n_items) if sampling == "uniform" else popularity.astype(np.float64)
    if wanted > len(pool):  # before a table of that width is made
        raise DataError(
            f"{count} candidates cannot be drawn from {len(pool)} items",
            "lower candidates.count, or use a larger catalogue",
        )
    keys = _keys(seed, split, names)
    out = np.empty((len(users), count), dtype=np.int32)
    for start in range(0, len(users), _BLOCK):
        block = slice(start, start + _BLOCK)
        try:
            negatives = _sample_negatives(
                keys[block], users[block], required[block], seen, pool, weights, wanted
            )
        except _TooFewError as error:
            raise DataError(
                f"user {names[start + error.case]!r} has only {error.free} items left to draw"
                f" {wanted} negatives from ({len(pool)} items can be drawn)",
                "lower candidates.count, or use a larger catalogue",
            ) from None
        lists = np.concatenate([required[block], negatives], axis=1)
        order = np.argsort(_hash(keys[block], count, stream=1), axis=1, kind="stable")
        out[block] = np.take_along_axis(lists, order, axis=1)
    return out


class _TooFewError(Exception):
    def __init__(self, case: int, free: int) -> None:
        super().__init__(case, free)
        self.case, self.free = case, free


def _keys(seed: int, split: str, users: Sequence[str]) -> NDArray[np.uint64]:
    return seeds.derive_each(users, "candidates", seed, split)


def _sample_negatives(
    keys: NDArray[np.uint64],
    users: NDArray[np.integer],
    required: NDArray[np.integer],
    seen: NDArray[np.int64],
    pool: NDArray[np.integer],
    weights: NDArray[np.float64],
    wanted: int,
) -> NDArray[np.int32]:
    """Return [n, wanted] distinct unseen items: the first acceptable ones of a stream of draws."""
    n_items = len(weights)
    out = np.empty((len(users), wanted), dtype=np.int32)
    todo = np.arange(len(users))
    even = bool((weights[pool] == weights[pool[0]]).all()) if len(pool) else True
    cumulative = np.cumsum(weights[pool]) / weights[pool].sum()
    most = 16 * (wanted + wanted // 2 + 16)
    # Few draws do for nearly all cases; what they give does not depend on how many come at once.
    # Rejection is fast while the catalogue is much larger than the list. The last resort, exact
    # for any catalogue, orders all items by exponential arrival times, which is the same law.
    for draws in (wanted + wanted // 8 + 4, most // 4, most):
        uniform = _to_unit_interval(_hash(keys[todo], draws, stream=0))
        place = (
            (uniform * len(pool)).astype(np.int64)
            if even
            else np.searchsorted(cumulative, uniform, side="right")
        )
        items = pool[place.clip(max=len(pool) - 1)]
        good = _acceptable_mask(items, users[todo], required[todo], seen, n_items)
        position = np.cumsum(good, axis=1)
        done = position[:, -1] >= wanted
        rows = np.flatnonzero(done)
        take = good[rows] & (position[rows] <= wanted)
        out[todo[rows]] = items[rows][take].reshape(len(rows), wanted)
        todo = todo[~done]
        if not len(todo):
            return out
    for case in todo:
        codes = users[case] * n_items + pool
        free = pool[~_contains(seen, codes) & ~np.isin(pool, required[case])]
        if len(free) < wanted:
            raise _TooFewError(int(case), len(free))
        uniform = _to_unit_interval(
            _hash(keys[case : case + 1] ^ free.astype(np.uint64), 1, stream=2)
        )[:, 0]
        arrival = -np.log1p(-uniform) / weights[free]
        out[case] = free[np.argsort(arrival, kind="stable")[:wanted]]
    return out


def _acceptable_mask(
    items: NDArray[np.integer],
    users: NDArray[np.integer],
    required: NDArray[np.integer],
    seen: NDArray[np.int64],
    n_items: int,
) -> NDArray[np.bool_]:
    """Mark the items [n, draws] that are unseen, not required, and drawn for the first time."""
    good = ~_contains(seen, users[:, None].astype(np.int64) * n_items + items)
    for column in required.T:
        good &= items != column[:, None]
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    again = np.zeros_like(good)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    repeated = np.empty_like(again)
    np.put_along_axis(repeated, order, again, axis=1)
    return good & ~repeated


def _contains(haystack: NDArray[np.int64], needles: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which of `needles` are in a sorted array."""
    if not len(haystack):
        return np.zeros(needles.shape, dtype=np.bool_)
    at = np.searchsorted(haystack, needles).clip(max=len(haystack) - 1)
    is_member: NDArray[np.bool_] = haystack[at] == needles
    return is_member


def _hash(keys: NDArray[np.uint64], width: int, stream: int) -> NDArray[np.uint64]:
    """Return [n, width] splitmix64 of (key, stream, column); a counter-based generator."""
    with np.errstate(over="ignore"):
        columns = np.arange(1, width + 1, dtype=np.uint64) + np.uint64(stream << 32)
        z = keys[:, None] + columns * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
        return mixed


def _to_unit_interval(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return numbers that are uniform in [0, 1), from the upper 53 bits."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
