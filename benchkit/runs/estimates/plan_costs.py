"""What the runs of a plan are expected to cost, each and all together."""

import heapq
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchkit.data.preparation.cache import dataset_dir
from benchkit.data.spec import CandidateSpec, DatasetSpec
from benchkit.errors import DataError
from benchkit.runs.estimates.expected_costs import (
    COMPUTED_BEFORE,
    NOTHING,
    ExpectedCosts,
    Forecast,
    sum_forecasts,
)
from benchkit.runs.estimates.history import measure_training, read_features, read_history
from benchkit.runs.estimates.run_estimator import RunEstimator
from benchkit.runs.estimates.shared_stages import SharedStages
from benchkit.runs.job import Job
from benchkit.runs.provenance import collect_provenance
from benchkit.runs.store import Store


def estimate_jobs(jobs: Sequence[Job]) -> list[ExpectedCosts]:
    """Return what each of these jobs is expected to cost, which are computed in this order.

    Nothing is prepared or written: of data that were never prepared, no size is known.
    """
    if not jobs:
        return []
    store = Store(jobs[0].store)
    history = read_history(store)
    stages = SharedStages(history.runs, store.cache.is_dir() and any(store.cache.iterdir()))
    processor = str(collect_provenance()["processor"])
    reports: dict[str, dict[str, int]] = {}
    costs: list[ExpectedCosts] = []
    run_ids = set[str]()
    for job in jobs:
        if job.run_id in run_ids:  # a method under two labels is computed once
            costs.append(COMPUTED_BEFORE)
            continue
        run_ids.add(job.run_id)
        size: dict[str, float] = {}
        for spec, key in ((job.train, "train"), (job.test, "test")):
            identity = str(job.identity[key])
            if identity not in reports:
                reports[identity] = _read_report(spec, job.data)
            read = _training_size if key == "train" else _test_size
            size |= read(job, reports[identity])
        features = read_features(job.identity, job.card.family, processor, size)
        features = replace(features, size={**features.size, **history.find_size(features)})
        settings = {**job.card.config, **job.method.config}
        costs.append(RunEstimator(job.card, features, history).estimate(stages, settings))
    return costs


def _read_report(spec: DatasetSpec, data: Path) -> dict[str, int]:
    """Return the counts of a prepared dataset, nothing where it is not prepared."""
    try:
        text = (dataset_dir(spec, data) / "dataset.json").read_text(encoding="utf-8")
        report: dict[str, int] = json.loads(text)["report"]
    except (OSError, ValueError, KeyError, TypeError, DataError):
        return {}
    return report if isinstance(report, dict) else {}


def _training_size(_: Job, report: Mapping[str, int]) -> dict[str, float]:
    names = ("users", "items", "interactions")
    return measure_training(*(report[n] for n in names)) if report.keys() >= {*names} else {}


def _test_size(job: Job, report: Mapping[str, int]) -> dict[str, float]:
    """Return how many cases a job asks, of how many items; all cases of a user are asked."""
    size: dict[str, float] = {}
    if isinstance(job.test.candidates, CandidateSpec):
        size["candidates"] = float(job.test.candidates.count)
    if report.keys() >= {"users", "items", "test_cases"}:
        share = 1.0
        if job.limit_users is not None and report["users"]:
            share = min(1.0, job.limit_users / report["users"])
        size |= {"catalog": float(report["items"]), "cases": report["test_cases"] * share}
    return size


def count_workers(jobs: int, threads: int) -> int:
    """Return how many runs advance at full speed side by side on this machine."""
    return max(1, min(jobs, (os.cpu_count() or 1) // threads))


def schedule_runs(costs: Collection[ExpectedCosts], workers: int = 1) -> Forecast:
    """Return how long runs take together, begun in this order as soon as there is room.

    What is not known of runs is left out.
    """
    known = [cost.seconds for cost in costs if cost.seconds is not None]
    if workers == 1:
        return sum_forecasts(known)
    ends = {end: [0.0] * workers for end in ("value", "low", "high")}
    for seconds in known:
        for end, queue in ends.items():
            heapq.heappush(queue, heapq.heappop(queue) + getattr(seconds, end))
    return Forecast(**{end: max(queue) for end, queue in ends.items()}) if known else NOTHING
