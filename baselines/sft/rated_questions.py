"""Which items TALLRec asks about, with the answers: what users rated, and what they never had."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchkit import seeds
from benchkit.errors import DataError
from benchkit.lm.teachers.questions import events_before
from benchkit.types import Request, RunContext, TrainView, ValidationCase, ratings_or_none

DislikeTest = Callable[[float | None], bool]
NegativeSource = Literal["both", "ratings", "unobserved"]


@dataclass(frozen=True)
class RatedQuestion:
    """A history without candidates, an item, and whether the user likes it."""

    request: Request
    item: str
    liked: bool


@dataclass(frozen=True)
class QuestionSource:
    """Where questions come from."""

    data: TrainView
    is_disliked: DislikeTest
    """Whether a rating is a dislike; None is no rating."""
    events: int
    """Most interactions of a user that are asked about, the last ones."""
    history: int
    """Most interactions before the one asked about."""

    def from_ratings(self) -> Iterator[RatedQuestion]:
        """Yield the last interactions of each user that have a history, with their answers."""
        rows = self.data.interactions
        for code, user in enumerate(self.data.users):
            start, stop = int(rows.offsets[code]), int(rows.offsets[code + 1])
            ratings: list[float | None] = [None] * (stop - start)
            if rows.rating is not None:
                ratings = ratings_or_none(rows.rating[start:stop])
            events = events_before(self.data, code, stop)
            for place in range(max(1, stop - start - self.events), stop - start):
                history = events[max(0, place - self.history) : place]
                request = Request(f"{user}#{place}", user, history, ())
                liked = not self.is_disliked(ratings[place])
                yield RatedQuestion(request, events[place].item, liked)

    def from_catalog(
        self, questions: Sequence[RatedQuestion], negatives: int, run: RunContext
    ) -> Iterator[RatedQuestion]:
        """Yield items without interaction after the history of each liked item.

        Raises:
            DataError: A user has had all items of the catalogue but fewer than `negatives`.
        """
        rows, ids = self.data.interactions, np.array(self.data.catalog.ids, dtype=object)
        codes = {user: code for code, user in enumerate(self.data.users)}
        for question in questions:
            if not question.liked:
                continue
            request = question.request
            free = np.setdiff1d(np.arange(len(ids)), rows.sequence(codes[request.user]))
            if len(free) < negatives:
                raise DataError(
                    f"{request.user!r} has had all but {len(free)} items, and {negatives} others"
                    " are asked about",
                    "lower negatives",
                )
            drawn = run.generator("unobserved", request.case_id).choice(
                free, negatives, replace=False
            )
            yield from (RatedQuestion(request, str(ids[code]), False) for code in drawn)


def training_questions(
    source: QuestionSource, no_from: NegativeSource, negatives: int, run: RunContext
) -> dict[str, list[RatedQuestion]]:
    """Collect the questions of each user.

    Args:
        source: Gives them.
        no_from: Items with the answer No: rated ones, unobserved ones, or both.
        negatives: Unobserved items per liked one.
        run: Of the draw.

    Raises:
        DataError: Nobody dislikes anything, and only ratings were to give negatives.
    """
    questions = list(source.from_ratings())
    if no_from == "ratings" and all(question.liked for question in questions):
        raise DataError(
            "no training interaction is rated low, so that every answer would be Yes",
            'set no_from = "both" or "unobserved", or a higher threshold',
        )
    if no_from == "unobserved":
        questions = [question for question in questions if question.liked]
    if no_from != "ratings":
        questions += source.from_catalog(questions, negatives, run)
    by_user: dict[str, list[RatedQuestion]] = {}
    for question in questions:
        by_user.setdefault(question.request.user, []).append(question)
    return by_user


def case_questions(
    cases: Sequence[ValidationCase], negatives: int, run: RunContext
) -> list[RatedQuestion]:
    """Ask about each case's target, as liked, and about other candidates, as not liked."""
    questions = []
    for request, target in cases:
        others = np.array([item for item in request.candidates if item != target])
        rng = run.generator("validation negatives", request.case_id)
        items = (target, *rng.permutation(others)[:negatives].tolist())
        questions += [RatedQuestion(request, str(item), item == target) for item in items]
    return questions


def select_users(by_user: dict[str, list[RatedQuestion]], limit: int | None) -> list[str]:
    """Return users in an order by a hash, at most `limit`; fewer are the first of more."""
    users = list(by_user)
    order = np.argsort(seeds.derive_each(users, "sample"), kind="stable")
    return [users[place] for place in order[:limit]]


def hold_back(users: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split users into those to train on and a tenth, at least one of two, to validate on."""
    count = max(len(users) > 1, len(users) // 10)
    return list(users[count:]), list(users[:count])
