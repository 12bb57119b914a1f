"""What verdicts must be, and which judge should not judge which method."""

import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

from benchkit.errors import MethodError
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import JudgeInput, Verdict

# Settings of a method or a teacher that name language models.
_NAMES = ("backbone", "model", "models")
_DATED = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")  # "gpt-4o-2024-08-06"
_HINT = "correct the judge: one verdict an input, in order (benchkit.judging.verdicts)"
_GRADES_HINT = "correct the judge: grades of the rubric's scale ({}), or unscored with the reason"


def validate_verdicts(
    verdicts: Iterator[Verdict], inputs: Sequence[JudgeInput], rubric: Rubric, noun: str = "case"
) -> Iterator[Verdict]:
    """Yield `verdicts` as they come. Raises MethodError at the first that is not of its input.

    noun: what the error calls an input.
    """
    verdicts = iter(verdicts)
    for judge_input in inputs:
        verdict = next(verdicts, None)
        if problem := _find_problem(verdict, judge_input.key):
            raise MethodError(f"{noun} {judge_input.key!r}: {problem}", _HINT)
        assert verdict is not None  # noqa: S101
        if verdict.status != "unscored" and (
            problem := describe_wrong_grades(verdict.grades, rubric)
        ):
            scales = ", ".join(f"{c.name} {c.low}..{c.high}" for c in rubric.criteria)
            cause = f"{noun} {judge_input.key!r}: {problem}"
            raise MethodError(cause, _GRADES_HINT.format(scales))
        yield verdict
    if next(verdicts, None) is not None:
        raise MethodError("the judge gave more verdicts than it had inputs", _HINT)


def _find_problem(verdict: Verdict | None, key: str) -> str:
    if verdict is None:
        return "there is no verdict"
    if verdict.key != key:
        return f"the verdict is for {verdict.key!r}"
    if verdict.status == "unscored":
        if verdict.grades:
            return "it is unscored, and has grades"
        return "" if verdict.reason else "it is unscored without a reason"
    return ""


def describe_wrong_grades(grades: Mapping[str, float], rubric: Rubric) -> str:
    """Return why grades by criterion are not those of a rubric; '' if they are.

    >>> from benchkit.judging.rubric import load_rubric
    >>> describe_wrong_grades({"rating": 4}, load_rubric("rationale-0-3"))
    'rating 4 is outside 0..3'
    """
    if set(grades) != {criterion.name for criterion in rubric.criteria}:
        return f"it grades {', '.join(grades) or 'nothing'}"
    for criterion in rubric.criteria:
        grade = grades[criterion.name]
        if not isinstance(grade, Real):  # what a judge in Python gave is not checked before
            return f"{criterion.name} {grade!r} is no number"
        if not criterion.low <= grade <= criterion.high:
            return f"{criterion.name} {grade} is outside {criterion.low}..{criterion.high}"
    return ""


def same_model_warning(models: Sequence[str], config: Mapping[str, Any]) -> str | None:
    """Return a warning where a judge's language model is also in a method's settings, else None.

    A model prefers its own texts (Panickssery et al. 2024), whether it wrote the rationales or
    those that the method was trained on, also by a file of a teacher. Names are compared without
    organisation, date and case.

    >>> same_model_warning(["google/gemma-3-4b-it"], {"lm": {"backbone": "Gemma-3-4B-it"}})
    'judge and method use the same language model: gemma-3-4b-it'
    """
    used = {_base_name(name) for name in _find_models(config)}
    shared = sorted({_base_name(name) for name in models} & used)
    return f"judge and method use the same language model: {', '.join(shared)}" if shared else None


def _find_models(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name in _NAMES:
                names = part if isinstance(part, list | tuple) else (part,)
                yield from (model for model in names if isinstance(model, str))
            yield from _find_models(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _find_models(part)


def _base_name(model: str) -> str:
    return _DATED.sub("", model.rstrip("/").rpartition("/")[2].casefold())
