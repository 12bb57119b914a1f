"""What verdicts must be, and which judge should not judge which method."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchkit.errors import MethodError
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import JudgeInput, Verdict

# Settings of a method or a teacher that name language models.
_NAMES = ("backbone", "model", "models")
_DATED = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")  # "gpt-4o-2024-08-06"
_HINT = "correct the judge: one verdict an input, in order (benchkit.judging.verdicts)"


def validate_verdicts(
    verdicts: Iterator[Verdict], inputs: Sequence[JudgeInput], rubric: Rubric
) -> Iterator[Verdict]:
    """Yield `verdicts` as they come. Raises MethodError at the first that is not of its input."""
    verdicts = iter(verdicts)
    for judge_input in inputs:
        verdict = next(verdicts, None)
        if problem := _find_problem(verdict, judge_input.key, rubric):
            raise MethodError(f"case {judge_input.key!r}: {problem}", _HINT)
        assert verdict is not None  # noqa: S101
        yield verdict
    if next(verdicts, None) is not None:
        raise MethodError("the judge gave more verdicts than it had inputs", _HINT)


def _find_problem(verdict: Verdict | None, key: str, rubric: Rubric) -> str:
    if verdict is None:
        return "there is no verdict"
    if verdict.key != key:
        return f"the verdict is for {verdict.key!r}"
    if verdict.status == "unscored":
        if verdict.grades:
            return "it is unscored, and has grades"
        return "" if verdict.reason else "it is unscored without a reason"
    if set(verdict.grades) != {criterion.name for criterion in rubric.criteria}:
        return f"it grades {', '.join(verdict.grades) or 'nothing'}"
    for criterion in rubric.criteria:
        grade = verdict.grades[criterion.name]
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
