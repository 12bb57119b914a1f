"""Verdicts in words: `Rating: 4`, `4/5`, `Grade: B`, with markdown and reasons around them.

A verdict stands at the start of a line or sentence, after nothing but words such as "my final".
What is said of grades elsewhere is reasoning while it comes before the verdict; if it comes after
and differs, it takes the verdict back. A verdict that goes on with another grade or with words ("4
or 5", "3 of the items") cannot be read, and then nothing of the reply is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from benchkit.judging.rubric import Criterion
from judges.grade_numbers import (
    FORM,
    MISSING,
    NONE,
    NUMBER,
    OUT_OF,
    SEVERAL,
    GradeError,
    VerdictReading,
    parse_grade,
    strip_markup,
)
from judges.reply_revisions import ANOTHER_LETTER, ANOTHER_NUMBER, BRACKETS, find_revisions

_RATING_LABELS = ("rating", "score", "grade", "verdict")  # of a rubric's only criterion
_LETTER_LABELS = (*_RATING_LABELS, "answer", "choice")
_LEADING_WORDS = frozenset(
    ["a", "an", "answer", "assign", "conclusion", "explanation", "final", "give", "grade", "hence",
     "i", "i'd", "i'll", "is", "it", "my", "of", "overall", "rate", "rating", "rationale", "result",
     "score", "so", "the", "therefore", "this", "thus", "total", "verdict", "will", "would"]
)  # fmt: skip
_SEPARATOR = (
    r"(?P<separator>[ \t]*[:=|][ \t]*\n?[ \t]*|[ \t]+(?:is|of)[ \t]+|[ \t]*\n\s*|[ \t]*[-–—][ \t]*"
    r"|[ \t]+)"
)
_CLOSERS = re.compile(r"(?:[ \t]+(?:stars?|points?)\b)?[\])\"'”’]*")
_END = re.compile(
    r"[ \t]*(?:$|[;!|—–(\[]|[,.:](?!\S)|-[ \t])|[ \t]+(?:because|since|as|overall)\b", re.MULTILINE
)
_TO = r"[ \t]*(?:-|–|—|to|\.\.+|…)[ \t]*"
_OF_OTHERS = re.compile(
    r"(?:\b\w+['’]s?|\b(?:user|customer|their|his|her|its|average|star|item|mean))[ \t]*$",
    re.IGNORECASE,
)
# "1 - poor" below a label is the first line of a list.
_LIST_REST = re.compile(r"[ \t]*(?:(?:[-–—][ \t]|:)[ \t]*\S|\([^()\n]*\)[ \t]*\n[ \t]*[0-9]\b)")
_NUMBER_VALUE = rf"(?P<grade>{NUMBER}(?:{OUT_OF})?)"
_LETTER_VALUE = r"(?P<grade>[A-Z])(?![\w+'’]|-(?!\s))"
_LONGEST_LEAD = 300  # characters


class _Mention(NamedTuple):
    """A place where a reply says a grade."""

    start: int
    grade: float | None
    reason: str
    """Why the grade cannot be read."""
    is_verdict: bool
    """Whether it stands where a verdict does."""
    is_plain_revision: bool = False
    """Whether it takes the verdict before it back even when the grade cannot be read."""


_Parse = Callable[[str, Criterion], float]


def read_rating(text: str, criteria: Sequence[Criterion], half_grades: bool) -> VerdictReading:
    """Read `Rating: n`, and of several criteria `Name: n` for each.

    >>> scale = Criterion(name="wit", low=1, high=5, description="how witty")
    >>> read_rating("Funny. **Rating:** 4/5", [scale], False)
    VerdictReading(grades={'wit': 4}, reason='')
    >>> read_rating("Rating: 4 or 5", [scale], False).reason
    "verdict not in the form asked for: '4 or 5'"
    """
    text = strip_markup(text)

    def parse(grade: str, criterion: Criterion) -> float:
        return parse_grade(grade, criterion, half_grades)

    mentions = {}
    for criterion in criteria:
        mentions[criterion.name] = [
            *_find_labelled(
                text, criterion, _labels(criterion, criteria, _RATING_LABELS), _NUMBER_VALUE, parse,
                ANOTHER_NUMBER, (str(criterion.low), str(criterion.high)),
            ),
            *_find_revisions(text, criterion, _NUMBER_VALUE, parse, len(criteria) == 1),
        ]  # fmt: skip
    return _combine(mentions)


def read_letter(
    text: str, criteria: Sequence[Criterion], letters: Callable[[int], str]
) -> VerdictReading:
    """Read `Grade: B`, or of one criterion a letter alone on its line.

    letters: from a number of grades to their letters, from the lowest to the highest.

    >>> scale = Criterion(name="wit", low=1, high=3, description="how witty")
    >>> read_letter("A joke is in it.\\n(B)", [scale], lambda count: "CBA")
    VerdictReading(grades={'wit': 2}, reason='')
    """
    text = strip_markup(text)
    mentions: dict[str, list[_Mention]] = {}
    for criterion in criteria:
        scale = letters(len(criterion.grades))

        def parse(grade: str, criterion: Criterion, scale: str = scale) -> float:
            if grade.upper() not in scale:
                raise GradeError(f"{FORM}: {grade!r} is none of {scale}")
            return criterion.low + scale.index(grade.upper())

        mentions[criterion.name] = [
            *_find_labelled(
                text, criterion, _labels(criterion, criteria, _LETTER_LABELS), _LETTER_VALUE,
                parse, ANOTHER_LETTER, (scale[0], scale[-1]),
            ),
            *_find_revisions(
                text, criterion, f"(?-i:{_LETTER_VALUE})", parse, len(criteria) == 1
            ),
        ]  # fmt: skip
        alone = rf"^[ \t]*{BRACKETS}([A-Z])[\])\"'”’]*\.?[ \t]*$"
        if len(criteria) == 1:
            for match in re.finditer(alone, text, re.MULTILINE | re.IGNORECASE):
                if match[1].upper() in scale:
                    grade = parse(match[1], criterion)
                    mentions[criterion.name].append(_Mention(match.start(1), grade, "", True))
    return _combine(mentions)


def read_fraction(text: str, criterion: Criterion, half_grades: bool) -> VerdictReading:
    """Read `n/5`, where 5 is the highest grade; counts ("3/5 items") are passed over.

    >>> scale = Criterion(name="wit", low=1, high=5, description="how witty")
    >>> read_fraction("It names 3/5 items.\\n4/5", scale, False)
    VerdictReading(grades={'wit': 4}, reason='')
    """
    text = strip_markup(text)

    def parse(grade: str, criterion: Criterion) -> float:
        return parse_grade(grade, criterion, half_grades)

    labels = "|".join(_labels(criterion, [criterion], _RATING_LABELS))
    label = re.compile(rf"\b(?:{labels})[ \t]*[:=]?[ \t]*{BRACKETS}$", re.IGNORECASE)
    pattern = (
        rf"(?<![\w./,-]){NUMBER}(?:[ \t]*/[ \t]*|[ \t]+out of[ \t]+){criterion.high}"
        r"(?![\w/%]|[.,][0-9])"
    )
    mentions = []
    for match in re.finditer(pattern, text, re.IGNORECASE):
        rest = _find_rest(text, match.start(), match.end(), ANOTHER_NUMBER)
        if rest and not ANOTHER_NUMBER.match(text, match.end()):
            continue
        lead = label.sub("", text[max(match.start() - _LONGEST_LEAD, 0) : match.start()])
        mentions.append(
            _parse_mention(match.start(), match[0], criterion, rest, _is_verdict_lead(lead), parse)
        )
    mentions += _find_revisions(text, criterion, _NUMBER_VALUE, parse, True)
    return _combine({criterion.name: mentions})


def _labels(
    criterion: Criterion, criteria: Sequence[Criterion], words: Sequence[str]
) -> tuple[str, ...]:
    """Return what may stand before a grade, as regular expressions.

    Of several criteria these are all names, the longest first: "Overall quality" is no mention of a
    criterion `quality` where another is named so. The group `several` is the criterion's own.
    """
    if len(criteria) == 1:
        return (_spell_name(criterion), *words)
    longest_first = sorted(criteria, key=lambda one: -len(one.name))
    return tuple(
        f"(?P<several>{_spell_name(one)})" if one == criterion else _spell_name(one)
        for one in longest_first
    )


def _spell_name(criterion: Criterion) -> str:
    return re.escape(criterion.name).replace(r"\-", "[-_ ]")


def _find_labelled(
    text: str,
    criterion: Criterion,
    labels: Sequence[str],
    value: str,
    parse: _Parse,
    another: re.Pattern[str],
    limits: tuple[str, str],
) -> Iterator[_Mention]:
    """Yield the mentions of a grade after a label, but not those of the scale or of other ratings.

    Args:
        text: The reply, without markup.
        criterion: What is graded.
        labels: What may stand before the grade.
        value: Regular expression of a grade, as the group `grade`.
        parse: From that to the grade.
        another: Finds a second grade behind the first.
        limits: Both ends of the scale, as a reply would quote them.
    """
    remark = r"(?:[ \t]*\([^()\n]{0,60}\))?"
    pattern = rf"(?<![\w-])(?P<label>{'|'.join(labels)}){remark}{_SEPARATOR}{BRACKETS}{value}"
    low, high = map(re.escape, limits)
    scale = re.compile(rf"(?:{low}{_TO}{high}|{high}{_TO}{low})(?![\w])", re.IGNORECASE)
    for match in _find_overlapping(re.compile(pattern, re.IGNORECASE), text):
        lead = text[max(match.start() - _LONGEST_LEAD, 0) : match.start()]
        start = match.start("grade")
        is_one_of_several = "several" in match.re.groupindex
        if is_one_of_several and match["several"] is None:
            continue
        if scale.match(text, start) or _OF_OTHERS.search(lead):
            continue
        separator = match["separator"].strip(" \t")
        rest = _find_rest(text, start, match.end(), another)
        if separator in ("-", "–", "—") and criterion.low < 0:
            rest = match[0]  # a dash or a minus
        is_list = (
            "\n" in match["separator"]
            and not re.search(r"[\s/]", match["grade"])
            and _LIST_REST.match(text, match.end())
        )
        is_verdict = (
            not is_list
            and separator.lower() not in ("", "of")
            and _is_verdict_lead(lead, is_one_of_several)
        )
        yield _parse_mention(start, match["grade"], criterion, rest, is_verdict, parse)


def _find_overlapping(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Yield the matches that begin behind each other's label, so that none hides another."""
    match = pattern.search(text)
    while match:
        yield match
        match = pattern.search(text, match.end("label"))


