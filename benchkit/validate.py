"""Checks that need no computing: suites, catalogs, and that a store says what its records say."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchkit import records, registry
from benchkit.config import load_suite, shipped_suites
from benchkit.errors import BenchkitError, ConfigError
from benchkit.identity import digest
from benchkit.records import Manifest
from benchkit.registry import Card
from benchkit.store import Run, Store


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    what: str
    ok: bool
    detail: str = ""


def examine(path: Path | None = None) -> Iterator[Finding]:
    """Check a suite file, a catalog file or a run store; without a path all that is shipped."""
    if path is None:
        for name in shipped_suites():
            yield from _suite(name)
        yield from _cards(registry.cards())
    elif path.is_dir():
        yield from _store(path)
    elif path.name == "catalog.toml":
        yield from _cards(registry.read_catalog(path))
    elif path.suffix == ".toml":
        yield from _suite(str(path))
    else:
        raise ConfigError(
            f"{path}: nothing that can be checked",
            "give a suite (.toml), a catalog.toml, or the folder of a run store",
        )


def _suite(name: str) -> Iterator[Finding]:
    try:
        suite = load_suite(name)
    except BenchkitError as error:
        yield Finding(f"suite {name}", False, str(error))
        return
    wrong = []
    for method in suite.methods:
        try:
            registry.config_of(registry.find(method.method), method.config)
        except BenchkitError as error:
            wrong.append(f"{method.name}: {error.cause}")
    what = f"suite {suite.name}: {len(suite.tasks)} tasks, {len(suite.methods)} methods"
    yield Finding(what, not wrong, "; ".join(wrong))


def _cards(found: dict[str, Card]) -> Iterator[Finding]:
    for name, card in found.items():
        try:
            if "*" in name:
                registry.recommender_class(card)
            else:
                registry.config_of(card, {})
        except BenchkitError as error:
            yield Finding(f"method {name}", False, error.cause)
        else:
            yield Finding(f"method {name}", True)


def _store(root: Path) -> Iterator[Finding]:
    try:
        store = Store(root)
    except BenchkitError as error:
        yield Finding(f"store {root}", False, str(error))
        return
    for run in store.runs():
        where = str(run.path.relative_to(root))
        try:
            manifest = run.manifest()
            problems = [] if manifest is None else list(_run(store, run, manifest))
        except (BenchkitError, OSError, pl.exceptions.PolarsError) as error:
            problems = [str(error)]
        yield Finding(where, not problems, "; ".join(problems))


def _run(store: Store, run: Run, manifest: Manifest) -> Iterator[str]:
    """What is wrong with a run, if anything."""
    if digest(manifest.identity) != manifest.run_id or run.path.name != manifest.run_id:
        yield "its id is not the hash of its identity"
    if manifest.status == "started" and not store.held(manifest.run_id):
        yield "interrupted: run the suite again"
    if manifest.status != "complete":
        return
    metrics, predictions = run.metrics(), run.predictions()
    if metrics.schema != records.METRICS or predictions.schema != records.PREDICTIONS:
        yield "its tables have other columns than this schema"
        return
    means = metrics.group_by("protocol", "metric").agg(pl.col("value").mean(), pl.len())
    by_name = {(p, m): (mean, n) for p, m, mean, n in means.iter_rows()}
    for line in manifest.summary:
        if line.low is None:
            continue  # such a metric has no per-case values
        mean, n = by_name.get((line.protocol, line.metric), (None, 0))
        if mean is None or n != line.n or abs(mean - line.mean) > 1e-12:
            yield f"{line.protocol} {line.metric} is {line.mean}, but its cases give {mean} (n={n})"
    answered = predictions.filter(pl.col("scores").is_not_null())["case_id"].n_unique()
    valid = by_name.get(("scored", "valid"))
    if valid is not None and round(valid[0] * valid[1]) != answered:
        yield f"{answered} cases have scores, but {valid[0]:.4f} of {valid[1]} count as valid"
