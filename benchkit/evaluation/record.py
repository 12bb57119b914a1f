"""The per-case record of a run: what was answered under each protocol, in one row a case."""

import json
from collections.abc import Sequence

import polars as pl

from benchkit.data.dataset import Cases, Dataset
from benchkit.evaluation.scoring import ProtocolResult
from benchkit.runs import records
from benchkit.types import Prediction, Sample


def predictions_table(
    results: Sequence[ProtocolResult], dataset: Dataset, cases: Cases
) -> pl.DataFrame:
    """Schema `records.PREDICTIONS`; columns of a protocol that was not run are null."""
    given = {r.protocol: r.predictions for r in results if r.predictions is not None}
    absent: list[Prediction | None] = [None] * len(cases)
    scored, sampled = (
        list[Prediction | None](given.get(name, ())) or absent for name in ("scored", "sampled")
    )
    return pl.DataFrame(
        {
            "case_id": cases.ids,
            "target": [dataset.catalog.ids[code] for code in cases.target],
            "status": [p and p.status for p in scored],
            "scores": [None if p is None or p.scores is None else list(p.scores) for p in scored],
            "lengths": [
                None if p is None or p.lengths is None else list(p.lengths) for p in scored
            ],
            "samples": [
                None if p is None else [_sample_fields(s) for s in p.samples] for p in sampled
            ],
            "sampled_status": [p and p.status for p in sampled],
            "rationale": [p and p.rationale for p in scored],
            "usage": [
                _usage_json(dict(zip(given, row, strict=True)))
                for row in zip(*given.values(), strict=True)
            ],
            "history_length": cases.stop - cases.start,
        },
        schema=records.PREDICTIONS_SCHEMA,
    )


def _sample_fields(sample: Sample) -> dict[str, str | None]:
    return {
        "text": sample.text,
        "item": sample.item,
        "rationale": sample.rationale,
        "status": sample.status,
    }


def _usage_json(predictions: dict[str, Prediction]) -> str:
    """What a case cost, by protocol, as JSON."""
    counted = {name: dict(p.usage) for name, p in predictions.items() if p.usage}
    return json.dumps(counted, sort_keys=True)
