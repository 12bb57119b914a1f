"""How fast models of four billion parameters score, sample and train on this GPU.

Nothing is downloaded: the weights are random, in bfloat16 and in the shapes of Qwen3-4B and
Gemma-3-4B (text). Each task is done in the usual way and in ours, with every kind of attention; and
the ways must agree as far as bfloat16 lets them. A measurement that fails is recorded with its
reason and the others go on; what does not fit into the budget is skipped, the least important
first. The figures go to a JSON file; the exit status is 1 if ways disagree or nothing was measured.

`--toy` does the same at toy sizes on a CPU, to see that it works: its figures mean nothing.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.gpu.plan import PLAN, SIZES, TOY_SIZES, Measurement
from tests.benchmarks.gpu.report import (
    RULE,
    add_comparisons,
    as_row,
    disagreements,
    text_line,
    training_ratios,
)

BUDGET = 450  # seconds; starting and ending take some of the eight minutes, too
PACKAGES = ("torch", "transformers", "accelerate", "triton", "trl", "liger-kernel", "vllm")

Lines = list[dict[str, Any]]


def measure_all(plan: Sequence[Measurement], toy: bool, deadline: float) -> tuple[Lines, Lines]:
    """Do the measurements of a plan in processes of their own.

    Returns:
        What each gave, and what the processes say of the device (the last counts).
    """
    results: dict[str, dict[str, Any]] = {}
    environments: Lines = []
    while remaining := [each for each in plan if each.name not in results]:
        if time.time() >= deadline:
            reason = "the budget was spent"
            results |= {
                e.name: {"name": e.name, "status": "skipped", "reason": reason} for e in remaining
            }
            break
        lines, ended = run_worker(remaining, toy, deadline)
        environments += [line["environment"] for line in lines if "environment" in line]
        results |= {line["name"]: line for line in lines if "name" in line}
        begun = [line["begins"] for line in lines if "begins" in line]
        lost = [name for name in begun if name not in results]
        if not begun and not any("name" in line for line in lines):
            lost = [each.name for each in remaining]  # it cannot even start
        results |= {name: {"name": name, "status": "failed", "reason": ended} for name in lost}
    return [results[each.name] for each in plan], environments


def run_worker(plan: Sequence[Measurement], toy: bool, deadline: float) -> tuple[Lines, str]:
    """Let one process do what it can; return the lines that it wrote, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "lines.jsonl", Path(folder) / "log.txt"
        file.touch()
        command = [sys.executable, str(Path(__file__)), "--worker", str(file), str(deadline)]
        command += ["--toy"] if toy else []
        command += ["--only", *(each.name for each in plan)]
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
        gpus = environment.get("CUDA_VISIBLE_DEVICES", "0")
        environment["CUDA_VISIBLE_DEVICES"] = gpus.partition(",")[0]  # one, however many there are
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, env=environment, start_new_session=True
            )
            try:
                status = process.wait(max(0.0, deadline - time.time()))
                ended = f"its process ended with status {status}"
                if status:
                    last = log.read_text(errors="replace").strip().splitlines()[-1:]
                    ended = ": ".join([ended, *last])
            except subprocess.TimeoutExpired:
                ended = "it had not ended when the budget was spent"
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        whole = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [json.loads(line) for line in whole], ended


def versions() -> dict[str, str | None]:
    """Versions of the packages that matter; None for those that are not installed."""
    installed: dict[str, str | None] = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            installed[package] = None
    return installed


def check(plan: Sequence[Measurement], toy: bool, budget: float) -> dict[str, Any]:
    """Measure, compare, and return what goes to the file."""
    start = time.time()
    lines, environments = measure_all(plan, toy, start + budget)
    rows = [as_row(each, line) for each, line in zip(plan, lines, strict=True)]
    add_comparisons(rows)
    return {
        **(environments[-1] if environments else {}),
        "toy": toy,
        "versions": versions(),
        "sizes": asdict(TOY_SIZES if toy else SIZES),
        "budget_seconds": budget,
        "seconds_in_all": round(time.time() - start, 1),
        "agreement": RULE,
        "disagreements": disagreements(rows),
        "training_ratios": training_ratios(rows),
        "measurements": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds for everything")
    parser.add_argument("--toy", action="store_true", help="toy sizes, on a CPU")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", default=[each.name for each in PLAN],
        help="measurements by name: model/task/way",
    )  # fmt: skip
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.only) - {each.name for each in PLAN}:
        parser.error(f"no such measurements: {', '.join(sorted(unknown))}")
    plan = [each for each in PLAN if each.name in args.only]
    if args.worker:
        from tests.benchmarks.gpu.worker import work

        file, deadline = args.worker
        work(plan, Path(file), args.toy, float(deadline))
        return
    figures = check(plan, args.toy, args.budget)
    rows = figures["measurements"]
    print(*map(text_line, rows), sep="\n")
    if not any(row["status"] == "measured" for row in rows):
        sys.exit("nothing was measured")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(figures, indent=1) + "\n")
    if figures["disagreements"]:
        sys.exit("ways disagree: " + "; ".join(figures["disagreements"]))


if __name__ == "__main__":
    main()
