"""Parse what one row of a file says of one case: scores, a ranking or samples."""

import math
from collections.abc import Container, Sequence
from typing import Any, get_args

from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_answer
from benchkit.lm.response_format import ResponseFormat
from benchkit.types import Catalog, Sample, Status

PARTIAL_HINT = (
    "score every candidate if the method ranks all; if it retrieved only some, say --partial, and"
    " the others count as not retrieved: no rank, and a miss where the target is one of them"
)
_SAMPLE_FIELDS = {"text", "item", "rationale", "status"}


class AnswerError(Exception):
    """What is wrong with a value, and what to do; whoever reads the file adds where."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.cause, self.hint = what, hint


def parse_id(value: Any) -> str:
    """Return a case or item id: text, or a whole number as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise AnswerError(f"{value!r} is no id", "ids are texts, as in the cases")


def parse_score(value: Any) -> float:
    """Return a score."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise AnswerError(f"score {value!r} is no number", "give one number a candidate")
    try:
        score = float(value)
    except OverflowError:  # a whole number with hundreds of digits
        score = math.inf
    if not math.isfinite(score):
        raise AnswerError(f"a score is {score}", "every score must be a finite number")
    return score


def parse_text(value: Any, name: str) -> str | None:
    """Return a text, or None for none."""
    if value is not None and not isinstance(value, str):
        raise AnswerError(f"its {name} is no text", "write it as a text")
    return value


def parse_status(value: Any) -> Status | None:
    """Return a status, or None for none."""
    if value is not None and value not in get_args(Status):
        raise AnswerError(f"unknown status {value!r}", f"use one of {', '.join(get_args(Status))}")
    status: Status | None = value
    return status


def parse_candidate(value: Any, candidates: Container[str], catalog: Catalog) -> str:
    """Return the id of a candidate."""
    item = parse_id(value)
    if item in candidates:
        return item
    what = "no candidate of this case" if item in catalog.index else "no item of the dataset"
    raise AnswerError(
        f"item {item!r} is {what}", "name only candidates, as `benchkit data cases` has it"
    )


def parse_scores(value: Any, candidates: Sequence[str], allow_partial: bool) -> list[float]:
    """Return one score a candidate, in the order of the candidates.

    With `allow_partial` a null or a NaN is a candidate that was not retrieved, and becomes -inf.
    """
    scores = _require_list(value, "scores")
    if len(scores) != len(candidates):
        raise AnswerError(
            f"{len(scores)} scores for {len(candidates)} candidates",
            "give one score a candidate, in the order of the case's candidates",
        )
    absent = [score is None or (isinstance(score, float) and score != score) for score in scores]
    if not any(absent):
        return [parse_score(score) for score in scores]
    if not allow_partial:
        raise AnswerError(
            f"{sum(absent)} of {len(scores)} candidates have no score (null or NaN)", PARTIAL_HINT
        )
    if all(absent):
        raise AnswerError("no candidate has a score", 'give a status: "unparsed", "refused" ...')
    return [
        -math.inf if is_absent else parse_score(score)
        for score, is_absent in zip(scores, absent, strict=True)
    ]


def parse_ranking(value: Any, candidates: Sequence[str], catalog: Catalog) -> list[float]:
    """Return scores that put the items in the order given, best first.

    An item that is not listed was not retrieved: its score is -inf, so that it has no rank.
    """
    listed = [
        parse_candidate(item, candidates, catalog) for item in _require_list(value, "ranked items")
    ]
    if not listed:
        raise AnswerError(
            "an empty ranking", 'leave it out and say why: status "unparsed", "refused" ...'
        )
    place = {item: rank for rank, item in enumerate(listed)}
    if len(place) < len(listed):
        twice = next(item for item in listed if listed.count(item) > 1)
        raise AnswerError(f"item {twice!r} stands twice in the ranking", "list each item once")
    return [float(len(listed) - place[item]) if item in place else -math.inf for item in candidates]


def parse_samples(
    value: Any, n: int, candidates: Sequence[str], catalog: Catalog
) -> tuple[tuple[Sample, ...], int]:
    """Return `n` answers in draw order, and how many of them say an item that their text does not.

    Each is a text, or an object with text, item, rationale and status.

    A text is read as a model's answer is in a run (`lm.parsing`, `lm.grounding`), so it is valid if
    it names exactly one candidate by title or id. An `item` is taken as it is, unless its text
    names another candidate.
    """
    answers = _require_list(value, "samples")
    if len(answers) != n:
        raise AnswerError(
            f"{len(answers)} samples instead of {n}", "give as many as the suite's decoding"
        )
    titles = [catalog.text(item) or item for item in candidates]
    grounder = Grounder(candidates, titles)
    samples, n_explicit_items = [], 0
    for answer in answers:
        if isinstance(answer, str):
            samples.append(_ground_text(answer, grounder, candidates))
            continue
        sample, is_explicit = _parse_sample_object(answer, grounder, candidates, catalog)
        samples.append(sample)
        n_explicit_items += is_explicit
    return tuple(samples), n_explicit_items


def _parse_sample_object(
    value: Any, grounder: Grounder, candidates: Sequence[str], catalog: Catalog
) -> tuple[Sample, bool]:
    """Return the sample, and whether its item is not what its text says."""
    if not isinstance(value, dict) or not _SAMPLE_FIELDS.issuperset(value):
        raise AnswerError(
            f"{value!r} is no sample",
            f"a sample is a text, or an object with {', '.join(sorted(_SAMPLE_FIELDS))}",
        )
    text, status = parse_text(value.get("text"), "text"), parse_status(value.get("status"))
    rationale = parse_text(value.get("rationale"), "rationale")
    if value.get("item") is not None:
        item = parse_candidate(value["item"], candidates, catalog)
        item_in_text = _ground_text(text, grounder, candidates).item if text else None
        if item_in_text not in (None, item):
            raise AnswerError(
                f"a sample has the item {item!r}, but its text names {item_in_text!r}",
                "leave one of them out",
            )
        return Sample(text or "", item, rationale, status or "ok"), item_in_text is None
    if status not in (None, "ok"):
        return Sample(text or "", None, rationale, status), False
    if text is None:
        raise AnswerError(
            "a sample has neither text nor item", 'give one, or a status: "refused" ...'
        )
    grounded = _ground_text(text, grounder, candidates)
    return Sample(text, grounded.item, rationale or grounded.rationale, grounded.status), False


def _ground_text(text: str, grounder: Grounder, candidates: Sequence[str]) -> Sample:
    parsed = parse_answer(text, "stop", ResponseFormat("title"))
    if parsed.status != "ok" or parsed.item is None:
        return Sample(text, None, parsed.rationale, parsed.status)
    position = grounder.ground(parsed.item, parsed.item_id)
    if position is None:
        return Sample(text, None, parsed.rationale, "unparsed")
    return Sample(text, candidates[position], parsed.rationale, "ok")


def _require_list(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise AnswerError(f"its {name} are no list", "write them as a JSON list")
    return value
