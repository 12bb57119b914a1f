"""Kill machines of a cluster of Ray's at random moments, and compare what is stored.

A small suite is computed once with one run at a time, and then on a local cluster of several node
processes that share no folder, again and again in fresh stores, while a node is killed at random
moments and another one comes. Every store must then hold the same bytes of metrics and answers.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.config.suite import Suite
from benchkit.runs.executors.ray import RayConfig, RayExecutor
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import execute_plan, plan_runs
from benchkit.runs.progress import RunEvent
from tests.support.ray_nodes import start_nodes

TABLES = ("metrics.parquet", "predictions.parquet")
METHODS = '''
import time
from benchkit.types import Prediction


class Slow:
    """Draws its scores, after a while."""

    capabilities = frozenset({"scores"})

    def fit(self, data, run):
        run.progress.start("waiting", 10)
        for _ in range(10):
            time.sleep(0.1)
            run.progress.advance()

    def predict(self, requests, run):
        for request in requests:
            scores = run.generator(request.case_id).normal(size=len(request.candidates))
            yield Prediction(request.case_id, scores.tolist())
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--runs", type=int, default=6, help="runs of the suite")
    parser.add_argument("--seconds", type=float, default=6.0, help="between kills, at most")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(kill_nodes(Path(name), **vars(arguments)), indent=1))


def kill_nodes(
    folder: Path, kills: int, nodes: int = 3, runs: int = 6, seconds: float = 6.0, seed: int = 0
) -> dict[str, int]:
    """Return how many nodes were killed, and what became of the runs; raise where bytes differ."""
    (folder / "slow.py").write_text(METHODS)
    suite = make_suite(folder, runs)
    expected = read_tables(suite, folder, "inline")
    counts = {"kills": 0, "suites": 0, "runs": 0, "begun anew": 0}

    def count_losses(event: RunEvent) -> None:
        counts["begun anew"] += event.kind == "waiting" and "begins anew" in event.note

    with start_nodes(nodes) as cluster:
        rng, enough, stop = random.Random(seed), threading.Event(), threading.Event()

        def kill() -> None:
            while counts["kills"] < kills and not stop.wait(rng.uniform(0.5, seconds)):
                cluster.kill(rng.randrange(len(cluster.nodes)))
                counts["kills"] += 1
                cluster.add()
            enough.set()
            stop.wait()  # nodes end with the thread that has started them

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            while not enough.is_set():
                executor = RayExecutor(config=RayConfig(retries=100))
                store = f"ray-{counts['suites']}"
                tables = read_tables(suite, folder, store, executor, count_losses)
                assert tables == expected, "other bytes than with one run at a time"
                counts["suites"] += 1
                counts["runs"] += runs
                print(json.dumps(counts), flush=True)
        finally:
            stop.set()
            killer.join()
    return counts


def make_suite(folder: Path, runs: int) -> Suite:
    return Suite.model_validate({
        "name": "kills", "title": "Kills", "seeds": list(range(runs)),
        "datasets": [{"name": "toy", "source": "toy", "options": {"users": 30}}],
        "methods": [{"method": f"{folder / 'slow.py'}:Slow"}],
    })  # fmt: skip


def read_tables(
    suite: Suite, folder: Path, name: str, executor: object = "", emit: object = None
) -> dict[str, bytes]:
    """Compute a suite into a store of this name, and return the bytes of its tables."""
    options = RunOptions(store=folder / name, data=folder / "data", executor=executor)  # type: ignore[arg-type]
    outcomes = list(execute_plan(plan_runs(suite, options), emit or (lambda _: None)))  # type: ignore[arg-type]
    assert len(outcomes) == len(suite.seeds), "each run counts once"
    assert all(outcome.computed for outcome in outcomes)
    for outcome in outcomes:
        assert outcome.manifest.status == "complete", outcome.manifest.error
        assert outcome.job.run.manifest() == outcome.manifest
    root = folder / name
    return {
        str(path.relative_to(root)): path.read_bytes()
        for table in TABLES
        for path in root.rglob(table)
    }


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
