"""What forms of a verdict share: how a grade is written, without markup, and why it is none."""

import re
from typing import NamedTuple

from benchkit.judging.rubric import Criterion

RATING_WORD = "RATING"  # name of the only criterion of a rubric in a verdict

# Why there is no verdict; details may follow after a colon.
NONE, SEVERAL, OPEN = "no verdict", "several verdicts", "verdict not closed"
RANGE, MISSING, TWICE = "grade out of range", "criterion missing", "criterion twice"
UNKNOWN = "unknown criterion"
NOTHING = "the reply was cut off before any text"
FORM = "verdict not in the form asked for"

# A number, and what it may be out of; what is no grade is taken whole, so that no part of it is.
NUMBER = r"-?[0-9]+(?:[.,][0-9]+)*½?"
OUT_OF = rf"(?:[ \t]*/[ \t]*|[ \t]+(?:out[ \t]+)?of[ \t]+){NUMBER}"
_GRADE = re.compile(r"(?:0|-?[1-9][0-9]{0,8})(?:\.(?P<rest>0{1,2}|50?)|(?P<half>½))?")
_OF = re.compile(r"[ \t]*(?:/|out[ \t]+of|of)[ \t]*", re.IGNORECASE)
_TAGS = re.compile(r"</?(?:b|strong|em|i|p|br|h[1-6])[ \t]*/?>", re.IGNORECASE)
# Stars and underscores within a word or between two numbers stay.
_MARKUP = re.compile(
    r"```[\w-]*|`|^[ \t]*[0-9]{1,2}[.)][ \t]+(?=[^\W\d])|^[ \t]*#+[ \t]*"
    r"|(?<![0-9*])\*+|\*+(?![0-9*])|(?<![^\W_])_+|_+(?![^\W_])",
    re.MULTILINE,
)


class VerdictReading(NamedTuple):
    """What a reply says."""

    grades: dict[str, float] | None
    """Criterion -> grade; None with a `reason` in words."""
    reason: str = ""


class GradeError(Exception):
    """A text stands where a grade should, and is none. `str` says why, in words."""


def parse_grade(text: str, criterion: Criterion, half_grades: bool) -> float:
    """Return the grade that a text is: "4", "4.0", "4/5", "4 out of 5"; "3.5" and "3½" if halves.

    Raises GradeError for anything else; nothing is rounded, clamped or guessed.

    >>> scale = Criterion(name="wit", low=1, high=5, description="how witty")
    >>> parse_grade("4 out of 5", scale, False)
    4
    """
    number, *limits = _OF.split(text.strip())
    matched = _GRADE.fullmatch(number)
    if matched is None or len(limits) > 1 or number == "-0":
        raise GradeError(f"{FORM}: {text.strip()[:40]!r}")
    if limits and limits[0] not in (str(criterion.high), f"{criterion.high}.0"):
        raise GradeError(f"{FORM}: {text.strip()[:40]!r} is of another scale")
    is_half = matched["half"] is not None or (matched["rest"] or "").startswith("5")
    # "1/2" of a scale to 2 is one of its grades, or a half.
    if (is_half and not half_grades) or (half_grades and limits == ["2"] and number == "1"):
        raise GradeError(f"{FORM}: {text.strip()[:40]!r}")
    grade = float(number.replace("½", ".5"))
    if not criterion.low <= grade <= criterion.high:
        outside = f"{criterion.name} {number} is outside {criterion.low}..{criterion.high}"
        raise GradeError(f"{RANGE}: {outside}")
    return grade if is_half else int(grade)


def strip_markup(text: str) -> str:
    """Return a reply without markdown and HTML, with plain colons, spaces and ends of lines.

    >>> strip_markup("**Rating:** `4`")
    'Rating: 4'
    """
    text = text.replace("：", ":").replace("\u00a0", " ").replace("\r\n", "\n")
    return _MARKUP.sub("", _TAGS.sub("", text))
