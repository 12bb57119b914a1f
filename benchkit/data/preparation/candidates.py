"""Frozen candidates: the target and negatives that look like it to everyone who lacks the answers.

What a list tells of its target, for a method that knows the code, the seed, all training data, all
requests and all answers of the validation:

- The order is a function of the set: items are sorted by a hash of (case, item).
- Negatives come from streams of a cryptographic hash whose key holds a SHA-256 of all answers of
  the part (`digest_answers`). Two prepares share it; who lacks the answers does not. It has as much
  entropy as the answers: with 30 candidates, 26 unknown targets are 128 bits, but those of five
  users can be tried out. Validation has a key of its own, from its own answers: methods know these,
  and nothing of the test is in it.
- Negatives leave out the history and the case's relevant items, nothing else. What a user chooses
  later may be among them: were it not, every list would say what no later answer is. A history that
  holds h of N items leaves C(N - h - 1, n) sets of n negatives, whichever new item is the target:
  with uniform sampling each candidate has the same likelihood.
- Where users have items again (`duplicates = "keep"`), a target that stands in the history is among
  other items of the history, and a new one among new ones: C(h - 1, n) sets for each. So negatives
  are of the history in the share in which targets are, and inside a list it tells nothing. A
  history too short for that makes the list shorter, down to all its items.
  Several relevant items of both kinds have negatives of both kinds in the same share, up to a
  rounding that is drawn.

With popularity sampling, likelihoods differ by what the counts say, not by the draw: negatives
are popular, which `benchkit data audit` prints as the popularity gap.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.preparation.negative_draws import draw_new_items, draw_past_items
from benchkit.data.preparation.past_items import PastItems
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.errors import DataError

_BLOCK = 65_536  # lists sorted at once: bounds memory
__all__ = ["PastItems", "digest_answers", "sample_candidates"]


def digest_answers(
    part: str, names: Sequence[str], relevant: NDArray[np.integer], item_ids: Sequence[str]
) -> bytes:
    """Return 32 bytes that depend on all answers of a part of a split.

    Args:
        part: "test" or "valid".
        names: [n] names of the cases.
        relevant: [n, g] codes of the targets and of further relevant items, filled with
            PADDING_ITEM.
        item_ids: Code -> id.
    """
    columns = [
        ["" if code == PADDING_ITEM else item_ids[code] for code in column]
        for column in relevant.T.tolist()
    ]
    return seeds.digest_texts([part], names, *columns)


def sample_candidates(
    names: Sequence[str],
    users: NDArray[np.integer],
    stops: NDArray[np.integer],
    required: NDArray[np.integer],
    past: PastItems,
    popularity: NDArray[np.integer],
    count: int,
    sampling: Literal["uniform", "popularity"] = "uniform",
    *,
    secret: bytes,
    drawable: NDArray[np.bool_] | None = None,
    shorten: bool = True,
) -> NDArray[np.int32]:
    """Return candidates [n, count] of item codes, the required ones once each, in a random order.

    Lists that are shorter end in PADDING_ITEM.

    Args:
        names: [n] names of the cases, which key the draws together with `secret`.
        users: [n] codes.
        stops: [n] rows before which the histories end.
        required: [n, g] items that must be in the list, filled with PADDING_ITEM.
        past: The histories.
        popularity: [n_items] training counts; with `sampling="popularity"` an item is drawn with
            probability proportional to it. Items without training interactions count as one: were
            they never drawn, such a candidate would be the answer.
        count: Items of a list.
        sampling: How likely an item is drawn.
        secret: 32 bytes.
        drawable: [n_items] items that may be drawn, all of them when absent.
        shorten: Whether a list is shorter where the history has too few items for its negatives;
            otherwise new items fill it, which says that a required item is in the history.

    Raises:
        DataError: A user has too few items left to draw.
    """
    n_items = len(popularity)
    pool = np.arange(n_items) if drawable is None else np.flatnonzero(drawable)
    weights = np.ones(n_items) if sampling == "uniform" else np.maximum(popularity, 1.0)
    required = _drop_repeats(required)
    _check_room(names, required, count, len(pool))
    n_required, n_new, n_past = _count_kinds(
        names, users, stops, required, past, count, secret, shorten
    )
    out = np.full((len(names), count), PADDING_ITEM, dtype=np.int32)
    new_items = seeds.derive_secret(secret, "new items")
    # Cases that want equally many items at once: what is drawn for one depends on no other one.
    kinds, kind = np.unique(np.stack([n_required, n_new], axis=1), axis=0, return_inverse=True)
    for number, (size, wanted) in enumerate(kinds.tolist()):
        rows = np.flatnonzero(kind.reshape(-1) == number)
        items = required[rows]
        items = items[items != PADDING_ITEM].reshape(len(rows), size)
        out[rows, :size] = items
        if not wanted:
            continue
        out[rows, size : size + wanted] = draw_new_items(
            new_items, [names[row] for row in rows.tolist()], users[rows], stops[rows], items,
            past, pool, weights, wanted,
        )  # fmt: skip
    past_items = seeds.derive_secret(secret, "past items")
    for row in np.flatnonzero(n_past).tolist():
        start = n_required[row] + n_new[row]
        history = past.list_items(int(users[row]), int(stops[row]))
        out[row, start : start + n_past[row]] = draw_past_items(
            past_items, names[row], history, required[row], int(n_past[row])
        )
    return _order_by_hash(out, seeds.derive_each(names, "order", secret.hex()))


def _count_kinds(
    names: Sequence[str],
    users: NDArray[np.integer],
    stops: NDArray[np.integer],
    required: NDArray[np.integer],
    past: PastItems,
    count: int,
    secret: bytes,
    shorten: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return [n] the required items of each case, its new and its past negatives."""
    n_required = np.count_nonzero(required != PADDING_ITEM, axis=1)
    n_repeats = np.count_nonzero(past.contains(users, stops, required), axis=1)
    n_past = np.zeros(len(names), dtype=np.int64)
    length = np.full(len(names), count, dtype=np.int64)
    rounding = seeds.derive_secret(secret, "rounding")
    for row in np.flatnonzero(n_repeats).tolist():
        relevant, relevant_past = int(n_required[row]), int(n_repeats[row])
        history = len(past.list_items(int(users[row]), int(stops[row])))
        longest = min(count, history * relevant // relevant_past)
        number = seeds.to_unit_interval(seeds.secret_streams(rounding, [names[row]], 1))[0, 0]
        n_past[row] = min(history, int((longest * relevant_past + number * relevant) // relevant))
        n_past[row] -= relevant_past
        length[row] = longest if shorten else count
    return n_required, length - n_required - n_past, n_past


def _check_room(
    names: Sequence[str], required: NDArray[np.integer], count: int, n_drawable: int
) -> None:
    n_required = np.count_nonzero(required != PADDING_ITEM, axis=1)
    # Before a table of that width is made. Lists that are a little too long are named by a case,
    # and those of repeated targets are shortened.
    if count > 1000 + 10 * n_drawable:
        raise DataError(
            f"{count} candidates cannot be drawn from {n_drawable} items",
            "lower candidates.count, or use a larger catalogue",
        )
    if n_required.max(initial=0) > count:
        row = int(n_required.argmax())
        raise DataError(
            f"case {names[row]!r} has {n_required[row]} relevant items, more than the {count} of a"
            " list",
            "raise candidates.count",
        )


def _drop_repeats(required: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return [n, g] items, those that stand before in their row replaced by PADDING_ITEM."""
    required = required.copy()
    for column in range(1, required.shape[1]):
        again = (required[:, :column] == required[:, column, None]).any(axis=1)
        required[again, column] = PADDING_ITEM
    return required


def _order_by_hash(lists: NDArray[np.int32], keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Sort lists [n, count] in place by a hash of key [n] and item; PADDING_ITEM comes last."""
    for start in range(0, len(lists), _BLOCK):
        rows = slice(start, start + _BLOCK)
        items = np.sort(lists[rows], axis=1)  # so that equal hashes tell nothing either
        hashes = seeds.splitmix(keys[rows], items) >> np.uint64(1)
        hashes[items == PADDING_ITEM] = np.iinfo(np.uint64).max
        order = np.argsort(hashes, axis=1, kind="stable")
        lists[rows] = np.take_along_axis(items, order, axis=1)
    return lists
