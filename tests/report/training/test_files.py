"""What `benchkit diagnose` finds in a store, writes, draws and prints."""

import csv
import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchkit.cli.diagnose import diagnose_command as command
from benchkit.errors import ConfigError, StoreError
from benchkit.report.training.diagnostics import SuiteDiagnoses, diagnose_suite
from benchkit.report.training.files import (
    diagnosis_folders,
    diagnosis_summary,
    diagnosis_table,
    write_diagnosis_tables,
)
from benchkit.report.training.plots import write_diagnosis_plots
from benchkit.runs.records import Manifest, PlannedRow, PlanRecord
from benchkit.runs.store import Store
from tests.support.training_traces import COUNTS, line, preference, write

# A store


def add(store, task, label, lines=None, status="complete", seed=0, preferences=None):
    run_id = f"{label}{seed}"
    run = store.run("s", task, label, run_id)
    run.path.mkdir(parents=True)
    if lines is not None:
        write(run.artifacts / "steps.jsonl", lines)
    if preferences is not None:
        write(run.artifacts / "preferences.jsonl", preferences)
        (run.artifacts / "preferences.json").write_text(json.dumps(COUNTS))
    run.write_manifest(
        Manifest(
            run_id=run_id,
            row_id=label,
            status=status,
            suite="s",
            task=task,
            label=label,
            family="preference",
            seed=seed,
            identity={},
            provenance={},
            started="now",
        )
    )
    return PlannedRow(task=task, label=label, family="preference", seed=seed, run_id=run_id)


def capo_lines(steps=20):
    rng = np.random.default_rng(0)
    lines = []
    for step in range(steps):
        gaps, weights = [], []
        for chosen, hard, easy in np.round(rng.uniform(1, 7, (4, 3)), 2).tolist():
            gaps += [chosen - hard, chosen - easy, hard - easy]
            weights += [1 / (1 + math.exp(-gap)) for gap in gaps[-3:]]
        lines.append(line(step, (0.1 * step, 0.2 * step), gaps, weights))
    return lines


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs").create()
    rows = [
        add(store, "toy", "popularity"),
        add(store, "toy", "c-apo", capo_lines(), preferences=[preference(5, 6, 2)] * 4),
        add(store, "toy", "s-dpo", [line(s, (1.0, 2.0, 3.0)) for s in range(2)], "started"),
        add(store, "toy", "dpo", [line(0, (1.0,))], seed=0),
        add(store, "toy", "dpo", [line(0, (1.0,))], seed=1),
        add(store, "other", "dpo", status="failed"),
        PlannedRow(task="other", label="s-dpo", family="x", seed=0, run_id="0" * 16),
        PlannedRow(task="other", label="c-apo", family="x", seed=0, skip_reason="not installed: x"),
        PlannedRow(task="other", label="ease", family="cf", seed=0, run_id="1" * 16),
    ]
    store.update_plan(
        PlanRecord(
            suite="s",
            title="S",
            primary="ndcg@5",
            metrics=["ndcg@5"],
            protocols=["scored"],
            tasks=["toy", "other"],
            labels=["popularity", "c-apo", "s-dpo", "dpo", "ease"],
            rows=rows,
        )
    )
    return store


def test_runs_with_a_record_are_found_and_the_others_say_why_they_have_none(store):
    found = diagnose_suite(store, "s")
    assert [(own.label, own.seed) for own in found.diagnoses] == [
        ("c-apo", 0), ("s-dpo", 0), ("dpo", 0), ("dpo", 1),
    ]  # fmt: skip
    assert found.diagnoses[0].rejected_names == ("hard", "easy")
    assert found.diagnoses[1].rejected_names == ("rejected 1", "rejected 2", "rejected 3")
    assert found.skipped == (
        "other / dpo: failed, and preference training had not begun",
        "other / s-dpo: not run",
        "other / c-apo: not installed: x",
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("t",), "suite 't' has not been run"),
        (("s", "toys"), "without dataset 'toys'"),
        (("s", "", "capo"), "without method 'capo'"),
        (("s", "toy", "popularity"), "no preference method"),
        (("s", "other"), "other / s-dpo: not run"),
    ],
)
def test_nothing_to_diagnose_is_said(store, asked, message):
    with pytest.raises(StoreError) as caught:
        diagnose_suite(store, *asked)
    assert message in str(caught.value)