def _find_revisions(
    text: str, criterion: Criterion, value: str, parse: _Parse, is_only_criterion: bool
) -> Iterator[_Mention]:
    """Yield the grades of what takes a verdict back, such as "Actually, make it a 3."."""
    for start, grade, is_plain in find_revisions(text, value, is_only_criterion):
        mention = _parse_mention(start, grade, criterion, "", False, parse)
        yield mention._replace(is_plain_revision=is_plain)


def _is_verdict_lead(lead: str, is_one_of_several: bool = False) -> bool:
    """Return whether a verdict can follow: a new line or sentence, with certain words at most."""
    ends = r"[.!?;]\s|[|\n]" + r"|[,:(]" * is_one_of_several
    clause = re.split(ends, lead[-_LONGEST_LEAD:])[-1]
    if re.search(r"[>\"“‘«]", clause):  # a quotation
        return False
    words = re.findall(r"[\w'’]+", clause.replace("’", "'").casefold())
    return all(word in _LEADING_WORDS for word in words)


def _find_rest(text: str, start: int, end: int, another: re.Pattern[str]) -> str:
    """Return a grade with what follows it, where that leaves open what it says; else ''."""
    closed = _CLOSERS.match(text, end)
    assert closed is not None  # noqa: S101
    second = another.match(text, closed.end())
    if second and not re.match(rf"[ \t]*\(?-?[0-9]+{_TO}-?[0-9]+\)", text[closed.end() :]):
        return text[start : second.end()]
    return "" if _END.match(text, closed.end()) else text[start : closed.end() + 12].rstrip()


