"""What the runs of a plan are expected to cost, each and all together."""

import heapq
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from benchkit.data.preparation.cache import dataset_dir
from benchkit.data.spec import CandidateSpec, DatasetSpec
from benchkit.errors import DataError
from benchkit.runs.estimates.expected import NOTHING, ExpectedCosts, Forecast, sum_forecasts
from benchkit.runs.estimates.history import (
    PastRun,
    RunFeatures,
    collect_past_runs,
    measure_training,
    read_features,
)
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
    past = collect_past_runs(store)
    stages = SharedStages(past, store.cache.is_dir())
    processor = str(collect_provenance()["processor"])
    costs = []
    for job in jobs:
        features = describe_job(job, past, processor)
        settings = {**job.card.config, **job.method.config}
        costs.append(RunEstimator(job.card, features, past).estimate(stages, settings))
    return costs


def describe_job(job: Job, past: Sequence[PastRun], processor: str) -> RunFeatures:
    """Return the features of a job, with its size from prepared data or earlier runs."""
    features = read_features(job.identity, job.card.family, processor, {})
    size = _read_training_size(job.train, job.data) | _read_test_size(job)
    for run in past:
        there = run.features.size
        if run.features.train == features.train:
            size |= {n: there[n] for n in ("users", "items", "interactions") if n in there}
        if run.features.asks_like(features):
            size |= {n: there[n] for n in ("cases", "candidates", "catalog") if n in there}
    return read_features(job.identity, job.card.family, processor, size)


def _read_report(spec: DatasetSpec, data: Path) -> dict[str, int]:
    """Return the counts of a prepared dataset, nothing where it is not prepared."""
    try:
        text = (dataset_dir(spec, data) / "dataset.json").read_text(encoding="utf-8")
        report: dict[str, int] = json.loads(text)["report"]
    except (OSError, ValueError, KeyError, TypeError, DataError):
        return {}
    return report if isinstance(report, dict) else {}


def _read_training_size(spec: DatasetSpec, data: Path) -> dict[str, float]:
    report = _read_report(spec, data)
    names = ("users", "items", "interactions")
    return measure_training(*(report[n] for n in names)) if report.keys() >= {*names} else {}


def _read_test_size(job: Job) -> dict[str, float]:
    """Return how many cases a job asks, of how many items; several cases of a user count."""
    report = _read_report(job.test, job.data)
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
