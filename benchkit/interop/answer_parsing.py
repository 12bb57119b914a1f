"""What one row of a file says of one case: scores, a ranking or samples, checked."""

import math
from collections.abc import Container, Sequence
from typing import Any, get_args

from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_answer
from benchkit.lm.response_format import ResponseFormat
from benchkit.types import Catalog, Sample, Status

_SAMPLE_FIELDS = {"text", "item", "rationale", "status"}


class AnswerError(Exception):
    """What is wrong with a value, and how to mend it; whoever reads the file says where."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.cause, self.hint = what, hint


def parse_id(value: Any) -> str:
    """A case or item id: text, or a whole number as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise AnswerError(f"{value!r} is no id", "ids are texts, as in the cases")


def parse_score(value: Any) -> float:
    """A score."""
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
    """A text, or None for none."""
    if value is not None and not isinstance(value, str):
        raise AnswerError(f"its {name} is no text", "write it as a text")
    return value


def parse_status(value: Any) -> Status | None:
    """A status, or None for none."""
    if value is not None and value not in get_args(Status):
        raise AnswerError(f"unknown status {value!r}", f"use one of {', '.join(get_args(Status))}")
    found: Status | None = value
    return found


def parse_candidate(value: Any, candidates: Container[str], catalog: Catalog) -> str:
    """The id of a candidate."""
    item = parse_id(value)
    if item in candidates:
        return item
    what = "no candidate of this case" if item in catalog.index else "no item of the dataset"
    raise AnswerError(
        f"item {item!r} is {what}", "name only candidates, as `benchkit data cases` has it"
    )


def parse_scores(value: Any, candidates: Sequence[str]) -> list[float]:
    """One score a candidate, in the order of the candidates."""
    given = _require_list(value, "scores")
    if len(given) != len(candidates):
        raise AnswerError(
            f"{len(given)} scores for {len(candidates)} candidates",
            "give one score a candidate, in the order of the case's candidates",
        )
    return [parse_score(score) for score in given]


def parse_ranking(value: Any, candidates: Sequence[str], catalog: Catalog) -> list[float]:
    """Scores that put the items in the order given, the best first; the rest are tied last."""
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
    return [float(len(listed) - place.get(item, len(listed))) for item in candidates]


def parse_samples(
    value: Any, n: int, candidates: Sequence[str], catalog: Catalog
) -> tuple[tuple[Sample, ...], int]:
    """`n` answers in draw order, each a text or an object with text, item, rationale, status; and
    of how many the item is given and not read from the text.

    A text is read as a model's answer is in a run (`lm.parsing`, `lm.grounding`), so it is valid if
    it names exactly one candidate by title or id. An `item` is taken as it is, unless its text
    names another candidate.
    """
    given = _require_list(value, "samples")
    if len(given) != n:
        raise AnswerError(
            f"{len(given)} samples instead of {n}", "give as many as the suite's decoding"
        )
    titles = [catalog.text(item) or item for item in candidates]
    grounder = Grounder(candidates, titles)
    read = [
        (_ground_text(one, grounder, candidates), False)
        if isinstance(one, str)
        else _parse_sample_object(one, grounder, candidates, catalog)
        for one in given
    ]
    return tuple(sample for sample, _ in read), sum(unread for _, unread in read)


def _parse_sample_object(
    value: Any, grounder: Grounder, candidates: Sequence[str], catalog: Catalog
) -> tuple[Sample, bool]:
    """The sample, and whether its item is not what its text says."""
    if not isinstance(value, dict) or not _SAMPLE_FIELDS.issuperset(value):
        raise AnswerError(
            f"{value!r} is no sample",
            f"a sample is a text, or an object with {', '.join(sorted(_SAMPLE_FIELDS))}",
        )
    written, said = parse_text(value.get("text"), "text"), parse_status(value.get("status"))
    reason = parse_text(value.get("rationale"), "rationale")
    if value.get("item") is not None:
        item = parse_candidate(value["item"], candidates, catalog)
        named = _ground_text(written, grounder, candidates).item if written else None
        if named not in (None, item):
            raise AnswerError(
                f"a sample has the item {item!r}, but its text names {named!r}",
                "leave one of them out",
            )
        return Sample(written or "", item, reason, said or "ok"), named is None
    if said not in (None, "ok"):
        return Sample(written or "", None, reason, said), False
    if written is None:
        raise AnswerError(
            "a sample has neither text nor item", 'give one, or a status: "refused" ...'
        )
    found = _ground_text(written, grounder, candidates)
    return Sample(written, found.item, reason or found.rationale, found.status), False


def _ground_text(written: str, grounder: Grounder, candidates: Sequence[str]) -> Sample:
    parsed = parse_answer(written, "stop", ResponseFormat("title"))
    if parsed.status != "ok" or parsed.item is None:
        return Sample(written, None, parsed.rationale, parsed.status)
    place = grounder.ground(parsed.item, parsed.item_id)
    if place is None:
        return Sample(written, None, parsed.rationale, "unparsed")
    return Sample(written, candidates[place], parsed.rationale, "ok")


def _require_list(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise AnswerError(f"its {name} are no list", "write them as a JSON list")
    return value
