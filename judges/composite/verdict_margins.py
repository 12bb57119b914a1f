"""How sure a judge was of its grade: by how much its log-probability exceeds the next grade's."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from benchkit.judging.rubric import Rubric
from benchkit.lm.types import Engine, Prompt
from judges.verdict_form import verdict_form


def margin_of_probabilities(evidence: Mapping[str, float], rubric: Rubric) -> float | None:
    """Return the margin of a verdict whose evidence has a probability for each grade.

    The smallest one of several criteria; None where there are no such numbers.

    >>> from benchkit.judging.rubric import load_rubric
    >>> probabilities = {"rating_p0": 0.1, "rating_p1": 0.1, "rating_p2": 0.2, "rating_p3": 0.6}
    >>> round(margin_of_probabilities(probabilities, load_rubric("rationale-0-3")), 3)  # log 3
    1.099
    """
    margins = []
    for criterion in rubric.criteria:
        names = [f"{criterion.name}_p{grade}" for grade in criterion.grades]
        if not all(name in evidence for name in names):
            return None
        second, first = sorted(evidence[name] for name in names)[-2:]
        margins.append(math.inf if second <= 0 else math.log(first / second))
    return min(margins)


def score_margins(
    engine: Engine, prompts: Sequence[Prompt], replies: Sequence[str], rubric: Rubric
) -> Iterator[float | None]:
    """Yield the margin of each reply's verdict, over the other grades in its place.

    The grades are scored after the reasons that the reply gives, in the form that the judge was
    asked for. None where the reply has another form, where the rubric has several criteria, or
    where the engine cannot score.
    """
    forms = list_verdicts(rubric)
    places = [_find_verdict(reply, forms) for reply in replies]
    asked_about = [i for i, place in enumerate(places) if place is not None]
    margins: list[float | None] = [None] * len(replies)
    if engine.can_score and asked_about:
        # What comes before the verdict is part of the answer, and tokenised apart from it.
        before = []
        for i in asked_about:
            reasons = replies[i][: places[i]]
            before.append(replace(prompts[i], prefill=(reasons,) if reasons else ()))
        scores = engine.score(before, [forms] * len(before), end=False)
        for i, score in zip(asked_about, scores, strict=True):
            if score.logprobs is not None:
                second, first = sorted(score.logprobs.tolist())[-2:]
                margins[i] = first - second
    yield from margins


def list_verdicts(rubric: Rubric) -> list[str]:
    """Return the verdict of each grade as it is to be written; empty for several criteria.

    >>> from benchkit.judging.rubric import load_rubric
    >>> list_verdicts(load_rubric("rationale-0-3"))[0]
    '<eval>RATING-0</eval>'
    """
    if len(rubric.criteria) > 1:
        return []
    form, grades = verdict_form(rubric), rubric.main.grades
    if rubric.reply[0].kind == "letter":
        letters = rubric.reply[0].letters(len(grades))
        return [_fill(form, "X", letter) for letter in letters]
    return [_fill(form, "n", str(grade)) for grade in grades]


def _fill(form: str, place: str, value: str) -> str:
    """Put a value in place of the last `place` that stands by itself."""
    *_, last = re.finditer(rf"(?<![A-Za-z]){place}(?![A-Za-z])", form)
    return f"{form[: last.start()]}{value}{form[last.end() :]}"


def _find_verdict(reply: str, forms: Sequence[str]) -> int | None:
    """Return where the last verdict of a reply begins; None if it is in no such form."""
    place = max((reply.rfind(form) for form in forms), default=-1)
    return place if place >= 0 else None
