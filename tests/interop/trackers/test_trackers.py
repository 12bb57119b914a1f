"""Trackers get the records of runs, say what fails, and change nothing."""

import json
import sqlite3
import sys
from pathlib import Path

import pytest

import benchkit as bk
from benchkit.errors import ConfigError
from benchkit.interop.trackers import TRACKERS
from benchkit.interop.trackers.base import Tracker
from benchkit.interop.trackers.tracked_runs import make_tracked_run, read_curves
from benchkit.runs.store import Store
from tests.support.suites import METHODS, make_suite

TRACKER = """
import json, os
from pathlib import Path


class Lines:
    def __init__(self, folder):
        self.file = Path("lines.jsonl")

    def log(self, run):
        with self.file.open("a") as file:
            file.write(json.dumps([run.name, run.status, run.scalars(), dict(run.config)]) + "\\n")
        return str(self.file)

    def close(self):
        Path("closed").touch()


class NoFolder(Lines):
    def __init__(self, folder):
        raise OSError("no disk")


class Breaks(Lines):
    def log(self, run):
        raise ValueError("[red]down[/] again")


class BreaksAtTheEnd(Lines):
    def close(self):
        raise RuntimeError
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recs.py").write_text(METHODS)
    (tmp_path / "sinks.py").write_text(TRACKER)
    return tmp_path


def run(trackers, *names, **options):
    events = []
    results = bk.run(
        make_suite(*names), trackers=trackers, progress=events.append, executor="inline", **options
    )
    return results, [event for event in events if event.kind == "warning"]


def test_a_tracker_of_ones_own_gets_every_run_that_is_computed(folder):
    results, warnings = run("sinks.py:Lines", "Counts", "Raises")
    assert not warnings and (folder / "closed").exists()
    lines = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    assert [(name, status) for name, status, *_ in lines] == [
        ("toy/Counts#0", "complete"), ("toy/Raises#0", "failed"),
    ]  # fmt: skip
    scalars, config = lines[0][2:]
    row = results.to_polars().filter(method="Counts", metric="ndcg@5").row(0, named=True)
    assert scalars["scored/ndcg@5"] == row["mean"]
    assert scalars["scored/ndcg@5.low"] == row["low"]
    assert scalars["scored/ndcg@5.chance"] == row["chance"]
    assert scalars["cost/fit_seconds"] >= 0
    assert config["method"] == "Counts" and config["seed"] == 0
    run("sinks.py:Lines", "Counts", "Raises")
    assert len((folder / "lines.jsonl").read_text().splitlines()) == 2


def test_a_tracker_that_fails_is_said_and_no_run_fails(folder):
    names = ("sinks.py:NoFolder", "sinks.py:Breaks", "sinks.py:BreaksAtTheEnd", "sinks.py:Lines")
    results, warnings = run(names, "Counts", "Noise")
    assert results.run_report.n_failed == 0 and results.methods == ("Counts", "Noise")
    assert [(event.run, event.note.partition(";")[0]) for event in warnings] == [
        ("tracker sinks.py:NoFolder", "no disk"),
        ("tracker sinks.py:Breaks", "[red]down[/] again"),
        ("tracker sinks.py:BreaksAtTheEnd", "RuntimeError"),
    ]
    assert len((folder / "lines.jsonl").read_text().splitlines()) == 4  # of two that work


def test_figures_are_the_same_with_and_without(folder):
    with_tracker, _ = run("sinks.py:Breaks", "Counts")
    without, _ = run((), "Counts", store=folder / "other")
    assert with_tracker.to_polars().equals(without.to_polars())


def test_the_environment_names_trackers(folder, monkeypatch):
    monkeypatch.setenv("BENCHKIT_TRACKERS", "sinks.py:Lines, ")
    run((), "Counts")
    assert (folder / "lines.jsonl").exists()


def test_unknown_trackers_are_refused_before_anything_is_computed(folder):
    with pytest.raises(ConfigError, match="unknown tracker 'tensorbord'"):
        run("tensorbord", "Counts")
    with pytest.raises(ConfigError, match="is not a tracker: it has no log, close"):
        run("recs.py:Counts", "Counts")
    assert not (folder / "runs").exists() or not list((folder / "runs").rglob("manifest.json"))


@pytest.mark.parametrize("name", list(TRACKERS))
def test_trackers_of_benchkit_have_the_interface(name):
    cls = TRACKERS.load(name)
    assert all(callable(getattr(cls, member)) for member in ("log", "close"))
    assert isinstance(object.__new__(cls), Tracker)


def test_a_package_that_is_not_installed_is_said(folder, monkeypatch):
    for name in ("mlflow.tracking", "wandb", "trackio", "tensorboard.summary.writer"):
        monkeypatch.setitem(sys.modules, name, None)
    results, warnings = run(tuple(TRACKERS), "Counts")
    assert len(warnings) == 4 and not results.failures
    assert "pip install 'benchkit[mlflow]'" in warnings[0].note


def test_curves(tmp_path):
    lines = [
        {"step": 0, "loss": 4, "lead": [1, 3], "flag": True, "what": "x"},
        {"step": 0, "loss": 2, "lead": [None, 5]},
        {"step": 1, "loss": 9}, {"step": 2, "loss": 9},
        {"step": 1, "loss": 1.5}, {"loss": 3}, {"step": 2, "loss": float("nan")},
    ]  # fmt: skip
    (tmp_path / "sft").mkdir()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "sft" / "steps.jsonl").write_text(text + "{broken\n[1]\n")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    assert read_curves(tmp_path) == {
        "sft/steps/loss": [(0, 3.0), (1, 1.5)], "sft/steps/lead": [(0, 3.5)],
    }  # fmt: skip
    assert read_curves(tmp_path / "none") == {}


def tracked_run(tmp_path):
    """A run with curves, as trackers get it."""
    run((), "Noise")
    store = Store(tmp_path / "runs")
    (row,) = store.require_plan("small").rows
    stored = store.run("small", row.task, row.label, row.run_id)
    stored.artifacts.mkdir()
    steps = "".join(json.dumps({"step": k, "loss": 1 / (k + 1)}) + "\n" for k in range(5))
    (stored.artifacts / "steps.jsonl").write_text(steps)
    return make_tracked_run(stored, stored.recorded_manifest())


def test_tensorboard_logs_are_read_back(folder):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record = tracked_run(folder)
    tracker = TRACKERS.load("tensorboard")(folder / "tb")
    tracker.log(record)
    place = tracker.log(record)  # again: replaced, not doubled
    tracker.close()
    read = EventAccumulator(place).Reload()
    tags = read.Tags()
    for name, value in record.scalars().items():
        (event,) = read.Scalars(name)
        assert (event.step, event.value) == (0, pytest.approx(value, rel=1e-6))
    losses = [(e.step, e.value) for e in read.Scalars("training/steps/loss")]
    assert losses == [(k, pytest.approx(1 / (k + 1))) for k in range(5)]
    assert "run" in tags["tensors"]
    text = read.Tensors("run")[0].tensor_proto.string_val[0].decode()
    assert str(record.manifest) in text and record.run_id in text


def test_mlflow_logs_are_read_back(folder, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    record = tracked_run(folder)
    tracker = TRACKERS.load("mlflow")(folder / "ml")
    tracker.log(record)
    tracker.close()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(folder / "ml").as_uri())
    experiment = client.get_experiment_by_name("small")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.status == "FINISHED"
    assert logged.data.metrics["scored/ndcg_5"] == record.scalars()["scored/ndcg@5"]
    assert logged.data.metrics["scored/ndcg_5.low"] == record.scalars()["scored/ndcg@5.low"]
    assert logged.data.params["method"] == "Noise" and logged.data.params["config.scale"] == "1.0"
    assert logged.data.tags["benchkit.manifest"] == str(record.manifest.resolve())
    history = client.get_metric_history(logged.info.run_id, "training/steps/loss")
    assert sorted((m.step, m.value) for m in history) == [(k, 1 / (k + 1)) for k in range(5)]


@pytest.mark.slow
def test_wandb_writes_an_offline_run(folder, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    record = tracked_run(folder)
    tracker = TRACKERS.load("wandb")(folder / "wb")
    tracker.log(record)
    tracker.close()
    (offline,) = (folder / "wb" / "wandb").glob("offline-run-*")
    (file,) = offline.glob("run-*.wandb")
    content = file.read_bytes()
    assert b"scored/ndcg@5" in content and record.run_id.encode() in content
    assert b"training/steps/loss" in content


@pytest.mark.slow
def test_trackio_holds_the_run(folder):
    pytest.importorskip("trackio")
    record = tracked_run(folder)
    tracker = TRACKERS.load("trackio")(folder / "tio")
    place = Path(tracker.log(record))
    tracker.close()
    (database,) = place.rglob("small*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select metrics from metrics order by id").fetchall()
    logged = [json.loads(row[0]) for row in rows]
    assert [line["training/steps/loss"] for line in logged[:5]] == [1 / (k + 1) for k in range(5)]
    assert logged[5]["scored/ndcg@5"] == record.scalars()["scored/ndcg@5"]
