"""Estimates of costs from the command line: before a run, at its start, and beside what it cost."""

import json
from pathlib import Path

import pytest

import benchkit as bk
from benchkit.api.plans import printed_plan
from benchkit.runs.estimates import announcement
from benchkit.runs.store import Store
from tests.support.command_line import said

SUITE = """
title = "Toy"
protocols = ["scored", "sampled"]
[[datasets]]
name = "toy"
source = "toy"
options = { users = 60, items = 50 }
candidates = { count = 10 }
[[methods]]
method = "popularity"
[[methods]]
method = "random"
"""
RUN = ("run", "--suite", "s.toml")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "s.toml").write_text(SUITE)
    return tmp_path


def manifests(seed):
    found = (run.manifest() for run in Store(Path("runs")).runs())
    return {m.label: m for m in found if m.seed == seed}


def test_the_second_seed_is_estimated_by_the_first(folder):
    assert "unknown; nothing like that is on record." in said(*RUN, "--dry-run")
    assert not (folder / "runs").exists()
    assert "expected" not in said(*RUN)
    first = manifests(0)
    assert all(m.expected is None for m in first.values())
    assert first["random"].size == {
        "users": 60, "items": 50, "interactions": first["random"].size["interactions"],
        "cases": 60, "candidates": 10, "catalog": 50,
    }  # fmt: skip

    before = sorted(path for path in folder.rglob("*"))
    printed = said(*RUN, "--seed", "1", "--dry-run")
    assert sorted(path for path in folder.rglob("*")) == before
    assert max(map(len, printed.splitlines())) <= 80
    assert "toy / popularity #1" in printed.partition("Expected costs")[2]
    assert "Total:" in printed and "one run at a time" in printed and "1 run" in printed

    lines = said(*RUN, "--seed", "1").splitlines()
    expected = [line for line in lines if line.startswith("expected")]
    assert len(expected) == 3 and expected[2].startswith("expected all 2")
    assert lines.index(expected[2]) < next(i for i, s in enumerate(lines) if s[:5] == "start")
    second = manifests(1)
    for label, manifest in second.items():
        forecast = manifest.expected.memory_mb
        assert forecast.value == pytest.approx(first[label].cost["peak_memory_mb"], abs=0.01)
        spent = ("fit_seconds", "scored_seconds", "sampled_seconds")
        seconds = sum(first[label].cost.get(name, 0.0) for name in spent)
        assert manifest.expected.seconds.value == pytest.approx(seconds, abs=0.01)

    report = said("report", "--suite", "s", "--costs")
    assert "Toy: toy, expected time and memory" in report and "Time: median error" in report
    assert "Memory: median error" in report and "popularity #1" in report
    assert "popularity #0" not in report  # nothing was expected of it
    assert "Memory: median error" in said("report", "--suite", "s", "--costs", "--format", "md")
    assert "Expected costs" not in said(*RUN, "--seed", "0,1", "--dry-run")


def test_python_has_the_figures_and_what_is_computed_costs_nothing(folder):
    bk.run("s.toml", methods="popularity", progress=False)
    planned = {(run.method, run.seed): run.expected for run in bk.plan("s.toml", seeds=[0, 1])}
    assert planned["popularity", 0].seconds.value == 0
    assert planned["popularity", 1].basis == "1 run"
    assert planned["random", 1].basis == "1 run of the family"
    assert json.loads(planned["popularity", 1].model_dump_json())["seconds"]["value"] > 0


def test_a_run_id_does_not_depend_on_estimates(folder):
    before = {run.method: run.run_id for run in bk.plan("s.toml", seeds=1)}
    bk.run("s.toml", progress=False)
    bk.run("s.toml", seeds=1, progress=False)
    assert {label: m.run_id for label, m in manifests(1).items()} == before


def test_a_row_that_does_not_fit_is_named_before_anything_starts(folder, monkeypatch):
    bk.run("s.toml", progress=False)
    monkeypatch.setattr(announcement, "measure_free_memory", lambda: 5.0)
    events = []
    bk.run("s.toml", seeds=1, progress=events.append)
    kinds = [event.kind for event in events]
    warnings = [event for event in events if event.kind == "warning"]
    assert [event.run for event in warnings] == ["toy / popularity #1", "toy / random #1"]
    assert all("more than the 5.0 MB that are free; hint:" in event.note for event in warnings)
    assert kinds.index("started") > max(i for i, kind in enumerate(kinds) if kind == "warning")
    monkeypatch.setattr(printed_plan, "measure_free_memory", lambda: 5.0)
    assert "warning   toy / random #2" in said(*RUN, "--seed", "2", "--dry-run")


def test_a_damaged_record_is_no_ground_for_an_estimate(folder):
    bk.run("s.toml", progress=False)
    for path in folder.glob("runs/s/toy/popularity/*/manifest.json"):
        path.write_text(path.read_text().replace('"fit_seconds": ', '"fit_seconds": 9'))
    planned = {run.method: run.expected for run in bk.plan("s.toml", seeds=1)}
    assert planned["popularity"].basis == "1 run of the family"
    assert planned["random"].basis == "1 run"


NANO = "config = { nano = { hidden = 16, steps = 20 } }\n"
TRAINED = SUITE.partition("[[methods]]")[0].replace(', "sampled"', "") + "".join(
    f'[[methods]]\nmethod = "{name}"\n{NANO}' for name in ("sft", "dpo")
)


@pytest.mark.slow
def test_a_fine_tuned_start_counts_in_the_row_that_is_first_to_need_it(folder):
    (folder / "s.toml").write_text(TRAINED)
    bk.run("s.toml", progress=False)
    first = manifests(0)
    planned = {run.method: run.expected.seconds.value for run in bk.plan("s.toml", seeds=1)}
    for label, shared in (("sft", ("nano",)), ("dpo", ("nano", "sft"))):
        cost = first[label].cost
        without = sum(cost[f"{name}_stage_seconds"] for name in shared)
        seconds = cost["fit_seconds"] + cost["scored_seconds"] - without
        assert planned[label] == pytest.approx(seconds, abs=0.02)
    alone = {
        run.method: run.expected.seconds.value for run in bk.plan("s.toml", methods="dpo", seeds=1)
    }
    assert alone["dpo"] > planned["dpo"]  # then it has to fine-tune the start itself


def test_a_method_under_two_labels_is_computed_once(folder):
    again = '[[methods]]\nmethod = "popularity"\nlabel = "again"\n'
    bk.run("s.toml", progress=False)
    (folder / "s.toml").write_text(SUITE + again)
    planned = {run.method: run.expected for run in bk.plan("s.toml", seeds=1)}
    assert planned["popularity"].seconds.value > 0 and planned["again"].seconds.value == 0
