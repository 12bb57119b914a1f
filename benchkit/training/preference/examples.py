"""Preferences in words: a request, the item that was chosen, and items that were rejected.

With a teacher, each item has a rationale and a coherence score. C-APO (section 3.1) calls the
rejected item with the higher score hard and the other easy. `preference_io` reads and writes them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from benchkit import seeds
from benchkit.errors import DataError
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.types import Event, Request

TiePolicy = Literal["drop", "random"]


@dataclass(frozen=True)
class Choice:
    """An item with a teacher's rationale; raises ValueError for a score outside 1 to 7."""

    item: str
    rationale: str | None = None
    score: float | None = None
    """Coherence, from 1 to 7."""

    def __post_init__(self) -> None:
        if self.score is not None and not 1 <= self.score <= 7:
            raise ValueError(f"the score of item {self.item!r} is {self.score:g}, not 1 to 7")


@dataclass(frozen=True)
class Preference:
    """A chosen item and the rejected ones, after a history.

    Raises:
        ValueError: There is no history or no rejected item, an item is not among the candidates,
            or two responses (item and rationale) are the same.
    """

    key: str
    """The user."""
    history: tuple[Event, ...]
    candidates: tuple[str, ...]
    chosen: Choice
    rejected: tuple[Choice, ...]
    """In order of their scores, best (hard) first, if they are ranked."""

    def __post_init__(self) -> None:
        if not self.history:
            raise ValueError("the history is empty")
        if not self.rejected:
            raise ValueError("no item is rejected")
        outside = [c.item for c in self.choices if c.item not in self.candidates]
        if outside:
            raise ValueError(f"item {outside[0]!r} is not among the candidates")
        responses = [(choice.item, choice.rationale) for choice in self.choices]
        if len(set(responses)) < len(responses):
            raise ValueError("two of its responses are the same")

    @property
    def request(self) -> Request:
        """The request that would ask a recommender for the chosen item."""
        return Request(self.key, self.key, self.history, self.candidates)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The chosen item, then the rejected ones."""
        return (self.chosen, *self.rejected)


@dataclass(frozen=True)
class PreferenceCounts:
    """What became of the preferences that were asked for."""

    asked: int
    """Users."""
    incomplete: int
    """Preferences with an item without a usable rationale, or without a score that is needed."""
    tied: int
    """Preferences whose rejected items have equal scores."""
    kept: int
    """Preferences that are trained on."""
    conflicts: float
    """Share of the kept, scored ones in which a rejected item is more coherent than the chosen
    one (C-APO, figure 3)."""
    weak: float
    """Share of the kept, scored ones whose chosen item scores below 4."""

    def __str__(self) -> str:
        return (
            f"{self.asked:,} asked, {self.incomplete:,} incomplete, {self.tied:,} tied,"
            f" {self.kept:,} kept; of these a rejected item is more coherent than the chosen one in"
            f" {self.conflicts:.1%}, and the chosen one is weak (below 4) in {self.weak:.1%}"
        )


def group_preferences(
    questions: Sequence[TeacherQuestion], rationales: Sequence[Rationale] | None = None
) -> list[Preference]:
    """Group the questions of each user into one preference.

    Args:
        questions: For each user in a row, about the chosen item first, then about rejected ones.
        rationales: Aligned with the questions; None for items alone.
    """
    texts = list(rationales) if rationales is not None else [None] * len(questions)
    preferences = []
    pairs = zip(questions, texts, strict=True)
    for key, group in groupby(pairs, key=lambda pair: pair[0].key):
        rows = list(group)
        first = rows[0][0]
        chosen, *rejected = [
            Choice(q.item) if r is None else Choice(q.item, r.text, r.score) for q, r in rows
        ]
        preferences.append(
            Preference(key, first.history, first.candidates, chosen, tuple(rejected))
        )
    return preferences


def rank_rejected(
    preferences: Iterable[Preference], ties: TiePolicy = "drop", seed: int = 0, scored: bool = True
) -> tuple[list[Preference], PreferenceCounts]:
    """Keep the preferences with a rationale for each item, and sort rejected items by score.

    Args:
        preferences: Of any number of users.
        ties: Whether preferences with equal scores of rejected items are dropped, or such items
            are ordered at random.
        seed: Seed of that order.
        scored: Drop preferences without a score for each item; otherwise keep them unsorted.
    """
    result, n_asked, incomplete, tied, n_scored, conflicts, weak = [], 0, 0, 0, 0, 0, 0
    for preference in preferences:
        n_asked += 1
        choices = preference.choices
        scores = [choice.score for choice in choices if choice.score is not None]
        unscored = len(scores) < len(choices)
        if (scored and unscored) or any(choice.rationale is None for choice in choices):
            incomplete += 1
            continue
        if unscored:
            result.append(preference)
            continue
        chosen, *rejected = scores
        if len(set(rejected)) < len(rejected):
            tied += 1
            if ties == "drop":
                continue
        draws = seeds.generator("ties", seed, preference.key).random(len(rejected))
        order = sorted(range(len(rejected)), key=lambda k: (-rejected[k], draws[k]))
        result.append(replace(preference, rejected=tuple(preference.rejected[k] for k in order)))
        n_scored += 1
        conflicts += max(rejected) > chosen
        weak += chosen < 4
    n = max(1, n_scored)
    return result, PreferenceCounts(n_asked, incomplete, tied, len(result), conflicts / n, weak / n)


def check_rejected_counts(
    preferences: Iterable[Preference],
    method: str,
    min_rejected: int,
    max_rejected: int | None = None,
) -> None:
    """Raise DataError if a preference has fewer or more rejected items than `method` can use."""
    for preference in preferences:
        count = len(preference.rejected)
        subject = f"preference {preference.key!r} has {count} rejected items, and {method}"
        if count < min_rejected:
            raise DataError(f"{subject} needs {min_rejected}", "leave it out")
        if max_rejected is not None and count > max_rejected:
            raise DataError(f"{subject} uses {max_rejected}", "set pairing = 'one_random'")
