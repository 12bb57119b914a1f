"""Importing the folder of a run that benchkit made elsewhere: nothing in it is taken on trust.

The answers are scored again here, and the run is refused where that gives other figures than it
has. Figures of the whole catalogue are left out, because its scores are not recorded; so are
judgements and what training left behind. Answers and figures that were changed alike pass.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl

from benchkit import evaluate, records
from benchkit.config import Suite
from benchkit.errors import DataError, MethodError, StoreError
from benchkit.evaluate import Result
from benchkit.identity import digest
from benchkit.importing import replay
from benchkit.importing.external import External, Imported, record, sha256
from benchkit.importing.place import Place, place_of
from benchkit.protocols import Prediction, ProtocolName, Sample, Status
from benchkit.records import Manifest
from benchkit.store import Run, Store

_CLOSE = 1e-9  # another processor may round a logarithm otherwise
_NEEDED = ("test", "limit_users", "protocols", "metrics", "popular_share")


def import_run(
    folder: Path, suite: Suite, store: Store, data: Path, dataset: str = "", label: str = ""
) -> Imported:
    """Check a run folder against the suite's dataset here, and put it beside the suite's runs.

    dataset: the task of the suite, by default the one that the run names. label: of the row.
    Raises DataError saying what is wrong with the folder.
    """
    run = Run(folder)
    manifest = _manifest(run)
    place = place_of(suite, dataset or manifest.task, data, manifest.identity["limit_users"])
    _check_settings(folder, manifest, place)
    predictions, metrics = _tables(run)
    answers = _answers(folder, predictions, manifest, place)
    try:
        results = replay.measured(place, answers, store.root)
    except MethodError as error:
        raise _changed(folder, error.cause) from None
    _check_answers(
        folder, predictions, evaluate.predictions_table(results, place.dataset, place.cases)
    )
    _check_figures(folder, manifest, metrics, results)
    left_out = "full" in manifest.identity["protocols"]
    remark = (
        f"external: imported from run {manifest.run_id}; its figures were computed again from its"
        " answers, but benchkit did not run it here"
        + ("; those of the whole catalogue cannot be, and are left out" if left_out else "")
    )
    sha = sha256(folder / "predictions.parquet")
    external = External(
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
        remarks=(*manifest.remarks, remark),
        provenance=manifest.provenance,
    )
    return record(store, place, external, lambda: results)


def _manifest(run: Run) -> Manifest:
    """The manifest of a complete run of this schema whose id is that of its settings."""
    try:
        manifest = run.manifest()
    except StoreError as error:
        raise DataError(error.cause, "copy the folder again") from None
    if manifest is None:
        raise DataError(f"{run.path}: has no manifest.json", "name the folder of one run")
    if manifest.status != "complete":
        raise DataError(f"{run.path}: the run is {manifest.status}", "import a complete run")
    if manifest.schema_version != records.SCHEMA:
        raise DataError(
            f"{run.path}: was written by an older benchkit (schema {manifest.schema_version}; this"
            f" one imports {records.SCHEMA})",
            "run it again with a current benchkit",
        )
    if digest(manifest.identity) != manifest.run_id:
        raise _changed(run.path, "its id is not the hash of its identity")
    lacking = [name for name in _NEEDED if name not in manifest.identity]
    if lacking:
        raise DataError(
            f"{run.path}: its identity does not say {', '.join(lacking)}",
            "is it a run of benchkit?",
        )
    return manifest


def _check_settings(folder: Path, manifest: Manifest, place: Place) -> None:
    """It must have been asked the cases, and be measured, as the suite's other rows are."""
    own: dict[str, Any] = {
        "test": place.dataset.fingerprint,
        "metrics": list(place.metric_names),
        "popular_share": place.suite.popular_share,
    }
    if "sampled" in manifest.identity["protocols"]:
        own["decoding"] = place.suite.decoding.model_dump()
    for name, value in own.items():
        if (theirs := manifest.identity.get(name)) != value:
            what = "was asked other cases" if name == "test" else f"has other {name}"
            raise DataError(
                f"{folder}: it {what} than {place.task.name!r} of suite {place.suite.name!r} here:"
                f" {_short(theirs)}, not {_short(value)}",
                "import it into the suite that it was run for, with the same data",
            )


