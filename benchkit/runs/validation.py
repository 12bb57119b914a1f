"""Check suites, catalogs, and that the tables of a store agree with each other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchkit import cards
from benchkit.cards import Card
from benchkit.config.suite import list_shipped_suites
from benchkit.config.suite_code import find_code
from benchkit.config.suite_outline import outline_suite
from benchkit.errors import BenchkitError, ConfigError
from benchkit.evaluation.lookup import DEFAULT_PROTOCOL, metric_by_name
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.evaluation.protocols.sampled import Sampled, recompute_values
from benchkit.fingerprint import hash_json
from benchkit.runs import records
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run, Store


@dataclass(frozen=True)
class ValidationCheck:
    """The result of one check."""

    subject: str
    ok: bool
    detail: str = ""


def validate_path(path: Path | None = None) -> Iterator[ValidationCheck]:
    """Check a suite file, a catalog file or a run store; without a path, all that is shipped."""
    if path is None:
        for name in list_shipped_suites():
            yield from _check_suite(name)
        listed = [*cards.list_cards().values(), *cards.list_cards("judge").values()]
        yield from _check_cards(listed, run_code=True)
    elif path.is_dir():
        yield from _check_store(path)
    elif path.name == "catalog.toml":
        yield from _check_cards(cards.read_catalog(path).values())
    elif path.suffix == ".toml":
        yield from _check_suite(str(path))
    else:
        raise ConfigError(
            f"{path}: cannot be checked",
            "give a suite (.toml), a catalog.toml, or the folder of a run store",
        )


def _check_suite(name: str) -> Iterator[ValidationCheck]:
    """Check a suite; code that it names is looked at, and not run."""
    try:
        outline = outline_suite(name)
    except BenchkitError as error:
        yield ValidationCheck(f"suite {name}", False, str(error))
        return
    suite = outline.suite
    wrong = [f"{ref.key}: {ref.problem}" for ref in outline.code if ref.problem]
    for method in suite.methods:
        if method.name in outline.unknown_rows():
            continue
        try:
            cards.build_config(cards.find_card(method.method), method.config)
        except BenchkitError as error:
            wrong.append(f"{method.name}: {error.cause}")
    for judge in suite.judging.judges if suite.judging else ():
        try:
            cards.build_config(cards.find_card(judge.judge, "judge"), judge.config)
        except BenchkitError as error:
            wrong.append(f"{judge.name}: {error.cause}")
    what = f"suite {suite.name}: {len(suite.tasks)} tasks, {len(suite.methods)} methods"
    code = [f"not run: {ref.key} = {ref.target}" for ref in outline.code]
    yield ValidationCheck(what, not wrong, "; ".join([*wrong, *code]))


def _check_cards(to_check: Iterable[Card], run_code: bool = False) -> Iterator[ValidationCheck]:
    """Check cards; `run_code`: also those whose code is of no package that benchkit knows."""
    for card in to_check:
        what = f"{card.kind} {card.name}"
        if not run_code and (code := list(find_code({"method": card.target}))):
            problems = [ref.problem for ref in code if ref.problem]
            yield ValidationCheck(what, not problems, "; ".join(problems) or "its code is not run")
            continue
        try:
            if "*" in card.name or card.kind == "judge":  # judges have settings without a default
                cards.load_class(card)
            else:
                cards.build_config(card, {})
        except BenchkitError as error:
            yield ValidationCheck(what, False, error.cause)
        else:
            yield ValidationCheck(what, True)


def _check_store(root: Path) -> Iterator[ValidationCheck]:
    if not (root / "store.json").is_file():
        yield ValidationCheck(f"folder {root}", False, "is no run store: it has no store.json")
        return
    try:
        store = Store(root)
    except BenchkitError as error:
        yield ValidationCheck(f"store {root}", False, str(error))
        return
    for run in store.runs():
        where = str(run.path.relative_to(root))
        try:
            manifest = run.manifest()
            problems = [] if manifest is None else list(_run_problems(store, run, manifest))
        except (BenchkitError, OSError, pl.exceptions.PolarsError) as error:
            problems = [str(error)]
        yield ValidationCheck(where, not problems, "; ".join(problems))


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
        if mean is None or n != line.n or abs(mean - line.mean) > 1e-12:
            yield f"{line.protocol} {line.metric} is {line.mean}, but its cases give {mean} (n={n})"


def _answer_problems(metrics: pl.DataFrame, predictions: pl.DataFrame) -> Iterator[str]:
    """Yield a message unless exactly the cases with scores count as answered."""
    valid = metrics.filter(protocol=DEFAULT_PROTOCOL.name, metric="valid")["value"]
    answered = predictions["scores"].is_not_null().sum()
    counted = round(float(valid.sum()))
    if counted != answered:
        yield f"{answered} cases have scores, but {counted} of {len(valid)} count as valid"


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
        if wrong or np.abs(stored["value"].to_numpy() - values).max(initial=0.0) > 1e-12:
            yield f"{Sampled.name} {name} does not follow from the samples"
