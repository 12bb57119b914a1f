"""The per-case record of a run: what was answered under each protocol, in one row a case."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.evaluation.protocols.base import ProtocolResult
from benchkit.runs import records
from benchkit.types import Prediction


def predictions_table(
    results: Sequence[ProtocolResult], dataset: PreparedDataset, cases: Cases
) -> pl.DataFrame:
    """Return the record, schema `records.PREDICTIONS_SCHEMA`.

    Columns of a protocol that was not run are null. A protocol that benchkit does not ship adds
    columns of text.
    """
    answers = {r.protocol: r.predictions for r in results if r.predictions is not None}
    columns: dict[str, Sequence[Any]] = {
        "case_id": cases.ids,
        "user": [dataset.users[code] for code in cases.user.tolist()],
        "target": [dataset.catalog.ids[code] for code in cases.target],
        "usage": [
            _usage_json(dict(zip(answers, row, strict=True)))
            for row in zip(*answers.values(), strict=True)
        ],
        "history_length": (cases.stop - cases.start).tolist(),
    }
    for result in results:
        columns |= result.columns
    added = {name: pl.String for name in columns if name not in records.PREDICTIONS_SCHEMA}
    schema = {**records.PREDICTIONS_SCHEMA, **added}
    absent = [None] * len(cases)
    return pl.DataFrame({name: columns.get(name, absent) for name in schema}, schema=schema)


def _usage_json(predictions: dict[str, Prediction]) -> str:
    """Return what a case cost, by protocol."""
    by_protocol = {name: dict(p.usage) for name, p in predictions.items() if p.usage}
    return json.dumps(by_protocol, sort_keys=True)
