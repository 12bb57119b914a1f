"""Guessing targets from where they stood before, with no model and no user in sight."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit.data.audit.cases import CandidateLists
from benchkit.data.request_batch import PADDING_ITEM

_MAX_EXAMPLES = 5


class ItemPositions(NamedTuple):
    """Where targets stand."""

    item: NDArray[np.int64]
    """[n] item codes."""
    length: NDArray[np.int64]
    """[n] lengths of their lists."""
    place: NDArray[np.int64]
    """[n] places in the lists, counted from 0."""


def target_positions(lists: CandidateLists, known: CandidateLists | None = None) -> ItemPositions:
    """Return where the targets of `lists` stand, those of `known` behind them."""
    parts = [lists] if known is None else [lists, known]
    return ItemPositions(
        *(np.concatenate([getattr(p, c) for p in parts]) for c in ("target", "length", "place"))
    )


def position_guess_hit_rate(lists: CandidateLists, placed: ItemPositions) -> float:
    """Return the expected HR@1 of a guesser that knows where all other cases have their targets.

    placed: the targets of `lists`, then those of further known cases. The guesser does not know
    the target of the case at hand. It takes a candidate that stands where it stood as a target in
    another case; if there is none, one that was never a target; if there is none, any. Among
    equals it draws, and the value is the expectation over the draw (leave-one-out).
    """
    lengths = np.broadcast_to(lists.length[:, None], lists.candidates.shape)
    places = np.broadcast_to(np.arange(lists.candidates.shape[1]), lists.candidates.shape)
    same_place = _count_matches(
        placed, ItemPositions(lists.candidates, lengths, places), ("item", "length", "place")
    )
    any_place = _count_matches(
        placed, ItemPositions(lists.candidates, lengths, places), ("item", "length")
    )
    hidden = lists.is_target  # the case at hand is no evidence for itself
    score = np.where(same_place - hidden > 0, 2, np.where(any_place - hidden > 0, 0, 1))
    score[lists.candidates == PADDING_ITEM] = -1
    best = score.max(axis=1)
    target_score = score[np.arange(len(lists)), lists.place]
    return float(np.mean((target_score == best) / (score == best[:, None]).sum(axis=1)))


def count_fixed_positions(
    placed: ItemPositions, names: Sequence[str]
) -> tuple[int, int, tuple[str, ...]]:
    """Count targets in several lists of one length and those at one place, and give examples."""
    kinds, times = np.unique(np.stack(placed[:2], axis=1), axis=0, return_counts=True)
    cells = np.unique(np.stack(placed, axis=1), axis=0)
    places = np.unique(cells[:, :2], axis=0, return_counts=True)[1]
    fixed = np.flatnonzero((times > 1) & (places == 1))
    first = np.searchsorted(np.cumsum(places), np.arange(1, len(kinds) + 1))  # last cell of a kind
    often = fixed[np.argsort(-times[fixed], kind="stable")][:_MAX_EXAMPLES]
    examples = tuple(
        f"{names[kinds[k, 0]]}: place {cells[first[k], 2] + 1} of {kinds[k, 1]} in {times[k]} cases"
        for k in often
    )
    return int((times > 1).sum()), len(fixed), examples


def negative_position_match(placed: ItemPositions, lists: CandidateLists) -> float:
    """Measure how often an item stands at one position as a negative and as a target."""
    negative = (lists.candidates != PADDING_ITEM) & ~lists.is_target
    row, place = np.nonzero(negative)
    negatives = ItemPositions(lists.candidates[negative], lists.length[row], place)
    pairs = _count_matches(placed, negatives, ("item", "length")).sum()
    same = _count_matches(placed, negatives, ("item", "length", "place")).sum()
    return float(same / pairs) if pairs else 0.0


def _count_matches(
    occurrences: ItemPositions, queries: ItemPositions, by: Sequence[str]
) -> NDArray[np.int64]:
    """Count how often each of `queries` (any shape) is among `occurrences`, compared by `by`."""
    base = int(max(occurrences.length.max(initial=0), queries.length.max(initial=0))) + 1

    def code(placed: ItemPositions) -> NDArray[np.int64]:
        parts = [getattr(placed, name) for name in by]
        key = parts[0]
        for part in parts[1:]:
            key = key * base + part
        return np.asarray(key, dtype=np.int64)

    keys, times = np.unique(code(occurrences), return_counts=True)
    if not len(keys):
        return np.zeros(queries.item.shape, dtype=np.int64)
    wanted = code(queries)
    at = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[at] == wanted, times[at], 0)
