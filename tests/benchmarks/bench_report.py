"""How long it takes to report a large store: 60 methods on 8 tasks with 20,000 users each.

The store is made up (`report/site_store.py`); reading it, every table, the papers' layout with its
tests, costs, plots and the page are timed in one process, and its peak memory is printed.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard.writer import write_leaderboard
from benchkit.report.paper.paper_table import build_paper_tables
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
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.store or Path(temporary) / "runs"
        if not folder.exists():
            labels = [f"method-{i:02}" for i in range(asked.methods)]
            tasks = [f"task-{i}" for i in range(asked.tasks)]
            make_store(folder, labels, tasks, ("hr@1", "hr@5", "ndcg@5", "mrr"), asked.users)
        found = {name: getattr(asked, name) for name in ("methods", "tasks", "users")}
        text = json.dumps(found | timed(Store(folder), Path(temporary)), indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n", encoding="utf-8")


def timed(store: Store, folder: Path) -> dict[str, float]:
    """Seconds of the parts, and the peak memory of this process in MB."""
    marks = [time.perf_counter()]
    results = collect_results(store, store.suites()[0])
    marks.append(time.perf_counter())
    write_leaderboard(results, store, folder / "leaderboard")
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
