"""Reading verdicts: a strict grammar; what does not follow it is no verdict.

A reply holds one `<eval>...</eval>`. With one criterion it contains `RATING-n` (the form of C-APO,
appendix F), with several `name-n` for each, once. Nothing is rounded, clamped or guessed.
"""

import re
from collections import Counter
from typing import NamedTuple

from benchkit.judging.rubric import Criterion, Rubric
from benchkit.lm.types import FinishReason

RATING_WORD = "RATING"  # name of the only criterion of a rubric in a verdict

# All up to the last close is thinking: servers that open it in the prompt leave only the close.
_THINK = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THINK = re.compile(r"\A\s*<think(?:ing)?>", re.IGNORECASE)
_OPEN = re.compile(r"<\s*eval\s*>", re.IGNORECASE)
_CLOSE = re.compile(r"<\s*/\s*eval\s*>", re.IGNORECASE)
_WHOLE = re.compile(r"<eval>(.*?)</eval>", re.DOTALL | re.IGNORECASE)
_GRADE = re.compile(r"0|-?[1-9][0-9]{0,8}")
_ENTRY = re.compile(r"[A-Za-z][A-Za-z_-]*-[0-9]+")

# Why there is no verdict; details may follow after a colon.
NONE, SEVERAL, OPEN = "no verdict", "several verdicts", "verdict not closed"
RANGE, MISSING, TWICE = "grade out of range", "criterion missing", "criterion twice"
UNKNOWN = "unknown criterion"
NOTHING = "the reply was cut off before any text"
FORM = "verdict not in the form asked for"
_BY_FINISH = {
    "length": "the reply was cut off",
    "refused": "the judge refused",
    "error": "the server gave no usable reply",
}


class VerdictReading(NamedTuple):
    """What a reply says."""

    grades: dict[str, int] | None
    """Criterion -> grade; None with a `reason` in words."""
    reason: str = ""


def verdict_form(rubric: Rubric) -> str:
    """Return the verdict as it is to be written."""
    names = [RATING_WORD] if len(rubric.criteria) == 1 else [c.name for c in rubric.criteria]
    return f"<eval>{' '.join(f'{name}-n' for name in names)}</eval>"


def read_verdict(text: str, finish: FinishReason, rubric: Rubric) -> VerdictReading:
    """Read the grades in a reply.

    Text around the verdict is passed over, and all before the last `</think>` is thinking. A second
    `<eval>`, also a quoted one, leaves open which is meant. A reply that was cut off counts for
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
    opens, closes = len(_OPEN.findall(text)), len(_CLOSE.findall(text))
    if opens > 1 or closes > 1:
        return VerdictReading(None, SEVERAL)
    whole = _WHOLE.search(text)
    if whole is None:
        return VerdictReading(None, OPEN if opens or closes else NONE)
    return _parse_grades(whole[1], rubric.criteria)


def _parse_grades(content: str, criteria: tuple[Criterion, ...]) -> VerdictReading:
    single = len(criteria) == 1
    names = {RATING_WORD: criteria[0].name} if single else {c.name: c.name for c in criteria}
    entries: list[tuple[str, int]] = []
    for entry in content.split() if single else re.findall(r"[^\s,]+", content):
        pairs = [(name, _number(entry, word)) for word, name in names.items()]
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
        if grades[c.name] not in c.grades:
            outside = f"{c.name} {grades[c.name]} is outside {c.low}..{c.high}"
            return VerdictReading(None, f"{RANGE}: {outside}")
    return VerdictReading({c.name: grades[c.name] for c in criteria})


def _number(entry: str, word: str) -> int | None:
    """Return n, where an entry of a verdict is `word-n`."""
    start, number = entry[: len(word) + 1], entry[len(word) + 1 :]
    fits = start.lower() == f"{word}-".lower() and _GRADE.fullmatch(number)
    return int(number) if fits else None
