"""Rejected items that are drawn for a purpose: popular ones, and ones similar to the history."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baselines.experts import unseen_scores
from benchkit.errors import DataError
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.example_builder import to_request
from benchkit.types import Recommender, RunContext, TrainView

_TRIES = 64  # draws of which the first acceptable one is taken


def draw_popular_negatives(
    chosen: Sequence[TeacherQuestion], data: TrainView, run: RunContext
) -> list[str]:
    """For each question an item without a training interaction of its user.

    Drawn with probability proportional to the number of its training interactions. Raises
    DataError for a user who has all items that anyone has.
    """
    taken = data.interactions
    counts = np.bincount(taken.item, minlength=len(data.catalog))
    cumulative = np.cumsum(counts)
    result = []
    for question, user in zip(chosen, _codes(chosen, data).tolist(), strict=True):
        own, rng = taken.sequence(user), run.generator("popular", question.key)
        drawn = np.searchsorted(cumulative, rng.integers(cumulative[-1], size=_TRIES), "right")
        free = drawn[~np.isin(drawn, own)]
        if not len(free):  # the same law without rejection, which reads the whole catalogue
            left = np.cumsum(np.where(np.isin(np.arange(len(counts)), own), 0, counts))
            if not left[-1]:
                raise DataError(
                    f"user {question.key!r} has every item that has a training interaction",
                    "take rejected = 'self_hard'",
                )
            free = np.searchsorted(left, rng.integers(left[-1], size=1), "right")
        result.append(data.catalog.ids[int(free[0])])
    return result


def draw_similar_negatives(
    chosen: Sequence[TeacherQuestion],
    expert: Recommender,
    nearest: int,
    data: TrainView,
    run: RunContext,
) -> list[str]:
    """For each question one of the `nearest` items that the expert finds most like its history.

    All of them are equally likely, and without a training interaction of the user.
    """
    ids, taken = data.catalog.ids, data.interactions
    requests = [to_request(question) for question in chosen]
    rows = unseen_scores(expert, requests, data.catalog, run)
    result = []
    for question, user, own in zip(chosen, _codes(chosen, data).tolist(), rows, strict=True):
        own[taken.sequence(user)] = -np.inf
        best = np.argsort(-own, kind="stable")[:nearest]
        free = best[np.isfinite(own[best])]
        result.append(ids[int(run.generator("similar", question.key).choice(free))])
    return result


def insert_negative(
    question: TeacherQuestion, item: str, run: RunContext
) -> tuple[TeacherQuestion, TeacherQuestion]:
    """The questions about the chosen item and about `item`, with `item` among the candidates.

    Unless it is there, it takes the place of one of them that is not the chosen one.
    """
    listed = question.candidates
    if item not in listed:
        others = [place for place, own in enumerate(listed) if own != question.item]
        place = others[int(run.generator("stand-in", question.key).integers(len(others)))]
        listed = (*listed[:place], item, *listed[place + 1 :])
    first = replace(question, candidates=listed)
    return first, replace(first, item=item)


def _codes(chosen: Sequence[TeacherQuestion], data: TrainView) -> np.ndarray:
    """[n] user codes of questions about training interactions."""
    index = {user: code for code, user in enumerate(data.users)}
    return np.array([index[question.key] for question in chosen], dtype=np.int64)
