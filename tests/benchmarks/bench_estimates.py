"""How far off estimates of time and memory are: quickstart with seed 0, then with another seed.

Each seed is a command of its own, as a user would run it. The second one is estimated from the
records of the first; what it was expected to take and what it took stands in its manifests.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.report.leaderboard.expected_costs import ForecastError, compare_figures
from benchkit.runs.records import Manifest
from benchkit.runs.store import Store

FIGURES = {"Time": "seconds", "Memory": "memory (MB)", "Tokens": "tokens"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit-users", type=int, help="all by default")
    parser.add_argument("--method", default="", help="rows, comma-separated; all by default")
    parser.add_argument("--seed", type=int, default=1, help="the seed that is estimated")
    parser.add_argument("--store", type=Path, help="kept here; what it holds is not done again")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.store or Path(temporary)
        for seed in (0, options.seed):
            run_seed(folder, seed, options.method, options.limit_users)
        figures = measure_errors(read_manifests(folder / "runs", options.seed))
    figures = {"limit users": options.limit_users, "seed": options.seed, **figures}
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def run_seed(folder: Path, seed: int, method: str, users: int | None) -> None:
    command = [sys.executable, "-m", "benchkit", "run", "--suite", "quickstart"]
    command += ["--seed", str(seed), "--out", str(folder / "runs")]
    command += ["--data", str(folder / "data"), "--leaderboards", str(folder / "leaderboards")]
    command += ["--method", method] * bool(method)
    command += ["--limit-users", str(users)] * (users is not None)
    subprocess.run(command, check=True)


def read_manifests(store: Path, seed: int) -> list[Manifest]:
    manifests = (run.manifest() for run in Store(store).runs())
    return [manifest for manifest in manifests if manifest is not None and manifest.seed == seed]


def measure_errors(manifests: Sequence[Manifest]) -> dict[str, object]:
    """Median errors of each figure, over all rows and over those that take a second or more."""
    errors = {manifest.label: compare_figures(manifest) for manifest in manifests}
    summary: dict[str, object] = {}
    for title, name in FIGURES.items():
        compared = [row[title] for row in errors.values() if title in row]
        if compared:
            summary[name] = summarize(compared)
    longer = [row["Time"] for row in errors.values() if "Time" in row if row["Time"].measured >= 1]
    if longer:
        summary["seconds of rows of a second or more"] = summarize(longer)
    rows = {
        label: {
            name: {
                "expected": round(row[title].expected.value, 2),
                "low": round(row[title].expected.low, 2),
                "high": round(row[title].expected.high, 2),
                "measured": round(row[title].measured, 2),
            }
            for title, name in FIGURES.items()
            if title in row
        }
        for label, row in errors.items()
    }
    total = {
        "expected": round(sum(r["Time"].expected.value for r in errors.values() if "Time" in r), 1),
        "measured": round(sum(r["Time"].measured for r in errors.values() if "Time" in r), 1),
    }
    return {**summary, "all seconds": total, "rows": rows}


def summarize(errors: Sequence[ForecastError]) -> dict[str, float]:
    return {
        "rows": len(errors),
        "median error": round(median(error.error for error in errors), 4),
        "within their ranges": sum(error.is_covered for error in errors),
    }


if __name__ == "__main__":
    main()
