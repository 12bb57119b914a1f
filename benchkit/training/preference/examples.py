"""Preferences in words: a request, the item that was chosen, and items that were not.

With a teacher each item has a rationale and a coherence score. C-APO (section 3.1) calls the
rejected item with the higher score hard and the other easy. `preference_files` writes and reads
them.
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
    """An item with what a teacher says for it; score: coherence. Raises ValueError for a score
    that is not within 1 and 7."""

    item: str
    rationale: str | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        if self.score is not None and not 1 <= self.score <= 7:
            raise ValueError(f"the score of item {self.item!r} is {self.score:g}, not 1 to 7")


@dataclass(frozen=True)
class Preference:
    """The chosen item before the rejected ones. rejected: the best (hard) first where ranked.

    Raises ValueError where there is no history or nothing is rejected, where an item is not among
    the candidates, and where two responses (item and rationale) are the same.
    """

    key: str
    history: tuple[Event, ...]
    candidates: tuple[str, ...]
    chosen: Choice
    rejected: tuple[Choice, ...]

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
        """The question that a recommender would be asked."""
        return Request(self.key, self.key, self.history, self.candidates)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """Chosen and rejected."""
        return (self.chosen, *self.rejected)


@dataclass(frozen=True)
class PreferenceCounts:
    """How preferences were made.

    asked: users. incomplete: an item had no usable rationale, or no score where one is needed.
    tied: rejected items had equal scores. kept: preferences. conflicts: share of the scored ones
    kept in which a rejected item is more coherent than the chosen one (C-APO, figure 3). weak:
    share whose chosen item scores below 4.
    """

    asked: int
    incomplete: int
    tied: int
    kept: int
    conflicts: float
    weak: float

    def __str__(self) -> str:
        """In words, for a person."""
        return (
            f"{self.asked:,} asked, {self.incomplete:,} incomplete, {self.tied:,} tied,"
            f" {self.kept:,} kept; of these a rejected item is more coherent than the chosen one in"
            f" {self.conflicts:.1%}, and the chosen one is weak (below 4) in {self.weak:.1%}"
        )


def group_preferences(
    questions: Sequence[TeacherQuestion], rationales: Sequence[Rationale] | None = None
) -> list[Preference]:
    """One for each user: the first question is about the chosen item, the others about rejected.

    rationales: aligned with the questions, or None for items alone.
    """
    said = list(rationales) if rationales is not None else [None] * len(questions)
    result = []
    pairs = zip(questions, said, strict=True)
    for key, group in groupby(pairs, key=lambda pair: pair[0].key):
        own = list(group)
        first = own[0][0]
        choices = [Choice(q.item) if r is None else Choice(q.item, r.text, r.score) for q, r in own]
        result.append(
            Preference(key, first.history, first.candidates, choices[0], tuple(choices[1:]))
        )
    return result


def rank_rejected(
    found: Iterable[Preference], ties: TiePolicy = "drop", seed: int = 0, scored: bool = True
) -> tuple[list[Preference], PreferenceCounts]:
    """Those with a rationale for each item, rejected ones by falling score.

    ties: whether those with equal scores of rejected items are dropped, or ordered by chance.
    scored: those without a score for each item are left out; else they are kept as they are.
    """
    kept, asked, incomplete, tied, judged, conflicts, weak = [], 0, 0, 0, 0, 0, 0
    for own in found:
        asked += 1
        scores = [choice.score for choice in own.choices if choice.score is not None]
        unscored = len(scores) < len(own.choices)
        if (scored and unscored) or any(choice.rationale is None for choice in own.choices):
            incomplete += 1
            continue
        if unscored:
            kept.append(own)
            continue
        chosen, *rejected = scores
        if len(set(rejected)) < len(rejected):
            tied += 1
            if ties == "drop":
                continue
        draws = seeds.generator("ties", seed, own.key).random(len(rejected))
        order = sorted(range(len(rejected)), key=lambda k: (-rejected[k], draws[k]))
        kept.append(replace(own, rejected=tuple(own.rejected[k] for k in order)))
        judged += 1
        conflicts += max(rejected) > chosen
        weak += chosen < 4
    n = max(1, judged)
    return kept, PreferenceCounts(asked, incomplete, tied, len(kept), conflicts / n, weak / n)


def check_rejected_counts(
    found: Iterable[Preference], method: str, fewest: int, most: int | None = None
) -> None:
    """Raise DataError when a preference has fewer or more rejected items than `method` can use."""
    for own in found:
        count = len(own.rejected)
        if count < fewest:
            raise DataError(
                f"preference {own.key!r} has {count} rejected items, and {method} needs {fewest}",
                "leave it out",
            )
        if most is not None and count > most:
            raise DataError(
                f"preference {own.key!r} has {count} rejected items, and {method} uses {most}",
                "pairing = 'one_random'",
            )
