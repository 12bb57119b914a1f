"""Reading verdicts by the forms that a rubric names; what does not follow them is no verdict.

The usual form is a tag: `<eval>RATING-n</eval>` with one criterion (C-APO, appendix F), with
several `name-n` for each. Nothing is rounded, clamped or guessed. A verdict that is repeated is
one; two that differ are none.
"""

import re
from collections import Counter
from collections.abc import Sequence

from benchkit.judging.reply_form import TAG, ReplyForm
from benchkit.judging.rubric import Criterion, Rubric
from benchkit.lm.types import FinishReason
from judges.grade_numbers import (
    FORM,
    MISSING,
    NONE,
    NOTHING,
    OPEN,
    RANGE,
    RATING_WORD,
    SEVERAL,
    TWICE,
    UNKNOWN,
    GradeError,
    VerdictReading,
    parse_grade,
)
from judges.reply_json import read_json_verdict
from judges.reply_labels import read_fraction, read_letter, read_rating

# All up to the last close is thinking: servers that open it in the prompt leave only the close.
_THINK = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THINK = re.compile(r"\A\s*<think(?:ing)?>", re.IGNORECASE)
_GRADE = re.compile(r"0|-?[1-9][0-9]{0,8}")
_GRADE_OR_HALF = re.compile(rf"(?:{_GRADE.pattern})(?:\.[05])?")
_ENTRY = re.compile(r"[A-Za-z][A-Za-z_-]*-[0-9]+")
_BY_FINISH = {
    "length": "the reply was cut off",
    "refused": "the judge refused",
    "error": "the server gave no usable reply",
}


def read_verdict(text: str, finish: FinishReason, rubric: Rubric) -> VerdictReading:
    """Read the grades in a reply.

    Text around the verdict is passed over, and all before the last `</think>` is thinking. Verdicts
    that differ, also a quoted one, leave open which is meant. A reply that was cut off counts for
    nothing, whatever it contains.

    >>> from benchkit.judging.rubric import load_rubric
    >>> read_verdict("Fits well. <eval>RATING-2 </eval>", "stop", load_rubric("rationale-0-3"))
    VerdictReading(grades={'rating': 2}, reason='')
    >>> read_verdict("<eval>RATING-4</eval>", "stop", load_rubric("rationale-0-3"))
    VerdictReading(grades=None, reason='grade out of range: rating 4 is outside 0..3')
    """
    if finish == "length" and not text.strip():
        return VerdictReading(None, NOTHING)
    if finish != "stop":
        return VerdictReading(None, _BY_FINISH[finish])
    text = _THINK.sub("", text, count=1)
    if _OPEN_THINK.match(text):
        return VerdictReading(None, f"{NONE}: its thinking never ends")
    readings = [_read_form(text, form, rubric) for form in rubric.reply]
    present = [reading for reading in readings if reading.reason != NONE]
    for reading in present:
        if reading.grades is None:
            return reading
    if any(reading != present[0] for reading in present):
        return VerdictReading(None, SEVERAL)
    return present[0] if present else VerdictReading(None, NONE)


def _read_form(text: str, form: ReplyForm, rubric: Rubric) -> VerdictReading:
    """Read a verdict in one form; the reason is `NONE` where the text has nothing of it."""
    if form.kind == "json":
        return read_json_verdict(text, rubric.criteria, form.name, rubric.half_grades)
    if form.kind == "rating":
        return read_rating(text, rubric.criteria, rubric.half_grades)
    if form.kind == "fraction":
        return read_fraction(text, rubric.main, rubric.half_grades)
    if form.kind == "letter":
        return read_letter(text, rubric.criteria, form.letters)
    return _read_tag(text, form, rubric)


def _read_tag(text: str, form: ReplyForm, rubric: Rubric) -> VerdictReading:
    opens = len(re.findall(rf"<\s*{form.tag}\s*>", text, re.IGNORECASE))
    closes = len(re.findall(rf"<\s*/\s*{form.tag}\s*>", text, re.IGNORECASE))
    whole = re.findall(rf"<{form.tag}>(.*?)</{form.tag}>", text, re.DOTALL | re.IGNORECASE)
    if max(opens, closes) > 1 and not opens == closes == len(whole):
        return VerdictReading(None, SEVERAL)
    if not whole:
        return VerdictReading(None, OPEN if opens or closes else NONE)
    readings = [_parse_content(content, form, rubric) for content in whole]
    if any(reading != readings[0] for reading in readings):
        return VerdictReading(None, SEVERAL)
    return readings[0]


def _parse_content(content: str, form: ReplyForm, rubric: Rubric) -> VerdictReading:
    """Return the grades between two tags; within `<score>` a number alone is one, too."""
    if form != TAG and len(rubric.criteria) == 1 and "-" not in content.strip()[1:]:
        try:
            grade = parse_grade(content.strip().strip("*"), rubric.main, rubric.half_grades)
        except GradeError as error:
            return VerdictReading(None, str(error))
        return VerdictReading({rubric.main.name: grade})
    return _parse_grades(content, rubric.criteria, rubric.half_grades)


def _parse_grades(content: str, criteria: Sequence[Criterion], half_grades: bool) -> VerdictReading:
    single = len(criteria) == 1
    names = {RATING_WORD: criteria[0].name} if single else {c.name: c.name for c in criteria}
    entries: list[tuple[str, float]] = []
    for entry in content.split() if single else re.findall(r"[^\s,]+", content):
        pairs = [(name, _number(entry, word, half_grades)) for word, name in names.items()]
        matching = [(name, number) for name, number in pairs if number is not None]
        if len(matching) != 1:
            known = any(entry.lower().startswith(f"{word}-".lower()) for word in names)
            wrong = UNKNOWN if _ENTRY.fullmatch(entry) and not known else FORM
            return VerdictReading(None, f"{wrong}: {entry[:40]!r}")
        entries += matching
    times = Counter(name for name, _ in entries)
    grades = dict(entries)
    for c in criteria:
        if times[c.name] != 1:
            return VerdictReading(None, f"{TWICE if times[c.name] else MISSING}: {c.name}")
        if not c.low <= grades[c.name] <= c.high:
            outside = f"{c.name} {grades[c.name]} is outside {c.low}..{c.high}"
            return VerdictReading(None, f"{RANGE}: {outside}")
    return VerdictReading({c.name: grades[c.name] for c in criteria})


def _number(entry: str, word: str, half_grades: bool) -> float | None:
    """Return n, where an entry of a verdict is `word-n`."""
    start, number = entry[: len(word) + 1], entry[len(word) + 1 :]
    pattern = _GRADE_OR_HALF if half_grades else _GRADE
    if start.lower() != f"{word}-".lower() or not pattern.fullmatch(number):
        return None
    return float(number) if number.endswith(".5") else int(float(number))