def _tables(run: Run) -> tuple[pl.DataFrame, pl.DataFrame]:
    try:
        predictions, metrics = run.predictions(), run.metrics()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{run.path}: cannot be read: {error}", "copy the folder again") from None
    for name, table, schema in (
        ("predictions", predictions, records.PREDICTIONS),
        ("metrics", metrics, records.METRICS),
    ):
        if table.schema != schema:
            raise DataError(
                f"{run.path}: {name}.parquet has other columns than schema {records.SCHEMA}",
                "copy the folder again, or run it again with this benchkit",
            )
    return predictions, metrics


def _answers(
    folder: Path, predictions: pl.DataFrame, manifest: Manifest, place: Place
) -> dict[ProtocolName, dict[str, Prediction]]:
    """The recorded answers of each protocol that can be scored from them."""
    if predictions["case_id"].to_list() != list(place.cases.ids):
        raise _changed(folder, "predictions.parquet does not answer each case once, in order")
    rows = predictions.to_dicts()
    for row in rows:
        try:
            row["usage"] = json.loads(row["usage"])
        except (TypeError, ValueError):
            raise _changed(folder, f"the usage of case {row['case_id']!r} is no JSON") from None
    read: dict[ProtocolName, Any] = {"scored": _scored, "sampled": _sampled}
    found = {
        name: {row["case_id"]: make(row) for row in rows}
        for name, make in read.items()
        if name in manifest.identity["protocols"]
    }
    if not found:
        raise DataError(
            f"{folder}: it has only figures of the whole catalogue, whose scores are not recorded",
            "import a run of the protocol scored or sampled",
        )
    given = (p.status for answers in found.values() for p in answers.values())
    if odd := set(given) - set(get_args(Status)):
        raise _changed(folder, f"an answer has the status {odd.pop()!r}")
    return found


def _scored(row: Mapping[str, Any]) -> Prediction:
    usage = row["usage"].get("scored", {})
    return Prediction(
        row["case_id"], row["scores"], (), row["rationale"], row["status"], usage, row["lengths"]
    )


def _sampled(row: Mapping[str, Any]) -> Prediction:
    usage = row["usage"].get("sampled", {})
    samples = tuple(Sample(**sample) for sample in row["samples"] or ())
    return Prediction(row["case_id"], None, samples, None, row["sampled_status"], usage)


def _check_answers(folder: Path, given: pl.DataFrame, again: pl.DataFrame) -> None:
    for name in given.columns:
        if not given[name].equals(again[name]):
            raise _changed(folder, f"column {name!r} of predictions.parquet is not of these cases")


def _check_figures(
    folder: Path, manifest: Manifest, metrics: pl.DataFrame, results: list[Result]
) -> None:
    """What it says of its answers must be what its answers say."""
    for result in results:
        for (name,), again in result.metrics.group_by("metric", maintain_order=True):
            given = metrics.filter(protocol=result.protocol, metric=name)
            same = given["case_id"].to_list() == again["case_id"].to_list()
            if not same or not _close(given["value"].to_numpy(), again["value"].to_numpy()):
                raise _changed(
                    folder,
                    f"{result.protocol} {name} in metrics.parquet does not follow from its answers",
                )
        said = {s.metric: s for s in manifest.summary if s.protocol == result.protocol}
        for line in result.summary:
            own = said.get(line.metric)
            if own is None or own.n != line.n or not _close(own.mean, line.mean):
                raise _changed(
                    folder,
                    f"{result.protocol} {line.metric} is {own.mean if own else 'missing'} in its"
                    f" manifest, but its answers give {line.mean}",
                )


def _close(a: Any, b: Any) -> bool:
    return bool(np.abs(np.asarray(a) - np.asarray(b)).max(initial=0.0) <= _CLOSE)


def _short(value: object) -> str:
    return value[:16] if isinstance(value, str) else json.dumps(value, default=str)


def _changed(folder: Path, what: str) -> DataError:
    return DataError(f"{folder}: {what}", "it was changed after the run: copy the original folder")
