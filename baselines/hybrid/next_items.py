"""Examples of the next item: the last interactions of each user, each after what came before."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from benchkit import seeds
from benchkit.errors import DataError
from benchkit.lm.teachers.questions import events_before
from benchkit.types import Event, Request, RunContext, TrainView


class NextItem(NamedTuple):
    """An item that a user chose in training, and the events before it, oldest first."""

    user: str
    history: tuple[Event, ...]
    item: str


def known_items(data: TrainView) -> dict[str, int]:
    """Return the codes of the items with a training interaction."""
    ids = data.catalog.ids
    return {ids[code]: code for code in np.unique(data.interactions.item).tolist()}


def next_items(
    data: TrainView, per_user: int, max_history: int | None = None, limit: int | None = None
) -> Iterator[NextItem]:
    """Yield the last `per_user` training items of each user that have an event before them.

    Args:
        data: Training interactions.
        per_user: Most items of a user.
        max_history: Newest events of a history; None for all.
        limit: Only so many users, chosen by a hash of their ids; None for all.
    """
    rows = data.interactions
    users = np.flatnonzero(np.diff(rows.offsets) >= 2)
    if limit is not None and limit < len(users):
        keys = seeds.derive_each([data.users[user] for user in users.tolist()], "sample")
        users = np.sort(users[np.argsort(keys, kind="stable")[:limit]])
    for user in users.tolist():
        events = events_before(data, user, int(rows.offsets[user + 1]))
        for place in range(max(1, len(events) - per_user), len(events)):
            start = 0 if max_history is None else max(0, place - max_history)
            yield NextItem(data.users[user], events[start:place], events[place].item)


def to_training_requests(
    items: Iterable[NextItem], data: TrainView, candidates: int, run: RunContext
) -> Iterator[tuple[Request, str]]:
    """Yield each item as a request with shuffled candidates, and the item.

    The other candidates are uniform draws from items without a training interaction of the user.

    Raises:
        DataError: A user has interacted with too much of the catalogue.
    """
    ids = np.array(data.catalog.ids, dtype=object)
    codes = {user: number for number, user in enumerate(data.users)}
    for number, (user, history, item) in enumerate(items):
        key = f"{user}#{number}"
        rng = run.generator("training candidates", key)
        free = np.setdiff1d(np.arange(len(ids)), data.interactions.sequence(codes[user]))
        if len(free) < candidates - 1:
            raise DataError(
                f"a training prompt lists {candidates} candidates, but user {user!r} has"
                f" interacted with all but {len(free)} items",
                "lower the method's setting candidates",
            )
        others = rng.choice(free, candidates - 1, replace=False).tolist()
        order = rng.permutation([data.catalog.index[item], *others])
        yield Request(key, user, history, tuple(ids[order].tolist())), item
