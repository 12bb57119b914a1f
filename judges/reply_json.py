"""Verdicts that are a JSON object, alone or anywhere in a text."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.judging.rubric import Criterion
from judges.grade_numbers import (
    FORM,
    MISSING,
    NONE,
    SEVERAL,
    TWICE,
    GradeError,
    VerdictReading,
    parse_grade,
)

# Pairs, so that a field given twice is seen; NaN as a word, as the number differs from itself.
_DECODER = json.JSONDecoder(object_pairs_hook=list, parse_constant=str.lower)


def read_json_verdict(
    text: str, criteria: Sequence[Criterion], field: str, half_grades: bool
) -> VerdictReading:
    """Read the grades in the JSON objects of a text; equal objects are one verdict.

    Args:
        text: The reply, without its thinking.
        criteria: The rubric's.
        field: The field that holds the grade; of several criteria, an object of their grades. If
            empty, each criterion has a field of its name.
        half_grades: Whether there are grades between the whole ones.
    """
    verdicts: list[dict[str, float]] = []
    outside = []
    position = 0
    names = [field] if field else [criterion.name for criterion in criteria]
    for start, end, pairs in _find_objects(text):
        outside.append(text[position:start])
        position = end
        fields = _spell_alike(pairs)
        if not any(_key(name) in fields for name in names):
            continue
        try:
            verdicts.append(_parse_object(fields, criteria, field, half_grades))
        except GradeError as error:
            return VerdictReading(None, str(error))
    outside.append(text[position:])
    if unreadable := _find_fragment("\n".join(outside), names):
        return VerdictReading(None, f"{FORM}: {unreadable!r}")
    if not verdicts:
        return VerdictReading(None, NONE)
    if any(verdict != verdicts[0] for verdict in verdicts):
        return VerdictReading(None, SEVERAL)
    return VerdictReading(verdicts[0])


def _find_objects(text: str) -> Iterator[tuple[int, int, list[tuple[str, Any]]]]:
    """Yield start, end and fields of the outermost objects of a text."""
    start = text.find("{")
    while start >= 0:
        try:
            pairs, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield start, end, pairs
        start = text.find("{", end)


def _spell_alike(pairs: Any) -> dict[str, list[Any]]:
    """Return the values of each field, under its name without regard to case."""
    fields: dict[str, list[Any]] = {}
    for name, value in pairs if _is_object(pairs) else ():
        fields.setdefault(_key(name), []).append(value)
    return fields


def _is_object(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(pair, tuple) for pair in value)


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def _parse_object(
    fields: Mapping[str, list[Any]], criteria: Sequence[Criterion], field: str, half_grades: bool
) -> dict[str, float]:
    if field and len(criteria) > 1:
        fields = _spell_alike(_only_value(fields, field))
    names = [field] if field and len(criteria) == 1 else [c.name for c in criteria]
    return {
        criterion.name: _parse_value(_only_value(fields, name), criterion, half_grades)
        for name, criterion in zip(names, criteria, strict=True)
    }


def _only_value(fields: Mapping[str, list[Any]], name: str) -> Any:
    values = fields.get(_key(name), [])
    if not values:
        raise GradeError(f"{MISSING}: {name}")
    if any(value != values[0] for value in values):
        raise GradeError(f"{TWICE}: {name}")
    return values[0]


def _parse_value(value: Any, criterion: Criterion, half_grades: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise GradeError(f"{FORM}: {str(value)[:40]!r}")
    return parse_grade(value if isinstance(value, str) else repr(value), criterion, half_grades)


def _find_fragment(text: str, names: Sequence[str]) -> str | None:
    """Return what looks like a verdict in broken JSON: which is meant would be a guess."""
    words = "|".join(re.escape(name).replace(r"\-", "[-_ ]") for name in names)
    fragment = re.search(rf"[\"'](?:{words})[\"']\s*:\s*[\"'{{]?\s*-?[0-9]", text, re.IGNORECASE)
    return fragment and fragment[0][:40]
