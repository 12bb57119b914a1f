"""A leaderboard's figures in two formats for sharing results of evaluations.

- Every Eval Ever: a JSON file a method, with all its figures, intervals and settings (version 0.3.0
  of its schema, `every_eval_ever/schemas/eval.schema.json` of github.com/evaleval/every_eval_ever).
- Evaluation results of the Hugging Face Hub: `.eval_results/SUITE.yaml` for the repository of each
  model, and `eval.yaml` for that of the benchmark, as https://huggingface.co/docs/hub/eval-results
  has them (which the Hub calls work in progress; optional fields are left out).

Only metrics between 0 and 1 are shared as Every Eval Ever: it wants the ends of a score.
"""

import hashlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit import __version__, io
from benchkit.api.records import select_tables
from benchkit.api.results import Results
from benchkit.errors import ConfigError
from benchkit.io import folder_name
from benchkit.report.core.results import ResultRow
from benchkit.runs.records import Manifest

EEE_VERSION = "0.3.0"
_UNIT_METRICS = (
    "hr", "ndcg", "mrr", "recall", "precision", "map", "graded-ndcg", "coverage", "gini", "valid",
    "refused", "truncated", "adherence", "avoidance", "serendipity",
)  # fmt: skip
_LOWER_IS_BETTER = ("gini", "refused", "truncated")


@dataclass(frozen=True)
class Publisher:
    """Who shares the figures.

    Attributes:
        organization: Its name.
        relationship: To the methods: "first_party", "third_party", "collaborative" or "other".
    """

    organization: str
    relationship: str = "other"


def write_every_eval(
    results: Results, folder: Path, publisher: Publisher, now: float | None = None
) -> list[Path]:
    """Write data/SUITE/benchkit/METHOD/UUID.json of each method with figures.

    Args:
        results: The suite's.
        folder: Where `data` goes.
        publisher: Who shares them.
        now: Unix time of the export, by default that of the call.
    """
    paths = []
    moment = str(time.time() if now is None else now)
    for label, rows in _rows_by_method(results).items():
        manifests = [m for row in rows for m in _manifests(results, row)]
        record = _every_eval_record(results, label, rows, manifests, publisher, moment)
        ids = json.dumps([manifest.run_id for manifest in manifests])
        name = uuid.UUID(bytes=hashlib.sha256(ids.encode()).digest()[:16], version=4)
        place = folder / "data" / folder_name(results.suite) / "benchkit" / folder_name(label)
        path = place / f"{name}.json"
        io.write_json(path, record)
        paths.append(path)
    return paths


def _rows_by_method(results: Results) -> dict[str, list[ResultRow]]:
    rows: dict[str, list[ResultRow]] = defaultdict(list)
    for table in select_tables(results.collected, "", ""):
        for row in table.rows:
            if row.cells:
                rows[row.label].append(row)
    return rows


def _manifests(results: Results, row: ResultRow) -> Iterator[Manifest]:
    for run_id in row.run_ids:
        run = results.store.run(results.suite, row.task, row.label, run_id)
        if (manifest := run.manifest()) is not None:
            yield manifest


def _every_eval_record(
    results: Results,
    label: str,
    rows: list[ResultRow],
    manifests: list[Manifest],
    publisher: Publisher,
    moment: str,
) -> dict[str, Any]:
    details = {
        "deployment_type": "self_deployed",
        "model_availability": "unknown",
        "family": rows[0].family,
        "method": str(manifests[0].identity.get("method", label)),
        "config": json.dumps(manifests[0].identity.get("config", {}), sort_keys=True),
        "run_ids": json.dumps(sorted({manifest.run_id for manifest in manifests})),
        "caveats": json.dumps(sorted({text for row in rows for text in row.caveats})),
    }
    ends = [manifest.finished for manifest in manifests if manifest.finished]
    return {
        "schema_version": EEE_VERSION,
        "evaluation_id": f"{results.suite}/benchkit/{label}/{moment}",
        **({"evaluation_timestamp": max(ends)} if ends else {}),
        "retrieved_timestamp": moment,
        "source_metadata": {
            "source_name": results.collected.plan.title,
            "source_type": "evaluation_run",
            "source_organization_name": publisher.organization,
            "evaluator_relationship": publisher.relationship,
        },
        "eval_library": {"name": "benchkit", "version": __version__},
        "model_info": {"name": label, "id": f"benchkit/{label}", "additional_details": details},
        "evaluation_results": [
            entry for row in rows for entry in _every_eval_results(results, row)
        ],
    }


