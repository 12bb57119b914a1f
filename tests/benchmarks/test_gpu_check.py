"""The GPU check: at toy sizes on a CPU, and what becomes of failures and of other numbers."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks import gpu_check
from tests.benchmarks.gpu.plan import BASES, KINDS, PLAN, Measurement
from tests.benchmarks.gpu.report import add_comparisons, disagreements, training_ratios

SCRIPT = Path(gpu_check.__file__)
UNTRAINABLE = {(kind, "preference", "flex") for kind in KINDS}  # on a CPU
OPTIONAL = {"trl": "trl", "trl with liger": "liger_kernel", "vllm": "vllm"}


def run(*arguments):
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def row(way, task="scoring", **figures):
    return {"model": "qwen3", "task": task, "way": way, "status": "measured", **figures}


@pytest.mark.slow
def test_all_measurements_work_at_toy_sizes(tmp_path):
    out = tmp_path / "folder" / "gpu.json"
    done = run("--toy", "--out", str(out))
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert figures["device"] == "cpu" and figures["toy"] and figures["dtype"] == "bfloat16"
    assert figures["disagreements"] == []
    assert figures["versions"]["torch"] and figures["sizes"]["responses"] == 3
    assert {m["vocab_size"] for m in figures["models"].values()} == {320}
    rows = {(r["model"], r["task"], r["way"]): r for r in figures["measurements"]}
    assert list(rows) == list(PLAN)
    for key, each in rows.items():
        if key in UNTRAINABLE:
            assert "cannot train on a CPU" in each["reason"]
        elif each["status"] == "failed":
            assert each["reason"] == f"{OPTIONAL[each['way']]} is not installed"
        else:
            assert each["status"] == "measured"
            assert each["seconds"] > 0 and each["speedup"] > 0
            assert each["agrees"] is (None if each["task"] == "rollouts" else True)
            assert each["way"] == "vllm" or each["peak_memory_mb"] > 0
    for kind in KINDS:
        losses = [
            rows[kind, "preference", way]["loss"] for way in ("concatenated", "padded", "grouped")
        ]
        assert max(losses) - min(losses) < 0.05 and min(losses) > 0
        norms = [rows[kind, "sft", way]["gradient_norm"] for way in ("all logits", "own")]
        assert norms[0] == pytest.approx(norms[1], rel=0.1)
        assert rows[kind, "scoring", "flex"]["error"] < 0.05
        assert rows[kind, "rollouts", "own"]["tokens_per_second"] > 0


def test_what_does_not_fit_is_skipped_and_nothing_is_written(tmp_path):
    out = tmp_path / "gpu.json"
    done = run("--toy", "--budget", "0", "--out", str(out))
    assert done.returncode == 1 and "nothing was measured" in done.stderr
    assert done.stdout.count("skipped: the budget was spent") == len(PLAN)
    assert not out.exists()


def test_a_lost_process_loses_one_measurement(monkeypatch):
    plan, calls = PLAN[:4], []

    def worker(remaining, toy, deadline):
        calls.append(len(remaining))
        if len(calls) == 1:
            first, second = remaining[0].name, remaining[1].name
            lines = [{"environment": {"device": "x"}}, {"begins": first}]
            return [*lines, {"name": first, "status": "measured"}, {"begins": second}], "status -9"
        return [{"begins": e.name} for e in remaining] + [
            {"name": e.name, "status": "measured"} for e in remaining
        ], "status 0"

    monkeypatch.setattr(gpu_check, "run_worker", worker)
    lines, environments = gpu_check.measure_all(plan, True, time.time() + 60)
    assert [line["status"] for line in lines] == ["measured", "failed", "measured", "measured"]
    assert lines[1]["reason"] == "status -9"
    assert calls == [4, 2] and environments == [{"device": "x"}]


def test_a_process_that_cannot_start_fails_all(monkeypatch):
    monkeypatch.setattr(gpu_check, "run_worker", lambda *_: ([], "no GPU"))
    lines, _ = gpu_check.measure_all(PLAN[:3], False, time.time() + 60)
    assert [(line["status"], line["reason"]) for line in lines] == [("failed", "no GPU")] * 3


def test_a_process_is_ended_with_the_budget():
    lines, ended = gpu_check.run_worker(PLAN[:1], True, time.time() + 0.2)
    assert lines == [] and ended == "it had not ended when the budget was spent"


@pytest.mark.parametrize(
    ("figures", "names"),
    [
        ({"error": 0.02, "gradient_norm": 5.2}, []),
        ({"error": 0.2, "gradient_norm": 5.2}, ["error"]),
        ({"error": 0.02, "gradient_norm": 4.0}, ["gradient_norm"]),
        ({"error": float("nan"), "gradient_norm": float("nan")}, ["error", "gradient_norm"]),
    ],
)
def test_other_numbers_are_named(figures, names):
    usual = row("repeated", seconds=2.0, error=0.015, gradient_norm=5.0)
    rows = [usual, row("flex", seconds=0.5, **figures)]
    add_comparisons(rows)
    assert rows[1]["speedup"] == 4.0 and rows[1]["agrees"] is not bool(names)
    assert rows[1]["differences"] == names
    expected = [f"qwen3/scoring/flex: {', '.join(names)}"] if names else []
    assert disagreements(rows) == expected


def test_without_the_usual_way_nothing_is_said_to_agree():
    failed = row("repeated") | {"status": "failed", "reason": "out of memory"}
    rows = [failed, row("flex", seconds=0.5, error=0.01)]
    add_comparisons(rows)
    assert rows[1]["agrees"] is None and "speedup" not in rows[1]
    assert disagreements(rows) == []


def test_ratios_of_training_are_those_of_one_model():
    rows = [row(way, "preference", seconds=s) for way, s in (("trl", 8.0), ("grouped", 2.0))]
    assert training_ratios(rows) == {"qwen3": {"trl / grouped": 4.0}}


def test_the_important_comes_first_and_each_task_has_its_usual_way():
    assert [each.task for each in PLAN[:4]] == ["scoring"] * 4
    assert PLAN[-1].way == "vllm"
    assert len(set(PLAN)) == len(PLAN)
    for kind in KINDS:
        for task, way in BASES.items():
            assert Measurement(kind, task, way) in PLAN