def _parse_mention(
    start: int, value: str, criterion: Criterion, rest: str, is_verdict: bool, parse: _Parse
) -> _Mention:
    if rest:
        return _Mention(start, None, f"{FORM}: {rest[:40]!r}", is_verdict)
    try:
        return _Mention(start, parse(value, criterion), "", is_verdict)
    except GradeError as error:
        return _Mention(start, None, str(error), is_verdict)


def _combine(mentions: Mapping[str, Sequence[_Mention]]) -> VerdictReading:
    """Return the one verdict in the mentions of each criterion, or why there is none."""
    grades: dict[str, float] = {}
    missing = []
    for name, places in mentions.items():
        verdicts = [place for place in places if place.is_verdict]
        if not verdicts:
            missing.append(name)
            continue
        last = max(verdicts, key=lambda place: place.start)
        behind = [place for place in places if place.start > last.start]
        later = [p for p in behind if p.grade is not None or p.is_plain_revision]
        values = []
        for place in (*verdicts, *later):
            if place.grade is None:
                return VerdictReading(None, place.reason)
            values.append(place.grade)
        if len(set(values)) > 1:
            return VerdictReading(None, SEVERAL)
        grades[name] = values[0]
    if not grades:
        return VerdictReading(None, NONE)
    return VerdictReading(None, f"{MISSING}: {missing[0]}") if missing else VerdictReading(grades)
