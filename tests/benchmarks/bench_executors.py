"""What Ray costs a suite on one machine, against `--jobs`: rows of quickstart, and tiny runs.

The same rows are computed anew by both executors in turns, after a cluster of Ray's with as many
CPUs has started and each has computed something: what is left is what Ray adds to a suite. The
tiny runs take hardly any time themselves, so their figure is what scheduling one costs: shipping
it, computing it elsewhere, and recording it here.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.api.suites import resolve_suite
from benchkit.config.suite import Suite
from benchkit.runs.executors.ray import RayExecutor
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import execute_plan, plan_runs

ROWS = "random,popularity,item-knn,ease,markov"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--rows", default=ROWS, help="methods of quickstart")
    parser.add_argument("--limit-users", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny-runs", type=int, default=300)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    arguments = parser.parse_args()
    import ray

    root = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [root, os.environ.get("PYTHONPATH", "")])
    )
    ray.init(
        "local", num_cpus=arguments.cpus, include_dashboard=False, logging_level="warning",
        object_store_memory=200 * 2**20,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name), arguments)
    ray.shutdown()
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    methods = tuple(arguments.rows.split(","))
    rows = RunOptions(methods=methods, limit_users=arguments.limit_users, data=folder / "data")
    tiny = make_tiny_suite(2 * arguments.cpus)
    for executor in ("processes", "ray"):  # starts what is started once
        run_once(tiny, RunOptions(data=folder / "data"), folder, executor, arguments.cpus)
    quickstart = resolve_suite("quickstart")
    for executor in ("processes", "ray"):  # what each method imports is then there
        run_once(quickstart, rows, folder, executor, arguments.cpus)
    figures = {
        "cpus": arguments.cpus,
        "load before": round(os.getloadavg()[0], 1),
        "rows of quickstart": {
            "rows": list(methods),
            "users": arguments.limit_users or "all",
            **compare(quickstart, rows, folder, arguments.cpus, arguments.rounds),
        },
    }
    tiny = make_tiny_suite(arguments.tiny_runs)
    options = RunOptions(data=folder / "data")
    seconds = compare(tiny, options, folder, arguments.cpus, 1)
    figures["tiny runs"] = {
        "runs": arguments.tiny_runs,
        "ms a run, processes": round(1000 * seconds["processes"] / arguments.tiny_runs, 1),
        "ms a run, ray": round(1000 * seconds["ray"] / arguments.tiny_runs, 1),
        "ms a run that ray adds": round(
            1000 * (seconds["ray"] - seconds["processes"]) / arguments.tiny_runs, 1
        ),
    }
    return figures


def make_tiny_suite(runs: int) -> Suite:
    return Suite.model_validate({
        "name": f"tiny{runs}", "title": "Tiny", "seeds": list(range(runs)),
        "datasets": [{"name": "toy", "source": "toy", "options": {"users": 30}}],
        "methods": [{"method": "random"}],
    })  # fmt: skip


def compare(
    suite: Suite, options: RunOptions, folder: Path, cpus: int, rounds: int
) -> dict[str, float]:
    """Return the median seconds of each executor, and what share Ray adds."""
    seconds: dict[str, list[float]] = {"processes": [], "ray": []}
    for _ in range(rounds):
        for executor, values in seconds.items():
            values.append(run_once(suite, options, folder, executor, cpus))
    median = {name: statistics.median(values) for name, values in seconds.items()}
    added = (median["ray"] - median["processes"]) / median["processes"]
    return {**{k: round(v, 3) for k, v in median.items()}, "added share": round(added, 4)}


def run_once(suite: Suite, options: RunOptions, folder: Path, executor: str, cpus: int) -> float:
    """Return the seconds of computing all runs into a fresh store."""
    store = Path(tempfile.mkdtemp(dir=folder))
    if executor == "ray":  # whose cluster has so many CPUs
        chosen = replace(options, store=store, executor=RayExecutor())
    else:
        chosen = replace(options, store=store, executor=executor, jobs=cpus)
    plan = plan_runs(suite, chosen)
    started = time.perf_counter()
    for outcome in execute_plan(plan, lambda _: None):
        assert outcome.manifest.status == "complete" and outcome.computed, outcome.manifest.error
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
