"""What verdicts must be, and which judge should not judge which method."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchkit.errors import MethodError
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import JudgeInput, Verdict

# Settings of a method or a teacher that name language models.
_NAMES = ("backbone", "model", "models")
_DATED = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")  # "gpt-4o-2024-08-06"


def validate_verdicts(
    verdicts: Iterator[Verdict], exhibits: Sequence[JudgeInput], rubric: Rubric
) -> Iterator[Verdict]:
    """`verdicts` as they come, or a MethodError at the first that is none of its exhibit."""
    given = iter(verdicts)
    for exhibit in exhibits:
        verdict = next(given, None)
        if verdict is None:
            raise _wrong(exhibit, "there is no verdict")
        if verdict.key != exhibit.key:
            raise _wrong(exhibit, f"the verdict is for {verdict.key!r}")
        if problem := _problem(verdict, rubric):
            raise _wrong(exhibit, problem)
        yield verdict
    if next(given, None) is not None:
        raise MethodError("the judge gave more verdicts than it was shown exhibits", _MEND)


_MEND = "correct the judge: one verdict an exhibit, in order (benchkit.judging.verdicts)"


def _problem(verdict: Verdict, rubric: Rubric) -> str:
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


def _wrong(exhibit: JudgeInput, problem: str) -> MethodError:
    return MethodError(f"case {exhibit.key!r}: {problem}", _MEND)


def same_model_warning(models: Sequence[str], config: Mapping[str, Any]) -> str | None:
    """A warning where a judge's language model is also in a method's settings, else None.

    A model prefers its own texts (Panickssery et al., 2024), whether it wrote the rationales or
    those that the method was trained on, also by a file of a teacher. Names are compared without
    organisation, date and case.

    >>> same_model_warning(["google/gemma-3-4b-it"], {"lm": {"backbone": "Gemma-3-4B-it"}})
    'judge and method use the same language model: gemma-3-4b-it'
    """
    used = {_plain(name) for name in _models(config)}
    shared = sorted({_plain(name) for name in models} & used)
    if not shared:
        return None
    return f"judge and method use the same language model: {', '.join(shared)}"


def _models(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name in _NAMES:
                yield from (one for one in _listed(part) if isinstance(one, str))
            yield from _models(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _models(part)


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _plain(name: str) -> str:
    return _DATED.sub("", name.rstrip("/").rpartition("/")[2].casefold())
