"""A sampled share of the training interactions, for methods that learn from less."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchkit.types import Catalog, Interactions, TrainView, ValidationCase

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_LENGTH = 2  # interactions of a user: a sequence with a next item


@dataclass(frozen=True)
class SampledTrainData:
    """A `TrainView` with fewer interactions; all else is that of the whole."""

    name: str
    users: "Sequence[str]"
    catalog: Catalog
    interactions: Interactions
    validation: "Sequence[ValidationCase]"


def sample_training(data: TrainView, share: float, rng: np.random.Generator) -> TrainView:
    """Return the training data with a share of every user's interactions, in their order.

    A user with n interactions keeps share x n of them, rounded up or down at random so that the
    total is the share of the whole, but at least two, or all of fewer. Which ones is uniform. The
    same generator with a larger share keeps the same ones and more.
    """
    full = data.interactions
    rows = np.flatnonzero(_sample_mask(np.diff(full.offsets), share, rng))
    counts = np.bincount(full.user[rows], minlength=len(data.users))
    sampled = Interactions(
        user=full.user[rows],
        item=full.item[rows],
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rating=None if full.rating is None else full.rating[rows],
        timestamp=None if full.timestamp is None else full.timestamp[rows],
        review=None if full.review is None else [full.review[row] for row in rows.tolist()],
        rating_scale=full.rating_scale,
    )
    return SampledTrainData(data.name, data.users, data.catalog, sampled, data.validation)


def _sample_mask(
    lengths: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return [lengths.sum()] which interactions stay, user after user."""
    n_users, total = len(lengths), int(lengths.sum())
    rounded = np.floor(share * lengths + rng.random(n_users)).astype(np.int64)
    wanted = np.clip(rounded, np.minimum(lengths, MIN_LENGTH), lengths)
    user = np.repeat(np.arange(n_users), lengths)
    order = np.lexsort((rng.random(total), user))  # each user's interactions, shuffled
    starts = np.cumsum(lengths) - lengths
    stays = np.zeros(total, dtype=np.bool_)
    stays[order] = np.arange(total) - starts[user] < wanted[user]
    return stays
