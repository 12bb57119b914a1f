"""How long it takes to report a large store: 60 methods on 8 tasks with 20,000 users each.

The store is made up (`support/result_store.py`). Reading it, every table, the papers' layout with
its tests, costs, plots and the page are timed, each report in a process of its own, and the peak
memory of the first is printed: the first report of a store, the same again, and once more after one
run has changed.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard.writer import write_leaderboard
from benchkit.report.paper.paper_table import build_paper_tables
from benchkit.runs.records import METRICS_SCHEMA
from benchkit.runs.store import Store
from tests.support.paper_results import paper_latex
from tests.support.result_store import make_store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--store", type=Path, help="made here, or used again if it is there")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--once", type=Path, help="only report the store, to this folder")
    options = parser.parse_args()
    if options.once:
        print(json.dumps(timed(Store(options.store), options.once)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.store or Path(temporary) / "runs"
        if not folder.exists():
            labels = [f"method-{i:02}" for i in range(options.methods)]
            tasks = [f"task-{i}" for i in range(options.tasks)]
            make_store(folder, labels, tasks, ("hr@1", "hr@5", "ndcg@5", "mrr"), options.users)
        sizes = {name: getattr(options, name) for name in ("methods", "tasks", "users")}
        text = json.dumps(sizes | three_reports(folder, Path(temporary) / "board"), indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def three_reports(folder: Path, board: Path) -> dict[str, float]:
    """The parts of the first report, and the seconds of those after it."""
    shutil.rmtree(Store(folder).report_cache, ignore_errors=True)
    first = report(folder, board)
    again = report(folder, board)["seconds"]
    change_run(Store(folder))
    changed = report(folder, board)["seconds"]
    return first | {
        "again, nothing changed": again,
        "again, one run changed": changed,
        "nothing changed / first": round(again / first["seconds"], 3),
        "one run changed / first": round(changed / first["seconds"], 3),
        "results of reports on disk (MB)": round(
            sum(path.stat().st_size for path in Store(folder).report_cache.iterdir()) / 1e6
        ),
    }


def report(folder: Path, board: Path) -> dict[str, float]:
    """`timed` in a new process, which has nothing in memory from the one before."""
    command = [sys.executable, __file__, "--store", str(folder), "--once", str(board)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(text))


def change_run(store: Store) -> None:
    """Turn the first metric of one run at its first case, as if it had been computed again."""
    run = next(iter(store.runs()))
    manifest, table = run.manifest(), run.metrics()
    values = table["value"].to_list()
    values[0] = 1.0 - values[0]
    first, *others = manifest.summary
    n = table.filter(metric=first.metric).height
    mean = first.mean + (2 * values[0] - 1) / n
    summary = [first.model_copy(update={"mean": mean}), *others]
    table = table.with_columns(pl.Series("value", values)).match_to_schema(METRICS_SCHEMA)
    update = {"summary": summary, "files": {}}
    run.finish(manifest.model_copy(update=update), {"metrics": table})


def timed(store: Store, board: Path) -> dict[str, float]:
    """Seconds of the parts, and the peak memory of this process in MB."""
    marks = [time.perf_counter()]
    results = collect_results(store, store.suites()[0])
    marks.append(time.perf_counter())
    write_leaderboard(results, store, board)
    marks.append(time.perf_counter())
    paper_latex(results.plan, build_paper_tables(results, store))
    marks.append(time.perf_counter())
    read, wrote, laid = (round(b - a, 1) for a, b in pairwise(marks))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "collect": read, "tables, plots and page": wrote, "papers' layout": laid,
        "seconds": round(marks[-1] - marks[0], 1), "peak memory (MB)": round(peak),
    }  # fmt: skip


if __name__ == "__main__":
    main()
