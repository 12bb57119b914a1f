"""Write the questions of a task to a file, for recommenders that run elsewhere; no answers."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchkit import io
from benchkit.config.decoding_spec import DecodingSpec
from benchkit.config.loading import validate_model
from benchkit.errors import DataError
from benchkit.interop.evaluation_task import EvaluationTask
from benchkit.types import Catalog, Event, Request

FORMAT_VERSION = 1


class CasesHeader(BaseModel):
    """Which cases a file asks or answers: `NAME.meta.json` beside `NAME.jsonl`.

    Only `cases_hash` is required; fields that are missing are not checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT_VERSION
    suite: str = ""
    dataset: str = ""
    cases_hash: str
    """Hash of the dataset's questions and their answer key."""
    fingerprint: str = ""
    """Hash of all content of the dataset."""
    cases: int | None = None
    """How many cases the file asks."""
    rating_scale: tuple[float, float] | None = None
    """The worst and the best rating of the dataset; None where nothing is rated."""
    limit_users: int | None = None
    protocols: tuple[str, ...] = ()
    decoding: DecodingSpec | None = None
    """How answers of the sampled protocol are drawn."""


def make_header(place: EvaluationTask) -> CasesHeader:
    """Return what identifies the cases of a task."""
    suite, scale = place.suite, place.dataset.catalog.rating_scale
    protocols = suite.protocol_objects()
    return CasesHeader(
        suite=suite.name,
        dataset=place.task.name,
        cases_hash=place.dataset.candidates_hash,
        fingerprint=place.dataset.fingerprint,
        cases=len(place.cases),
        rating_scale=None if scale is None else (scale.low, scale.high),
        limit_users=place.limit_users,
        protocols=tuple(p.name for p in protocols if p.answer_noun),
        decoding=suite.decoding if any(p.uses_decoding for p in protocols) else None,
    )


def write_cases(place: EvaluationTask, path: Path) -> CasesHeader:
    """Write one JSON object a test case to `path`, and its header to `header_path(path)`.

    A case has what a `Request` has: case_id, user, history (oldest first; item, title and, where
    known, rating, timestamp in nanoseconds since 1970, and review) and candidates (item, title) in
    their frozen order.
    """
    catalog = place.dataset.catalog
    with (
        io.replace_file(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        for request in place.dataset.requests(place.cases):
            # In ASCII, because many readers take U+2028 and its like for the end of a line.
            file.write(json.dumps(_case_fields(request, catalog)) + "\n")
    header = make_header(place)
    io.write_json(header_path(path), header.model_dump(mode="json"))
    return header


def header_path(path: Path) -> Path:
    """Return the path of the header of a file of cases or predictions.

    >>> header_path(Path("out/cases.jsonl")).as_posix()
    'out/cases.meta.json'
    """
    return path.with_suffix(".meta.json")


def read_header(path: Path) -> CasesHeader | None:
    """Return the header beside `path`, or None. Raises DataError for a file that is no header."""
    beside = header_path(path)
    if not beside.is_file():
        return None
    hint = "copy the .meta.json that `benchkit data cases` wrote"
    try:
        text = beside.read_bytes()
    except OSError as error:
        raise DataError(f"{beside}: {error}", hint) from None
    header = validate_model(CasesHeader, text, str(beside), error=DataError, hint=hint)
    if header.format > FORMAT_VERSION:
        raise DataError(f"{beside}: format {header.format} is newer than this benchkit", "upgrade")
    return header


def _case_fields(request: Request, catalog: Catalog) -> dict[str, Any]:
    return {
        "case_id": request.case_id,
        "user": request.user,
        "history": [_event_fields(event, catalog) for event in request.history],
        "candidates": [
            {"item": item, "title": catalog.text(item) or item} for item in request.candidates
        ],
    }


def _event_fields(event: Event, catalog: Catalog) -> dict[str, Any]:
    known = {"title": catalog.text(event.item) or event.item, **event._asdict()}
    return {"item": event.item, **{k: v for k, v in known.items() if v is not None}}
