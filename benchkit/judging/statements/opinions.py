"""What a clause says of ratings and reviews, against those that the user gave."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from benchkit.judging.statements.evidence import ItemEvidence
from benchkit.judging.text_segmentation import split_words

_WORD_CLAIM = (
    r"(?:rat(?:ed|es|ing|ings)\b(?:\W+(?!and\b|but\b|while\b)\w+){{0,5}}?\W+{word}\b"
    r"|\b{word}\W+(?:\w+\W+)?(?:ratings?|scores?)\b)"
)
_ALL = re.compile(r"\b(?:all|every|each|both)\b", re.IGNORECASE)
_ALL_PAST = re.compile(
    r"\b(?:all|every|each)(?: of)?(?: (?:their|the|his|her))?(?: (?:previous|past|prior|earlier))?"
    r" (?:purchases?|items?|products?|orders?)\b",
    re.IGNORECASE,
)
_ONE_OF_TWO = re.compile(r"\b(?:former|latter|first|second|respectively)\b", re.IGNORECASE)
_OPINION = r"(?:reviews?|feedback|ratings?|experiences?|comments?|opinions?)"
_POSITIVE = re.compile(
    rf"\b(?:positive|favou?rable|glowing)\W+(?:\w+\W+){{0,2}}?{_OPINION}\b"
    rf"|\b(?:rated|reviewed)\W+(?:\w+\W+){{0,4}}?(?:positively|favou?rably|highly)\b"
    rf"|\b(?:liked|loved|adored|enjoyed)\b",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(
    rf"\b(?:negative|unfavou?rable|less favou?rable|poor|disappointing|bad)\W+(?:\w+\W+){{0,2}}?"
    rf"{_OPINION}\b|\b{_OPINION}\b(?:\W+\w+){{0,6}}?\W+(?:was|were) negative\b"
    rf"|\b(?:rated|reviewed)\W+(?:\w+\W+){{0,4}}?(?:negatively|poorly|badly)\b"
    rf"|\b(?:dissatisf\w+|disappoint\w+|unsatisf\w+|disliked|hated)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|never|no|without|avoid\w*|rather than)\b", re.IGNORECASE)


class OpinionClaim(NamedTuple):
    """What is said of opinions: that they are as a rating's word, good, or bad."""

    words: tuple[str, ...]
    """Words of ratings, lower case: ('excellent',)."""
    is_positive: bool
    is_negative: bool
    of_all: bool
    """Whether it is said of each of several items."""
    of_all_past: bool = False
    """Whether it is said of the whole history: "all their purchases"."""

    def __bool__(self) -> bool:
        return bool(self.words or self.is_positive or self.is_negative)


def read_opinions(clause: str, words: Sequence[str]) -> OpinionClaim:
    """Return what a clause says of ratings and reviews.

    words: those of the scale, as prompts have them (`RatingScale.words`).

    >>> claim = read_opinions("both received excellent ratings", ("Bad", "Excellent"))
    >>> claim.words, claim.of_all
    (('excellent',), True)
    """
    named = tuple(
        word.casefold()
        for word in words
        if re.search(_WORD_CLAIM.format(word=re.escape(word)), clause, re.IGNORECASE)
    )
    if _ONE_OF_TWO.search(clause):  # which is not known to a rule
        return OpinionClaim((), False, False, False)
    positive, negative = bool(_POSITIVE.search(clause)), bool(_NEGATIVE.search(clause))
    if _NEGATED.search(clause):  # "not disappointed" is neither, to a rule
        positive = negative = False
    return OpinionClaim(
        named, positive, negative, bool(_ALL.search(clause)), bool(_ALL_PAST.search(clause))
    )


def refute(claim: OpinionClaim, items: Sequence[ItemEvidence], named: bool) -> str:
    """Return why ratings refute a claim, '' where they do not.

    Args:
        claim: What is said.
        items: Those that it is said of, as far as they are rated.
        named: Whether the clause, or the one before, names them; else it may be of some of them,
            and only what is true of none is refuted.
    """
    named = named or claim.of_all_past
    rated = [item for item in items if item.stars is not None]
    if not rated:
        return ""
    if claim.words:
        others = [item.word for item in rated if item.word not in claim.words]
        if len(others) == len(rated) or (others and named):
            return f"says rated {' or '.join(claim.words)}, and the rating is {others[0]}"
    for says, opposite in ((claim.is_positive, False), (claim.is_negative, True)):
        against = [item for item in rated if item.liked is opposite]
        if not says or (claim.is_positive and claim.is_negative):
            continue
        if len(against) == len(rated) or (against and named and claim.of_all):
            kind = "negative" if opposite else "positive"
            return f"says {kind}, and the rating is {against[0].word}"
    return ""


def quoted_words(text: str) -> list[list[str]]:
    """Return the words of each quoted passage of two words or more.

    >>> quoted_words('The review says "so, so good" and “fine”')
    [['so', 'so', 'good']]
    """
    passages = re.findall(r"[\"“]([^\"“”]{3,300})[\"”]", text)
    return [words for words in map(split_words, passages) if len(words) > 1]
