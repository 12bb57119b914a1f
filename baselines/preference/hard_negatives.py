"""Hard negatives: rejected items that are popular, or similar to the history."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baselines.experts import unseen_scores
from benchkit.errors import DataError
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.example_builder import to_request
from benchkit.training.preference.examples import Preference
from benchkit.types import Recommender, RunContext, TrainView

_TRIES = 64  # draws, of which the first acceptable one is taken


def draw_popular_negatives(
    chosen: Sequence[TeacherQuestion], data: TrainView, run: RunContext
) -> list[str]:
    """Draw for each question an item by popularity that its user has not interacted with.

    The probability is proportional to the item's number of training interactions.

    Raises:
        DataError: A user has all items that anyone has.
    """
    taken = data.interactions
    counts = np.bincount(taken.item, minlength=len(data.catalog))
    cumulative = np.cumsum(counts)
    result = []
    for question, user in zip(chosen, _codes(chosen, data).tolist(), strict=True):
        items, rng = taken.sequence(user), run.generator("popular", question.key)
        draws = np.searchsorted(cumulative, rng.integers(cumulative[-1], size=_TRIES), "right")
        free = draws[~np.isin(draws, items)]
        if not len(free):  # the same distribution without rejection, over the whole catalogue
            left = np.cumsum(np.where(np.isin(np.arange(len(counts)), items), 0, counts))
            if not left[-1]:
                raise DataError(
                    f"user {question.key!r} has every item that has a training interaction",
                    "set rejected = 'self_hard'",
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
    """Draw for each question one of the items that the expert scores highest.

    Args:
        chosen: Questions about chosen items.
        expert: A fitted recommender.
        nearest: Number of top items, all equally likely, without those of the user.
        data: Training interactions.
        run: Source of random numbers.
    """
    ids, taken = data.catalog.ids, data.interactions
    requests = [to_request(question) for question in chosen]
    rows = unseen_scores(expert, requests, data.catalog, run)
    result = []
    for question, user, scores in zip(chosen, _codes(chosen, data).tolist(), rows, strict=True):
        scores[taken.sequence(user)] = -np.inf
        best = np.argsort(-scores, kind="stable")[:nearest]
        free = best[np.isfinite(scores[best])]
        result.append(ids[int(run.generator("similar", question.key).choice(free))])
    return result


def insert_negative(
    question: TeacherQuestion, item: str, run: RunContext
) -> tuple[TeacherQuestion, TeacherQuestion]:
    """Return the questions about the chosen item and about `item`, which is made a candidate.

    If it is not one already, it replaces a random candidate other than the chosen item.
    """
    candidates = question.candidates
    if item not in candidates:
        others = [i for i, candidate in enumerate(candidates) if candidate != question.item]
        index = others[int(run.generator("stand-in", question.key).integers(len(others)))]
        candidates = (*candidates[:index], item, *candidates[index + 1 :])
    first = replace(question, candidates=candidates)
    return first, replace(first, item=item)


def best_wrong_candidate(preference: Preference, scores: Sequence[float]) -> str:
    """Return the candidate with the highest score other than the chosen one; the first of ties."""
    pairs = zip(scores, preference.candidates, strict=True)
    wrong = [(score, item) for score, item in pairs if item != preference.chosen.item]
    return max(wrong, key=lambda pair: pair[0])[1]


def _codes(chosen: Sequence[TeacherQuestion], data: TrainView) -> np.ndarray:
    """Return [n] user codes of questions about training interactions."""
    index = {user: code for code, user in enumerate(data.users)}
    return np.array([index[question.key] for question in chosen], dtype=np.int64)
