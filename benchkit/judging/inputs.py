"""From a run's records to what is judged: one answer a case, and which of them need a judge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import find_protocol
from benchkit.judging.references import target_reviews
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import JudgeInput
from benchkit.rating_scale import RatingScale
from benchkit.types import Catalog, Event, Request, Status

AnswerStage = Literal["unanswered", "invalid", "wrong", "missing", "judged"]


@dataclass(frozen=True, slots=True)
class MethodAnswer:
    """One answer of a method."""

    request: Request
    target: str
    item: str | None
    """The recommended item; None where the answer names no candidate."""
    rationale: str | None
    status: Status = "ok"
    """Of the answer in the run's records; `error` is a failure of the engine, not of the method."""
    review: str | None = None
    """What the user wrote of the target; no judge sees it."""

    def stage(self, rubric: Rubric) -> AnswerStage:
        """Return what decides its grade: nothing, the rubric alone, or a judge."""
        if self.item is None:
            return "unanswered" if self.status == "error" else "invalid"
        if rubric.wrong is not None and self.item != self.target:
            return "wrong"
        return "judged" if self.rationale else "missing"

    def judge_input(self, rubric: Rubric) -> JudgeInput:
        """Return what a judge sees of it; its stage must be `judged`."""
        assert self.item is not None and self.rationale is not None  # noqa: S101
        target = self.target if rubric.shows_target else None
        return JudgeInput(self.request.case_id, self.request, self.item, self.rationale, target)


def read_answers(
    predictions: pl.DataFrame, dataset: PreparedDataset, cases: Cases, source: str
) -> Iterator[MethodAnswer]:
    """Yield the answers to `cases`, in their order.

    Args:
        predictions: Predictions of the run (`records.PREDICTIONS`), for `cases` or more.
        dataset: The dataset that the cases are of.
        cases: The cases to read.
        source: Name of the protocol that says what is judged (`EvaluationProtocol.judged_answer`).

    Raises:
        ConfigError: Cases have several relevant items, and rubrics know one right answer.
    """
    if cases.other_targets is not None:
        raise ConfigError(
            f"dataset {dataset.name!r} has cases with several relevant items, and rubrics know one"
            " right answer",
            'judge a dataset with split.cases = "row"',
        )
    rows = {row["case_id"]: row for row in predictions.iter_rows(named=True)}
    protocol = find_protocol(source)
    reviews = target_reviews(dataset, cases)
    requests = dataset.requests(cases)
    for request, code, review in zip(requests, cases.target, reviews, strict=True):
        item, rationale, status = protocol.answer_to_judge(rows[request.case_id], request)
        text = (rationale or "").strip() or None
        yield MethodAnswer(request, dataset.catalog.ids[code], item, text, status, review)


def grade_by_rubric_alone(answer: MethodAnswer, rubric: Rubric) -> tuple[int | None, str]:
    """Return the grade of an answer that needs no judge, or None, and the reason.

    An answer that is refused, cut off or unreadable is the method's own and gets the rubric's grade
    for `invalid`; where the engine failed there is no answer, and no grade.

    >>> from benchkit.judging.rubric import load_rubric
    >>> request = Request("test:u", "u", (), ("a",))
    >>> answer = MethodAnswer(request, "a", None, None, "truncated")
    >>> grade_by_rubric_alone(answer, load_rubric("rationale-0-3"))
    (0, 'the answer names no candidate (truncated)')
    """
    stage = answer.stage(rubric)
    if stage == "unanswered":
        return None, "the method's engine failed, and nothing was answered"
    grade: int | None = getattr(rubric, stage)
    if stage == "invalid":
        status = "" if answer.status == "ok" else f" ({answer.status})"
        return grade, f"the answer names no candidate{status}"
    return grade, "" if grade is not None else "the answer has no rationale"


def history_lines(events: Sequence[Event], catalog: Catalog) -> list[str]:
    """Return a line an event: title, rating in words, review.

    >>> catalog = Catalog(("a",), {"title": ["Green Tea"]})
    >>> history_lines([Event("a", 5.0, None, "Lovely  smell")], catalog)
    ['Green Tea | Excellent | Lovely smell']
    """
    lines = []
    scale = catalog.rating_scale
    for event in events:
        parts = [catalog.text(event.item) or event.item]
        if event.rating is not None and scale is not None:
            parts.append(_rating_text(event.rating, scale))
        parts += [event.review] if event.review else []
        lines.append(" | ".join(" ".join(part.split()) for part in parts))
    return lines


def _rating_text(rating: float, scale: RatingScale) -> str:
    is_on_scale = scale.low <= rating <= scale.high
    return scale.word(rating) if is_on_scale else f"rated {rating:g}"
