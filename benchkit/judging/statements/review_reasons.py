"""Reasons that a user stated in a review, and which of them a rationale foresaw."""

import re
from typing import Final, NamedTuple

from benchkit.judging.statements.evidence import content_stems, is_known
from benchkit.judging.text_segmentation import split_sentences

RECALLED_SHARE = 1 / 3  # of a reason's words, from which it is recalled
_LINK = r"(?:but|and|though|although|because|since|except)\s+"
_CUT = re.compile(rf"[;,]\s+(?:{_LINK})?|\s+{_LINK}", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]{0,40}>")
# Praise, blame and talk of buying; what is left of a clause is what the user speaks of.
_EMPTY: Final = content_stems(
    "one two three four five "
    "absolutely actually again ago always amazing amazon anyone arrived ask awesome awful bad best"
    " better bit bought buy came can't complaint couldn't day definitely didn't disappointed don't"
    " ever every everyone excellent expected family fan far favorite fine first found get getting"
    " give glad go going good got great happy hate highly hope husband item just kind last like"
    " little lot love lovely make many maybe much need never new nice nothing okay old order people"
    " perfect pleased pretty product purchase put quite re-order really reason received recommend"
    " review said satisfied say see seem seller since something star still stuff super sure"
    " terrible thank thing think thought time tried try two use used using usually want way week"
    " well wife will wish won't wonderful work worse worst worth would wow year yes yet"
)


class StatedReason(NamedTuple):
    """A reason that a user stated, and whether a rationale recalls it."""

    text: str
    recalled: bool


def split_reasons(review: str) -> list[str]:
    """Return the clauses of a review that name something, be it liked or not.

    >>> split_reasons("Love it! Great smoky flavor, and it dissolves fast. Will buy again.")
    ['Great smoky flavor', 'it dissolves fast.']
    """
    sentences = split_sentences(_MARKUP.sub(" ", review))
    clauses = [clause.strip() for part in sentences for clause in _CUT.split(part)]
    return [clause for clause in clauses if _aspects(clause)]


def find_recalled(review: str | None, rationale: str) -> tuple[StatedReason, ...]:
    """Return the reasons of a review of the target, and which of them a rationale recalls.

    A reason is recalled if the rationale has at least a third of its words, or words of the same
    family. Other words for the same thing are not seen: the share recalled is a lower bound.

    >>> find_recalled("Great smoky flavor. Arrived broken.", "They like what is smoky.")
    (StatedReason(text='Great smoky flavor.', recalled=True), \
StatedReason(text='Arrived broken.', recalled=False))
    """
    stems = content_stems(rationale)
    reasons = []
    for clause in split_reasons(review or ""):
        aspects = _aspects(clause)
        known = sum(is_known(part, stems) for part in aspects)
        reasons.append(StatedReason(clause, known >= RECALLED_SHARE * len(aspects)))
    return tuple(reasons)


def _aspects(clause: str) -> frozenset[str]:
    return frozenset(part for part in content_stems(clause) - _EMPTY if not part.isdigit())
