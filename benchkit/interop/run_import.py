"""Importing the folder of a run that benchkit made elsewhere: nothing in it is taken on trust.

The answers are scored again here, and the run is refused where that gives other figures than it
has. Figures of the whole catalogue are left out, because its scores are not recorded; so are
judgements and what training left behind. Answers and figures that were changed alike pass.
"""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl

from benchkit.config.suite import Suite
from benchkit.errors import DataError, MethodError, StoreError
from benchkit.evaluation.lookup import IMPORTABLE_PROTOCOLS
from benchkit.evaluation.protocols.base import ProtocolResult
from benchkit.evaluation.record import predictions_table
from benchkit.fingerprint import hash_json
from benchkit.interop import precomputed
from benchkit.interop.evaluation_task import EvaluationTask, load_task
from benchkit.interop.external_runs import (
    ExternalRun,
    ImportResult,
    file_sha256,
    record_external_run,
)
from benchkit.runs import records
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run, Store
from benchkit.types import Prediction, Status

_TOLERANCE = 1e-9  # another processor may round a logarithm otherwise
_REQUIRED_SETTINGS = ("test", "limit_users", "protocols", "metrics", "popular_share")


def import_run(
    folder: Path, suite: Suite, store: Store, data: Path, dataset: str = "", label: str = ""
) -> ImportResult:
    """Check a run folder against the suite's dataset here, and put it beside the suite's runs.

    dataset: the task of the suite, by default the one that the run names. label: of the row.
    Raises DataError saying what is wrong with the folder.
    """
    run = Run(folder)
    manifest = _load_manifest(run)
    place = load_task(suite, dataset or manifest.task, data, manifest.identity["limit_users"])
    _check_settings(folder, manifest, place)
    predictions, metrics = _load_tables(run)
    answers = _load_answers(folder, predictions, manifest, place)
    try:
        results = precomputed.score_precomputed(place, answers, store.root)
    except MethodError as error:
        raise _tampering_error(folder, error.cause) from None
    _check_answers(folder, predictions, predictions_table(results, place.dataset, place.cases))
    _check_metrics(folder, manifest, metrics, results)
    left_out = set(manifest.identity["protocols"]) - answers.keys()
    remark = (
        f"external: imported from run {manifest.run_id}; its figures were computed again from its"
        " answers, but benchkit did not run it here"
        + ("; those of the whole catalogue cannot be, and are left out" if left_out else "")
    )
    sha = file_sha256(folder / "predictions.parquet")
    external = ExternalRun(
        label=label or manifest.label,
        family=manifest.family,
        seed=manifest.seed,
        sha256=sha,
        identity={k: v for k, v in manifest.identity.items() if k != records.EXTERNAL},
        origin={
            "kind": "run",
            "folder": folder.resolve().name,
            "run_id": manifest.run_id,
            "suite": manifest.suite,
            "label": manifest.label,
            "sha256": sha,
            "started": manifest.started,
            "finished": manifest.finished,
            "cost": manifest.cost,
        },
        caveats=(*manifest.caveats, remark),
        provenance=manifest.provenance,
    )
    return record_external_run(store, place, external, lambda: results)


def _load_manifest(run: Run) -> Manifest:
    """Return the manifest of a complete run of this schema whose id is that of its settings."""
    try:
        manifest = run.manifest()
    except StoreError as error:
        raise DataError(error.cause, "copy the folder again") from None
    if manifest is None:
        raise DataError(f"{run.path}: has no manifest.json", "name the folder of one run")
    if manifest.status != "complete":
        raise DataError(f"{run.path}: the run is {manifest.status}", "import a complete run")
    if records.predictions_schema(manifest.schema_version) != records.PREDICTIONS_SCHEMA:
        raise DataError(
            f"{run.path}: was written by an older benchkit (schema {manifest.schema_version}; this"
            f" one imports {records.SCHEMA_VERSION})",
            "run it again with a current benchkit",
        )
    if hash_json(manifest.identity) != manifest.run_id:
        raise _tampering_error(run.path, "its id is not the hash of its identity")
    lacking = [name for name in _REQUIRED_SETTINGS if name not in manifest.identity]
    if lacking:
        raise DataError(
            f"{run.path}: its identity does not say {', '.join(lacking)}",
            "is it a run of benchkit?",
        )
    return manifest


