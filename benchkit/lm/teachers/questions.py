"""Questions for training: users' last training interactions, and items not interacted with."""

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.preparation import candidates as lists
from benchkit.errors import ConfigError, DataError
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.types import Event, TrainView, ratings_or_none


def build_training_questions(
    view: TrainView,
    *,
    negatives: int = 0,
    candidates: int = 30,
    seed: int = 0,
    limit: int | None = None,
) -> list[TeacherQuestion]:
    """Build a question for each user's last training item, then for each of `negatives` others.

    The history is what came before; users with fewer than two interactions are left out. The
    candidates are the target and `candidates - 1` uniform draws from the items without a training
    interaction of the user, in an order that depends on the set alone, the same list for all
    questions of a user. Where the target is an item that the user has had again, so are the others,
    as far as the history has them: as in the lists of the evaluation. Negatives are a uniform draw
    from that list, so that each stands in it, too (C-APO, appendix D). What the harness asks for
    may be drawn, too: a view does not know it.

    limit: only so many users, chosen by a hash of their ids; fewer are part of more.
    Raises DataError when the catalogue is too small, ConfigError when `negatives` is too large.
    """
    if negatives > candidates - 1:
        raise ConfigError(
            f"{negatives} negatives cannot be drawn from {candidates} candidates",
            "lower the negatives or raise the candidates",
        )
    users = training_users(view, limit)
    names = [view.users[user] for user in users.tolist()]
    return _write_questions(
        view, names, users, view.interactions.offsets[users + 1] - 1, negatives, candidates, seed
    )


def build_earlier_questions(
    view: TrainView, per_user: int, *, candidates: int = 30, seed: int = 0, limit: int | None = None
) -> list[TeacherQuestion]:
    """Build a question for each of the `per_user` training items before each user's last one.

    A user's first interaction, before which there is nothing, is never asked about. Items that the
    user chooses later may be among the candidates, as in the lists of the evaluation.

    Raises:
        DataError: The catalogue is too small.
    """
    newest = view.interactions.offsets[1:] - 1
    earlier = [
        (user, row)
        for user, row in last_interactions(view, per_user + 1, limit)
        if row != newest[user]
    ]
    users = np.array([user for user, _ in earlier], dtype=np.int32)
    stops = np.array([row for _, row in earlier], dtype=np.int64)
    names = [f"{view.users[user]}, {newest[user] - row} before the last" for user, row in earlier]
    return _write_questions(view, names, users, stops, 0, candidates, seed)


def _write_questions(
    view: TrainView,
    names: list[str],
    users: NDArray[np.int32],
    stops: NDArray[np.int64],
    negatives: int,
    candidates: int,
    seed: int,
) -> list[TeacherQuestion]:
    """Write questions about the items in the rows `stops`, then about negatives of each."""
    data, n_items = view.interactions, len(view.catalog)
    targets = data.item[stops]
    try:
        listed = lists.sample_candidates(
            names,
            users,
            stops,
            targets[:, None],
            lists.PastItems.from_interactions(data.user, data.item, n_items),
            np.bincount(data.item, minlength=n_items),
            candidates,
            secret=seeds.derive_secret(b"", "candidates", seed, "train"),
            shorten=False,
        )
    except DataError as error:
        raise DataError(
            f"a training prompt lists {candidates} candidates (the method's setting candidates),"
            f" but {error.cause}",
            "lower the method's own setting, as in config = { candidates = 5 }; candidates.count of"
            " the dataset is that of the evaluation",
        ) from None
    ids = np.array(view.catalog.ids, dtype=object)
    questions = []
    rows = zip(names, users.tolist(), stops.tolist(), targets, listed, strict=True)
    for name, user, stop, target, row in rows:
        history = events_before(view, user, stop)
        order = seeds.generator("negatives", seed, name).permutation(row[row != target])
        questions += [
            TeacherQuestion(name, history, tuple(ids[row]), str(ids[item]))
            for item in (target, *order[:negatives])
        ]
    return questions


def training_users(view: TrainView, limit: int | None = None) -> NDArray[np.int32]:
    """Return the codes of the users with at least two training interactions, in order.

    Args:
        view: The training data.
        limit: Only so many users, chosen by a hash of their ids; None for all.
    """
    users = np.flatnonzero(np.diff(view.interactions.offsets) >= 2).astype(np.int32)
    if limit is not None and limit < len(users):
        keys = seeds.derive_each([view.users[user] for user in users.tolist()], "sample")
        users = np.sort(users[np.argsort(keys, kind="stable")[:limit]])
    return users


def last_interactions(
    view: TrainView, per_user: int, limit: int | None = None
) -> list[tuple[int, int]]:
    """Return (user, row) of the last interactions of each user, the newest first.

    Args:
        view: The training data.
        per_user: Most interactions of a user; the first one, before which there is nothing, is
            never among them.
        limit: Only so many users; see `training_users`.
    """
    offsets = view.interactions.offsets.tolist()
    return [
        (user, row)
        for user in training_users(view, limit).tolist()
        for row in range(offsets[user + 1] - 1, offsets[user], -1)[:per_user]
    ]


def events_before(view: TrainView, user: int, stop: int) -> tuple[Event, ...]:
    """Return the training interactions of a user in the rows before `stop`, oldest first."""
    data = view.interactions
    rows = range(int(data.offsets[user]), stop)
    ratings: list[float | None] = [None] * len(rows)
    if data.rating is not None:
        ratings = ratings_or_none(data.rating[rows.start : stop])
    return tuple(
        Event(
            view.catalog.ids[data.item[row]],
            rating,
            None if data.timestamp is None else int(data.timestamp[row]),
            None if data.review is None else data.review[row],
        )
        for row, rating in zip(rows, ratings, strict=True)
    )
