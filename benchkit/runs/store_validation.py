"""Check a run store: that its files are what was written, and that they agree with each other."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchkit.count_text import count_text
from benchkit.errors import BenchkitError, DamageError, in_one_line
from benchkit.evaluation.lookup import DEFAULT_PROTOCOL, metric_by_name
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.evaluation.protocols.sampled import Sampled, recompute_values
from benchkit.fingerprint import hash_json
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdict_table import count_verdicts
from benchkit.runs import records
from benchkit.runs.record_tables import READ_ERRORS
from benchkit.runs.records import JudgementManifest, Manifest, PlanRecord
from benchkit.runs.store import Run, Store

_OF_A_RUN = ("manifest.json", "predictions.parquet", "metrics.parquet", "judgements")
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class ValidationCheck:
    """The result of one check."""

    subject: str
    ok: bool
    detail: str = ""


def check_store(root: Path) -> Iterator[ValidationCheck]:
    """Check the plan and the ledger of each suite of a store, every run and every judgement."""
    try:
        store = Store(root)
    except BenchkitError as error:
        yield ValidationCheck(f"store {root}", False, str(error))
        return
    suites = store.suite_folders()
    if not suites and not (root / "store.json").is_file():
        yield ValidationCheck(f"folder {root}", False, "is no run store: it has no store.json")
        return
    if suites and not (root / "store.json").is_file():
        detail = "store.json is missing: run a suite again, which writes it"
        yield ValidationCheck(f"store {root}", False, detail)
    for folder in suites:
        yield from _check_suite(store, folder)


def _check_suite(store: Store, folder: Path) -> Iterator[ValidationCheck]:
    """Check one suite: its ledger and plan, then its runs, those that are gone included."""
    problems: list[str] = []
    plan = None
    paths = {path.parent for path in folder.glob("*/*/*/*") if path.name in _OF_A_RUN}
    try:
        problems += store.ledger(folder.name).problems()
        plan = store.plan(folder.name)
        if plan is None:
            problems.append("plan.json is missing: run the suite again")
        else:
            paths |= {
                store.run(plan.suite, row.task, row.label, row.run_id).path
                for row in plan.rows
                if row.run_id
            }
    except BenchkitError as error:
        problems.append(str(error))
    yield ValidationCheck(f"suite {folder.name}", not problems, "; ".join(problems))
    for path in sorted(paths):
        run = store.run_at(path)
        yield from _check_run(store, run)
    if plan is not None:
        yield from _check_plan_rows(store, plan)


def _check_run(store: Store, run: Run) -> Iterator[ValidationCheck]:
    where = run.path.relative_to(store.root).as_posix()
    detail = ""
    try:
        manifest = run.manifest()
        if manifest is not None:
            problems = list(_run_problems(store, run, manifest))
            if manifest.status == "failed":
                detail = f"records a failure: {in_one_line(str(manifest.error))}"
            if not records.has_checksums(manifest.schema_version):
                detail = f"schema {manifest.schema_version} has no checksums: damage can be unseen"
        elif run.path.is_dir() and any((run.path / name).exists() for name in _OF_A_RUN):
            problems = ["damaged: manifest.json is missing: run it again"]
        else:
            return  # planned, and not run so far
    except (BenchkitError, *READ_ERRORS) as error:
        problems = [str(error)]
    yield ValidationCheck(where, not problems, "; ".join(problems) or detail)
    yield from _check_judgements(store, run)


def _check_judgements(store: Store, run: Run) -> Iterator[ValidationCheck]:
    """Check the judgements of a run that is there; those that are gone stand in the ledger."""
    for path in run.judgement_paths():
        try:
            judgement = run.read_judgement(path)
            problems = [] if judgement is None else list(_judgement_problems(run, judgement))
        except (BenchkitError, *READ_ERRORS) as error:
            problems = [str(error)]
        where = path.relative_to(store.root).as_posix()
        yield ValidationCheck(where, not problems, "; ".join(problems))


def _judgement_problems(run: Run, judgement: JudgementManifest) -> Iterator[str]:
    """Yield what is wrong with a judgement whose files are what was written."""
    if hash_json(judgement.identity) != judgement.judge_id:
        yield "its id is not the hash of its identity"
    if judgement.status != "complete":
        return
    if Rubric.model_validate(judgement.rubric).hash != judgement.rubric_hash:
        yield "its rubric is not that of its hash"
    verdicts = run.verdicts(judgement)
    if count_verdicts(verdicts) != judgement.counts:
        yield "its counts are not those of its verdicts"


def _check_plan_rows(store: Store, plan: PlanRecord) -> Iterator[ValidationCheck]:
    """Check that each row of a plan names the run that it was made for."""
    for row in plan.rows:
        if row.run_id is None:
            continue
        with suppress(DamageError):  # of the run, which has a line of its own
            manifest = store.run(plan.suite, row.task, row.label, row.run_id).manifest()
            row_id = row.row_id or (manifest and manifest.row_id)
            if manifest and (manifest.seed, manifest.row_id) != (row.seed, row_id):
                name = f"{plan.suite}: {row.task} / {row.label} #{row.seed}"
                yield ValidationCheck(name, False, f"the plan names another run: {row.run_id}")


def _run_problems(store: Store, run: Run, manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with a run."""
    if hash_json(manifest.identity) != manifest.run_id or run.path.name != manifest.run_id:
        yield "its id is not the hash of its identity"
    if manifest.status == "started" and not store.is_locked(manifest.run_id):
        yield "interrupted: run the suite again"
    if manifest.status != "complete":
        return
    metrics, predictions = run.metrics(), run.predictions()
    expected = records.predictions_schema(manifest.schema_version)
    if metrics.schema != records.METRICS_SCHEMA or not _has_schema(predictions, expected, manifest):
        yield "its tables have other columns than this schema"
        return
    yield from _mean_problems(manifest, metrics)
    if DEFAULT_PROTOCOL.name in manifest.identity["protocols"]:
        yield from _answer_problems(metrics, predictions)
    if Sampled.name in manifest.identity["protocols"]:
        yield from _sample_problems(manifest, metrics, predictions)