def _every_eval_results(results: Results, row: ResultRow) -> Iterator[dict[str, Any]]:
    (manifest, *_) = _manifests(results, row)
    source = {
        "dataset_name": row.task,
        "source_type": "other",
        "additional_details": {"fingerprint": manifest.test_fingerprint},
    }
    for name, cell in row.cells.items():
        kind, _, cutoff = name.partition("@")
        if kind not in _UNIT_METRICS:
            continue
        uncertainty: dict[str, Any] = {"num_samples": cell.n}
        if cell.low is not None and cell.high is not None:
            uncertainty["confidence_interval"] = {
                "lower": cell.low,
                "upper": cell.high,
                "confidence_level": 0.95,
                "method": "bootstrap over users",
            }
        yield {
            "evaluation_result_id": f"{row.task}/{row.protocol}/{name}",
            "evaluation_name": f"{row.task} {row.protocol} {name}",
            "source_data": source,
            "metric_config": {
                "metric_id": name,
                "metric_name": name,
                "metric_kind": kind,
                **({"metric_parameters": {"k": int(cutoff)}} if cutoff else {}),
                "lower_is_better": kind in _LOWER_IS_BETTER,
                "score_type": "continuous",
                "min_score": 0.0,
                "max_score": 1.0,
            },
            "score_details": {
                "score": cell.mean,
                "details": {"users": str(cell.users), "seeds": json.dumps(list(row.seeds))},
                "uncertainty": uncertainty,
            },
        }


def write_eval_results(
    results: Results, folder: Path, benchmark: str, source_url: str = "", organization: str = ""
) -> list[Path]:
    """Write METHOD/.eval_results/SUITE.yaml of each method, and eval.yaml of the benchmark.

    Args:
        results: The suite's.
        folder: Where the files go.
        benchmark: Id of the benchmark's dataset on the Hub, "owner/name".
        source_url: Where a reader finds more of the figures.
        organization: Whose figures they are on the Hub; goes with `source_url`.

    Raises:
        ConfigError: `benchmark` is no such id.
    """
    if benchmark.count("/") != 1 or not all(benchmark.split("/")):
        raise ConfigError(f"{benchmark!r} is no dataset of the Hub", "write owner/name")
    paths, tasks = [], dict[str, ResultRow]()
    for label, rows in _rows_by_method(results).items():
        lines = []
        for row in rows:
            (manifest, *_) = _manifests(results, row)
            for name, cell in row.cells.items():
                tasks.setdefault(_task_id(row, name), row)
                lines += [
                    "- dataset:",
                    f"    id: {json.dumps(benchmark)}",
                    f"    task_id: {json.dumps(_task_id(row, name))}",
                    f"  value: {cell.mean!r}",
                ]
                if manifest.finished:
                    lines.append(f"  date: {json.dumps(manifest.finished)}")
                if source_url:
                    lines += ["  source:", f"    url: {json.dumps(source_url)}"]
                    lines += [f"    user: {json.dumps(organization)}"] if organization else []
                lines.append(f"  notes: {json.dumps(_notes(cell.low, cell.high, cell.n))}")
        path = folder / folder_name(label) / ".eval_results" / f"{folder_name(results.suite)}.yaml"
        io.write_text(path, "\n".join([*lines, ""]))
        paths.append(path)
    benchmark_file = folder / "eval.yaml"
    io.write_text(benchmark_file, _benchmark_text(results, tasks))
    return [*paths, benchmark_file]


def _task_id(row: ResultRow, metric: str) -> str:
    return f"{row.task}_{row.protocol}_{metric}"


def _notes(low: float | None, high: float | None, n: int) -> str:
    if low is None or high is None:
        return f"{n} cases; benchkit {__version__}"
    return f"95 % interval {low:.4f} to {high:.4f}, {n} cases; benchkit {__version__}"


def _benchmark_text(results: Results, tasks: dict[str, ResultRow]) -> str:
    plan = results.collected.plan
    lines = [
        f"name: {json.dumps(plan.title, ensure_ascii=False)}",
        f"description: {json.dumps(f'Suite {plan.suite} of benchkit.', ensure_ascii=False)}",
        "evaluation_framework: benchkit",
        "tasks:",
    ]
    for task in tasks:
        lines += [f"  - id: {json.dumps(task)}", "    config: cases", "    split: test"]
    return "\n".join([*lines, ""])