def test_tables_hold_what_was_found(store, tmp_path):
    found = diagnose_suite(store, "s")
    paths = {
        str(p.relative_to(tmp_path / "d")) for p in write_diagnosis_tables(found, tmp_path / "d")
    }
    assert paths == {
        "toy-c-apo/steps.csv", "toy-c-apo/weights.csv", "toy-c-apo/summary.json",
        "toy-s-dpo/steps.csv", "toy-s-dpo/summary.json",
        "toy-dpo-seed0/steps.csv", "toy-dpo-seed0/summary.json",
        "toy-dpo-seed1/steps.csv", "toy-dpo-seed1/summary.json", "conflicts.csv",
    }  # fmt: skip
    with (tmp_path / "d" / "toy-c-apo" / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "step", "lead_hard", "lead_easy", "margin_hard", "margin_easy", "smoothed_hard",
        "smoothed_easy", "leads", "beyond_10", "saturated_weights", "beta",
    ]  # fmt: skip
    assert [float(row["margin_easy"]) for row in rows] == pytest.approx(0.2 * np.arange(20))
    with (tmp_path / "d" / "toy-c-apo" / "weights.csv").open() as file:
        bins = list(csv.DictReader(file))
    assert sum(int(row["count"]) for row in bins) == 2 * 4 * 4 * 2  # phases, steps, users, pairs
    assert all((row["mean"] == "") == (row["count"] == "0") for row in bins)
    with (tmp_path / "d" / "conflicts.csv").open() as file:
        assert list(csv.reader(file))[1] == ["toy", "c-apo", "0", "4", "1", "1", "0", "0"]
    told = json.loads((tmp_path / "d" / "toy-c-apo" / "summary.json").read_text())
    assert told == diagnosis_summary(found.diagnoses[0])
    assert told["start"]["margin"] == {"hard": 0.15, "easy": 0.3}
    assert told["end"]["steps"] == 4
    assert told["end"]["beyond_10"] == 0 and 0 < told["end"]["saturated_weights"] < 0.2
    assert list(rows[0].values())[8] == "0" and float(rows[0]["saturated_weights"]) * 8 % 1 == 0
    plain = json.loads((tmp_path / "d" / "toy-s-dpo" / "summary.json").read_text())
    assert plain["end"]["saturated_weights"] is None
    assert told["conflicts"]["asked"] == 9 and told["conflicts"]["hard"] == 1
    assert told["weight_and_score_gap"][0]["spearman"] == pytest.approx(1)


def test_the_table_shows_start_and_end(store):
    rows = diagnosis_table(diagnose_suite(store, "s")).rows
    assert rows[0][:4] == ("toy / c-apo", "20", "0.22 to 2.62", "0.50 to 0.50")
    assert rows[0][4] == "0.00 to 0.00" and rows[0][7:] == ("1.00 to 1.00", "1.00")
    assert rows[1][0] == "toy / s-dpo (started)" and rows[1][5:] == ("", "", "", "")
    assert [row[0] for row in rows[2:]] == ["toy / dpo", "toy / dpo #1"]


def test_labels_that_are_one_on_disk_have_folders_of_their_own(store):
    own = diagnose_suite(store, "s", "toy", "s-dpo").diagnoses[0]
    alike = [replace(own, label=label) for label in ("m 1", "m/1", "m" * 300)]
    names = diagnosis_folders(SuiteDiagnoses("s", tuple(alike), ()))
    assert names[:2] == ["toy-m-1", "toy-m-1-2"] and len(names[2]) <= 120


# Plots


