"""Read predictions that were made elsewhere: each case answered once, and nothing else.

A row answers one case with `scores` (aligned with the candidates), a `ranking` (best first) and/or
`samples`, and may have a `rationale`; or it gives the `score` of one `item`, and its rationale. A
case that could not be answered has a `status` and no answer.

A candidate that a ranking does not list was not retrieved: it has no rank. Scores must be of all
candidates, unless the file is said to be partial; those without one were then not retrieved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.errors import DataError, unknown_name_error
from benchkit.evaluation.lookup import IMPORTABLE_PROTOCOLS
from benchkit.interop import answer_parsing
from benchkit.interop.answer_parsing import AnswerError
from benchkit.interop.table_reader import parse_strict_json, read_rows
from benchkit.types import Prediction

PREDICTION_COLUMNS = (
    "case_id", "scores", "ranking", "samples", "item", "score", "status", "rationale",
)  # fmt: skip


@dataclass(frozen=True)
class ImportedPredictions:
    """What a file of predictions holds."""

    predictions: Mapping[str, Prediction]
    """Case id -> answer, of every case; those that the file lacks have status "error"."""
    protocols: tuple[str, ...]
    """Those that the answers are of."""
    missing: tuple[str, ...]
    """The cases that the file lacks."""
    n_explicit_items: int
    """How many samples have an item that is not read from their text."""


def read_predictions(
    path: Path,
    dataset: PreparedDataset,
    cases: Cases,
    n: int,
    allow_missing: float = 0.0,
    allow_partial: bool = False,
) -> ImportedPredictions:
    """Return the answers of a file to `cases`.

    Args:
        path: .csv, .tsv, .jsonl, .ndjson, .parquet, or a TREC run (.run, .trec).
        dataset: The dataset of the cases.
        cases: The cases.
        n: Samples a case.
        allow_missing: Share of the cases that the file may lack.
        allow_partial: Whether candidates without a score count as not retrieved.

    Raises:
        DataError: Names file, line, cause and hint at the first thing that is wrong.
    """
    collected = _PredictionCollector(path, dataset, cases, n, allow_partial)
    for where, fields in read_rows(path, _DECODE):
        collected.add(where, fields)
    predictions, protocols = collected.finish()
    missing = tuple(case for case in cases.ids if case not in predictions)
    if len(missing) > allow_missing * len(cases):
        share = len(missing) / len(cases)
        raise DataError(
            f"{path}: {len(missing)} of {len(cases)} cases ({share:.1%}) are not in it, e.g."
            f" {missing[0]!r}",
            f"answer them, give them a status, or count them as misses: --allow-missing"
            f" {np.ceil(share * 1000) / 1000:g}",
        )
    absent = {case: Prediction(case, None, status="error") for case in missing}
    return ImportedPredictions(predictions | absent, protocols, missing, collected.n_explicit_items)


def _parse_number(cell: str) -> float:
    if "_" in cell:  # Python's own way to write 1000
        raise ValueError("is no number")
    return float(cell)


_DECODE = {
    "score": _parse_number,
    **dict.fromkeys(("scores", "ranking", "samples"), parse_strict_json),
}


class _PredictionCollector:
    """Collects rows into predictions."""

    def __init__(
        self, path: Path, dataset: PreparedDataset, cases: Cases, n: int, allow_partial: bool
    ) -> None:
        self._path, self._dataset, self._cases, self._n = path, dataset, cases, n
        self._allow_partial = allow_partial
        self._rows = {case: row for row, case in enumerate(cases.ids)}
        self._first: dict[str, str] = {}  # case -> where the file first speaks of it
        self.n_explicit_items = 0
        self._predictions: dict[str, Prediction] = {}
        # Item by item: a score for each candidate, NaN where none was read, and rationales.
        self._scores: dict[str, NDArray[np.float64]] = {}
        self._reasons: dict[tuple[str, int], str] = {}
        self._positions = lru_cache(maxsize=4096)(self._find_positions)

    def add(self, where: str, fields: Mapping[str, Any]) -> None:
        """Add one row."""
        for name in fields:
            if name not in PREDICTION_COLUMNS:
                wrong = unknown_name_error("column", name, PREDICTION_COLUMNS)
                raise DataError(
                    f"{self._path}, {where}: {wrong.cause}", f"{wrong.hint}; or drop it"
                )
        if "case_id" not in fields:
            raise DataError(f"{self._path}, {where}: no case_id", "name the case that it answers")
        try:
            case = answer_parsing.parse_id(fields["case_id"])
            if case not in self._rows:
                raise AnswerError(
                    f"is no test case of {self._dataset.name!r}",
                    "answer the cases that `benchkit data cases` writes",
                )
            by_item = "item" in fields or "score" in fields
            if case in self._predictions or (case in self._first and not by_item):
                raise AnswerError(
                    f"was answered already, {self._first[case]}", "answer each case once"
                )
            (self._add_item if by_item else self._add_case)(case, fields)
            self._first.setdefault(case, where)
        except AnswerError as error:
            raise self._row_error(where, fields["case_id"], error) from None

    def finish(self) -> tuple[dict[str, Prediction], tuple[str, ...]]:
        """Return case -> answer, and the protocols that they are of."""
        for case in self._scores:
            try:
                self._predictions[case] = self._combine_items(case)
            except AnswerError as error:
                raise self._row_error(self._first[case], case, error) from None
        predictions = self._predictions.values()
        protocols = [p for p in IMPORTABLE_PROTOCOLS if any(map(p.has_answer, predictions))]
        if not protocols:
            raise DataError(
                f"{self._path}: holds no answer",
                "columns: case_id and scores, ranking, samples, or item and score",
            )
        for case, prediction in self._predictions.items():
            missing = [p.answer_noun for p in protocols if not p.has_answer(prediction)]
            if prediction.status == "ok" and missing:
                fault = AnswerError(
                    f"has no {missing[0]}, as other cases have", "give them, or a status"
                )
                raise self._row_error(self._first[case], case, fault)
        return self._predictions, tuple(protocol.name for protocol in protocols)

    def _add_case(self, case: str, fields: Mapping[str, Any]) -> None:
        candidates = tuple(self._positions(case))
        status = answer_parsing.parse_status(fields.get("status")) or "ok"
        answers = [name for name in ("scores", "ranking", "samples") if name in fields]
        if status == "ok" and not answers:
            raise AnswerError("has no answer", 'give one, or a status: "refused", "error" ...')
        if status != "ok" and answers:
            raise AnswerError(
                f"has the status {status!r}, but {answers[0]}, too", "leave one of them out"
            )
        if {"scores", "ranking"} <= fields.keys():
            raise AnswerError("has scores and a ranking", "give one of them")
        catalog = self._dataset.catalog
        reason = answer_parsing.parse_text(fields.get("rationale"), "rationale")
        if reason is not None and answers == ["samples"]:
            raise AnswerError(
                "has a rationale of no sample", 'write samples as {"text", "rationale"}'
            )
        scores = samples = None
        if "scores" in fields:
            scores = answer_parsing.parse_scores(fields["scores"], candidates, self._allow_partial)
        elif "ranking" in fields:
            scores = answer_parsing.parse_ranking(fields["ranking"], candidates, catalog)
        if "samples" in fields:
            samples, unread = answer_parsing.parse_samples(
                fields["samples"], self._n, candidates, catalog
            )
            self.n_explicit_items += unread
        self._predictions[case] = Prediction(
            case, scores, samples or (), reason, status, partial=-np.inf in (scores or ())
        )

    def _add_item(self, case: str, fields: Mapping[str, Any]) -> None:
        extra = fields.keys() - {"case_id", "item", "score", "rationale"}
        if extra:
            raise AnswerError(
                f"has {min(extra)}, and the score of an item", "write them in rows of their own"
            )
        if not {"item", "score"} <= fields.keys():
            raise AnswerError(
                "has an item without a score, or a score without an item", "give both"
            )
        places = self._positions(case)
        place = places[
            answer_parsing.parse_candidate(fields["item"], places, self._dataset.catalog)
        ]
        scores = self._scores.setdefault(case, np.full(len(places), np.nan))
        if not np.isnan(scores[place]):
            raise AnswerError(f"item {fields['item']!r} was scored already", "score each item once")
        scores[place] = answer_parsing.parse_score(fields["score"])
        if (reason := answer_parsing.parse_text(fields.get("rationale"), "rationale")) is not None:
            self._reasons[case, place] = reason

    def _combine_items(self, case: str) -> Prediction:
        """Return one answer of the rows of a case, with the rationale of the item ranked first."""
        scores = self._scores[case]
        absent = np.flatnonzero(np.isnan(scores))
        if absent.size and not self._allow_partial:
            item = list(self._positions(case))[absent[0]]
            raise AnswerError(
                f"{len(scores) - absent.size} scores for {len(scores)} candidates, e.g. none of"
                f" {item!r}",
                answer_parsing.PARTIAL_HINT,
            )
        scores[absent] = -np.inf
        reason = self._reasons.get((case, int(np.argmax(scores))))
        return Prediction(case, scores.tolist(), rationale=reason, partial=bool(absent.size))

    def _find_positions(self, case: str) -> dict[str, int]:
        """Return candidate -> its position in the frozen order."""
        codes = self._cases.candidates[self._rows[case]].tolist()
        ids = self._dataset.catalog.ids
        return {ids[code]: place for place, code in enumerate(codes) if code != PADDING_ITEM}

    def _row_error(self, where: str, case: object, error: AnswerError) -> DataError:
        return DataError(f"{self._path}, {where}: case {case!r}: {error.cause}", error.hint)