def _has_schema(
    predictions: pl.DataFrame, expected: records.TableSchema, manifest: Manifest
) -> bool:
    """Return whether a record has the expected columns, and else answers of its protocols only."""
    added = {f"{name}_answer" for name in manifest.identity["protocols"]} - expected.keys()
    return predictions.drop(added, strict=False).schema == expected


def _mean_problems(manifest: Manifest, metrics: pl.DataFrame) -> Iterator[str]:
    """Yield summaries that are not the mean of their cases."""
    means = metrics.group_by("protocol", "metric").agg(pl.col("value").mean(), pl.len())
    by_name = {(p, m): (mean, n) for p, m, mean, n in means.iter_rows()}
    for line in manifest.summary:
        if line.low is None:
            continue  # such a metric has no per-case values
        mean, n = by_name.get((line.protocol, line.metric), (None, 0))
        if mean is None or n != line.n or abs(mean - line.mean) > _TOLERANCE:
            yield f"{line.protocol} {line.metric} is {line.mean}, but its cases give {mean} (n={n})"


def _answer_problems(metrics: pl.DataFrame, predictions: pl.DataFrame) -> Iterator[str]:
    """Yield a message unless exactly the cases with scores count as answered."""
    valid = metrics.filter(protocol=DEFAULT_PROTOCOL.name, metric="valid")["value"]
    answered = predictions["scores"].is_not_null().sum()
    counted = round(float(valid.sum()))
    if counted != answered:
        yield (
            f"scores: of {count_text(int(answered), 'case')}, but {counted} of {len(valid)} count"
            " as valid"
        )


def _sample_problems(
    manifest: Manifest, metrics: pl.DataFrame, predictions: pl.DataFrame
) -> Iterator[str]:
    """Yield metrics whose values do not follow from the recorded samples."""
    recorded = metrics.filter(protocol=Sampled.name)
    rank_metrics = []
    for name in recorded["metric"].unique(maintain_order=True).to_list():
        metric = metric_by_name(name)  # None for one from a file
        if isinstance(metric, RankMetric) and not metric.is_weighted:
            rank_metrics.append(metric)
    n = int(manifest.identity["decoding"]["n"])
    again = recompute_values(predictions, rank_metrics, n)
    for name, values in again.items():
        stored = recorded.filter(metric=name)
        wrong = stored["case_id"].to_list() != predictions["case_id"].to_list()
        if wrong or np.abs(stored["value"].to_numpy() - values).max(initial=0.0) > _TOLERANCE:
            yield f"{Sampled.name} {name} does not follow from the samples"