def test_plots_are_the_same_bytes_again_and_leave_matplotlib_as_it_was(store, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    found = diagnose_suite(store, "s", label="c-apo")
    before = dict(matplotlib.rcParams)
    paths = write_diagnosis_plots(found, tmp_path / "one")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False}):
        write_diagnosis_plots(found, tmp_path / "two")
    assert dict(matplotlib.rcParams) == before
    names = {path.relative_to(tmp_path / "one").as_posix() for path in paths}
    assert names == {
        f"{name}.{kind}"
        for name in (*(f"toy-c-apo/{n}" for n in ("margins", "shares", "weights")), "conflicts")
        for kind in ("svg", "png")
    }
    for name in names:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes(), name
        if name.endswith("svg"):
            text = content.decode()
            assert text.startswith("<?xml") and text.endswith("</svg>\n")
            assert "dc:date" not in text
        else:
            assert content.startswith(b"\x89PNG")
    assert {p.name for p in (tmp_path / "one").iterdir()} == {
        "toy-c-apo", "conflicts.svg", "conflicts.png",
    }  # fmt: skip


def test_a_label_with_signs_of_mathematics_can_be_drawn(store, tmp_path):
    pytest.importorskip("matplotlib")
    row = add(store, "toy", "5$ _x_ ^{", [line(s, (1.0,) * 7) for s in range(3)])
    plan = store.plan("s")
    store.update_plan(plan.model_copy(update={"rows": [row], "labels": [row.label]}))
    found = diagnose_suite(store, "s", "toy", row.label)
    assert all(path.stat().st_size > 1000 for path in write_diagnosis_plots(found, tmp_path))


def test_a_loss_without_weights_has_no_plot_of_them(store, tmp_path):
    pytest.importorskip("matplotlib")
    paths = write_diagnosis_plots(diagnose_suite(store, "s", "toy", "s-dpo"), tmp_path)
    assert {path.stem for path in paths} == {"margins", "shares"}


# The command


@pytest.fixture
def invoke(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    app = typer.Typer()
    app.command()(command)
    return lambda *arguments: CliRunner().invoke(app, ["--suite", "s", *arguments])


def test_the_command_writes_and_prints(invoke, tmp_path):
    pytest.importorskip("matplotlib")
    done = invoke("--dataset", "toy", "--method", "c-apo")
    assert done.exit_code == 0, done.output
    assert "toy / c-apo" in done.output and "0.22 to 2.62" in done.output
    folder = tmp_path / "leaderboards" / "s" / "diagnostics"
    assert (folder / "toy-c-apo" / "weights.svg").is_file()
    assert (folder / "toy-c-apo" / "steps.csv").is_file()


def test_the_command_writes_elsewhere_and_names_what_it_leaves_out(invoke, tmp_path):
    pytest.importorskip("matplotlib")
    done = invoke("--to", "here", "--out", "runs")
    assert done.exit_code == 0, done.output
    assert "not shown: other / s-dpo: not run" in done.output
    assert "popularity" not in done.output  # no preference method
    assert (tmp_path / "here" / "conflicts.png").is_file()
    assert not (tmp_path / "leaderboards").exists()


def test_the_command_says_what_is_wrong(invoke):
    done = invoke("--method", "popularity")
    assert isinstance(done.exception, StoreError)
    assert "no preference method" in str(done.exception)


def test_without_matplotlib_the_tables_are_written(invoke, tmp_path, monkeypatch):
    def missing(*_):
        raise ConfigError("plots need matplotlib", "pip install 'benchkit[plots]'")

    monkeypatch.setattr("benchkit.report.training.plots.write_diagnosis_plots", missing)
    done = invoke("--to", "here", "--method", "c-apo")
    assert done.exit_code == 0
    assert "benchkit[plots]" in done.output
    assert (tmp_path / "here" / "toy-c-apo" / "summary.json").is_file()
    assert not list((tmp_path / "here").rglob("*.svg"))


def test_matplotlib_that_is_missing_is_a_mendable_error(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match="benchkit\\[plots\\]"):
        write_diagnosis_plots(diagnose_suite(store, "s", "toy", "dpo"), tmp_path)


def test_reading_loads_no_matplotlib_and_no_torch():
    code = (
        "import sys, benchkit.report.training.plots, benchkit.report.training.files;"
        "import benchkit.cli.diagnose;"
        "assert not {'matplotlib', 'torch', 'scipy'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