def _check_settings(folder: Path, manifest: Manifest, place: EvaluationTask) -> None:
    """It must have been asked the cases, and be measured, as the suite's other rows are."""
    expected: dict[str, Any] = {
        "test": place.dataset.fingerprint,
        "metrics": place.metric_names,
        "popular_share": place.suite.popular_share,
    }
    protocols = manifest.identity["protocols"]
    if any(p.uses_decoding for p in IMPORTABLE_PROTOCOLS if p.name in protocols):
        expected["decoding"] = place.suite.decoding.model_dump()
    recorded = {**manifest.identity, "test": manifest.test_fingerprint}
    for name, value in expected.items():
        if recorded.get(name) != value:
            what = "was asked other cases" if name == "test" else f"has other {name}"
            raise DataError(
                f"{folder}: it {what} than {place.task.name!r} of suite {place.suite.name!r} here:"
                f" {_abbreviate(recorded.get(name))}, not {_abbreviate(value)}",
                "import it into the suite that it was run for, with the same data",
            )


def _load_tables(run: Run) -> tuple[pl.DataFrame, pl.DataFrame]:
    try:
        predictions, metrics = run.predictions(), run.metrics()
    except StoreError as error:
        raise DataError(error.cause, "copy the folder again") from None
    for name, table, schema in (
        ("predictions", predictions, records.PREDICTIONS_SCHEMA),
        ("metrics", metrics, records.METRICS_SCHEMA),
    ):
        if table.schema != schema:
            raise DataError(
                f"{run.path}: {name}.parquet has other columns than schema"
                f" {records.SCHEMA_VERSION}",
                "copy the folder again, or run it again with this benchkit",
            )
    return predictions, metrics


def _load_answers(
    folder: Path, predictions: pl.DataFrame, manifest: Manifest, place: EvaluationTask
) -> dict[str, dict[str, Prediction]]:
    """Return the recorded answers of each protocol that can be scored from them."""
    if predictions["case_id"].to_list() != list(place.cases.ids):
        raise _tampering_error(
            folder, "predictions.parquet does not answer each case once, in order"
        )
    rows = predictions.to_dicts()
    for row in rows:
        try:
            row["usage"] = json.loads(row["usage"])
        except (TypeError, ValueError):
            raise _tampering_error(
                folder, f"the usage of case {row['case_id']!r} is no JSON"
            ) from None
    answers = {
        protocol.name: {row["case_id"]: protocol.restore(row) for row in rows}
        for protocol in IMPORTABLE_PROTOCOLS
        if protocol.name in manifest.identity["protocols"]
    }
    if not answers:
        raise DataError(
            f"{folder}: it has only figures of the whole catalogue, whose scores are not recorded",
            f"import a run of the protocol {' or '.join(p.name for p in IMPORTABLE_PROTOCOLS)}",
        )
    statuses = {p.status for of_protocol in answers.values() for p in of_protocol.values()}
    if odd := statuses - set(get_args(Status)):
        raise _tampering_error(folder, f"an answer has the status {odd.pop()!r}")
    return answers


def _check_answers(folder: Path, recorded: pl.DataFrame, recomputed: pl.DataFrame) -> None:
    for name in recomputed.columns:
        if not recorded[name].equals(recomputed[name]):
            raise _tampering_error(
                folder, f"column {name!r} of predictions.parquet is not of these cases"
            )


def _check_metrics(
    folder: Path, manifest: Manifest, metrics: pl.DataFrame, results: list[ProtocolResult]
) -> None:
    """What it says of its answers must be what its answers say."""
    for result in results:
        for (name,), recomputed in result.metrics.group_by("metric", maintain_order=True):
            values = metrics.filter(protocol=result.protocol, metric=name)
            same = values["case_id"].to_list() == recomputed["case_id"].to_list()
            if not same or not _all_close(values["value"], recomputed["value"]):
                raise _tampering_error(
                    folder,
                    f"{result.protocol} {name} in metrics.parquet does not follow from its answers",
                )
        recorded = {s.metric: s for s in manifest.summary if s.protocol == result.protocol}
        for line in result.summary:
            other = recorded.get(line.metric)
            if other is None or other.n != line.n or not _all_close(other.mean, line.mean):
                raise _tampering_error(
                    folder,
                    f"{result.protocol} {line.metric} is"
                    f" {other.mean if other else 'missing'} in its"
                    f" manifest, but its answers give {line.mean}",
                )


def _all_close(a: Any, b: Any) -> bool:
    return bool(np.abs(np.asarray(a) - np.asarray(b)).max(initial=0.0) <= _TOLERANCE)


def _abbreviate(value: object) -> str:
    return value[:16] if isinstance(value, str) else json.dumps(value, default=str)


def _tampering_error(folder: Path, what: str) -> DataError:
    return DataError(f"{folder}: {what}", "it was changed after the run: copy the original folder")
