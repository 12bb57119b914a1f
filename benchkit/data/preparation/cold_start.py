"""Cold start: users or items withheld from training, and asked for (EAPO, appendix C.2)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.splits.base import TEST, TRAIN, VALID, Split
from benchkit.types import Interactions


def withhold_users(
    split: Split, data: Interactions, users: Sequence[str], share: float, seed: int
) -> Split:
    """Withhold a share of the users from training; only they have test cases."""
    cold = _hash_sample_mask(users, share, "users", seed)
    part = np.where(cold[data.user] & (split.part != TEST), TEST, split.part).astype(np.uint8)
    valid = split.valid.select(~cold[data.user[split.valid.target]])
    test = split.test.select(cold[data.user[split.test.target]])
    funnel = {"cold_users": int(cold.sum()), "rows_withheld": int((part != split.part).sum())}
    return Split(part, valid, test, split.funnel | funnel)


def withhold_items(
    split: Split, data: Interactions, items: Sequence[str], share: float, seed: int
) -> tuple[Split, NDArray[np.bool_]]:
    """Withhold a share of the items from training; only cases with such a target are tested.

    Their negatives are withheld items, too: otherwise the one candidate that training never saw
    would be the answer. Validation cases keep items that training has.
    Returns the split and [n_items] which items are withheld.
    """
    cold = _hash_sample_mask(items, share, "items", seed)
    withheld = cold[data.item] & (split.part == TRAIN)
    part = np.where(withheld, VALID, split.part).astype(np.uint8)
    valid = split.valid.select(~cold[data.item[split.valid.target]])
    test = split.test.select(cold[data.item[split.test.target]])
    funnel = {"cold_items": int(cold.sum()), "rows_withheld": int(withheld.sum())}
    return Split(part, valid, test, split.funnel | funnel), cold


def _hash_sample_mask(
    names: Sequence[str], share: float, kind: str, seed: int
) -> NDArray[np.bool_]:
    """Mark the share of `names` [n] with the smallest hashes: no other name affects a hash."""
    keys = np.array([seeds.derive("cold", kind, seed, name) for name in names], dtype=np.uint64)
    chosen = np.zeros(len(names), dtype=np.bool_)
    chosen[np.argsort(keys, kind="stable")[: max(1, round(share * len(names)))]] = True
    return chosen
