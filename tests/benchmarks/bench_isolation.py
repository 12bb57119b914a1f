"""What a process of its own costs a run: many cases, and hardly any.

The same suite is run with each method in a process of its own, as it always is, and in the
harness's process, in turns in this process. Two methods: popularity, whose answers cost next to
nothing, so that all that is left is the harness and the way between the processes, and EASE.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.config.suite import Suite
from benchkit.processes.recommender import LocalRecommender
from benchkit.runs import execution, plan
from benchkit.runs.options import RunOptions

ITEMS, EVENTS = 3000, 9
METHODS = ("popularity", "ease")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small-rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_interactions(folder / "many.csv", arguments.cases)
        write_interactions(folder / "few.csv", 400)
        titles = [f"title {item}" for item in range(ITEMS)]
        pl.DataFrame({"item": range(ITEMS), "title": titles}).write_csv(folder / "items.csv")
        figures = {
            "cases": arguments.cases,
            "many cases": compare(folder, "many", arguments.rounds),
            "400 cases": compare(folder, "few", arguments.small_rounds),
        }
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def write_interactions(path: Path, users: int) -> None:
    """Write `EVENTS` interactions a user, with items as popular as in real data."""
    rng = np.random.default_rng(0)
    weight = 1 / (np.arange(ITEMS) + 20)
    item = rng.choice(ITEMS, (users, EVENTS), p=weight / weight.sum())
    user = np.repeat(np.arange(users), EVENTS)
    time_column = np.tile(np.arange(EVENTS) + 1_600_000_000, users)
    pl.DataFrame({"user": user, "item": item.ravel(), "timestamp": time_column}).write_csv(path)


def compare(folder: Path, name: str, rounds: int) -> dict[str, object]:
    """Return method -> seconds of a run in both ways, and what the own process adds."""
    figures: dict[str, object] = {}
    for method in METHODS:
        suite = Suite.model_validate({
            "name": f"{name}-{method}", "title": name, "metrics": ["hr@1", "ndcg@5", "mrr"],
            "datasets": [{
                "name": name, "source": "table", "k_core": 1, "duplicates": "first",
                "options": {
                    "interactions": str(folder / f"{name}.csv"),
                    "items": str(folder / "items.csv"),
                },
            }],
            "methods": [{"method": method}],
        })  # fmt: skip
        run_once(suite, folder)  # prepares the data, and starts what processes are forked from
        seconds: dict[str, list[float]] = {"own process": [], "same process": []}
        for _ in range(rounds):
            seconds["own process"].append(run_once(suite, folder))
            with mock.patch.object(execution, "open_recommender", open_here):
                seconds["same process"].append(run_once(suite, folder))
        median = {way: statistics.median(values) for way, values in seconds.items()}
        added = median["own process"] - median["same process"]
        figures[method] = {
            **{way: round(value, 3) for way, value in median.items()},
            "added seconds": round(added, 3),
            "added share": round(added / median["same process"], 4),
        }
    return figures


def run_once(suite: Suite, folder: Path) -> float:
    """Return the seconds of computing the suite's only run anew."""
    options = RunOptions(store=folder / "runs", data=folder / "data", overwrite="always")
    started = time.perf_counter()
    (outcome,) = plan.execute_plan(plan.plan_runs(suite, options), lambda _: None)
    assert outcome.manifest.status == "complete", outcome.manifest.error
    return time.perf_counter() - started


@contextmanager
def open_here(start: object, *_: object) -> Iterator[LocalRecommender]:
    """Give the recommender of a run without another process."""
    yield LocalRecommender(start)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
