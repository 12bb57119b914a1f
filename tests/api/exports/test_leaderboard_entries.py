"""Every Eval Ever and the Hub's evaluation results: the figures, and the forms that are wanted."""

import json
import os
from pathlib import Path

import pytest

from benchkit.api.exports.leaderboard_entries import (
    EEE_VERSION,
    Publisher,
    write_eval_results,
    write_every_eval,
)
from benchkit.errors import ConfigError
from tests.support.hostile_suites import run_hostile_suite


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_hostile_suite(tmp_path_factory.mktemp("entries"))


@pytest.fixture
def records(results, tmp_path):
    paths = write_every_eval(results, tmp_path, Publisher("Us", "third_party"), now=1e9)
    return {r["model_info"]["name"]: r for r in (json.loads(p.read_text("utf-8")) for p in paths)}


def test_every_figure_is_there_with_its_interval(results, records):
    assert list(records) == list(results.methods)
    figures = results.to_polars().filter(method="by hash ☂", subgroup="")
    entries = {e["evaluation_name"]: e for e in records["by hash ☂"]["evaluation_results"]}
    n = 0
    for row in figures.iter_rows(named=True):
        name = f"{row['task']} {row['protocol']} {row['metric']}"
        if row["metric"].partition("@")[0] in ("hr", "ndcg", "mrr", "valid"):
            details = entries[name]["score_details"]
            interval = details["uncertainty"]["confidence_interval"]
            assert details["score"] == row["mean"]
            assert (interval["lower"], interval["upper"]) == (row["low"], row["high"])
            assert details["uncertainty"]["num_samples"] == row["n"]
            n += 1
    assert n >= 8


def test_a_record_has_what_the_schema_requires(records):
    """The parts that version 0.3.0 requires, in short; its own file is asked below."""
    for record in records.values():
        assert record["schema_version"] == EEE_VERSION
        assert {
            "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info",
            "eval_library", "evaluation_results",
        } <= record.keys()  # fmt: skip
        assert record["source_metadata"]["source_type"] == "evaluation_run"
        assert record["source_metadata"]["evaluator_relationship"] == "third_party"
        details = record["model_info"]["additional_details"]
        assert all(isinstance(value, str) for value in details.values())
        for entry in record["evaluation_results"]:
            config = entry["metric_config"]
            assert (
                config["score_type"] == "continuous" and config["min_score"] < config["max_score"]
            )
            assert config["min_score"] <= entry["score_details"]["score"] <= config["max_score"]


def test_the_schema_of_every_eval_ever_accepts_it(records):
    jsonschema = pytest.importorskip("jsonschema")
    if not (file := os.environ.get("EVERY_EVAL_SCHEMA")):  # a copy of its eval.schema.json
        package = pytest.importorskip("every_eval_ever")
        file = Path(package.__file__).parent / "schemas" / "eval.schema.json"
    schema = json.loads(Path(file).read_text(encoding="utf-8"))
    assert schema["version"] == EEE_VERSION
    for record in records.values():
        jsonschema.validate(record, schema)


def test_the_same_runs_have_the_same_file(results, tmp_path):
    first = write_every_eval(results, tmp_path / "a", Publisher("Us"), now=1.0)
    again = write_every_eval(results, tmp_path / "b", Publisher("Us"), now=1.0)
    assert [p.name for p in first] == [p.name for p in again]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    assert [p.parts[-5:-1][:3] for p in first] == [("data", "hostile", "benchkit")] * 2


def test_evaluation_results_of_the_hub(results, tmp_path):
    yaml = pytest.importorskip("yaml")
    *files, benchmark = write_eval_results(results, tmp_path, "us/odd", "https://x.org", "us")
    assert [file.parent.name for file in files] == [".eval_results"] * 2
    tasks = {task["id"] for task in yaml.safe_load(benchmark.read_text("utf-8"))["tasks"]}
    entries = yaml.safe_load(files[0].read_text("utf-8"))
    figures = results.to_polars().filter(method="by hash ☂", subgroup="")
    means = {f"{t}_{p}_{m}": mean for t, p, m, mean in
             figures.select("task", "protocol", "metric", "mean").iter_rows()}  # fmt: skip
    assert {e["dataset"]["task_id"]: e["value"] for e in entries} == means
    assert set(means) <= tasks
    assert all(e["dataset"]["id"] == "us/odd" and e["source"]["user"] == "us" for e in entries)
    with pytest.raises(ConfigError, match="no dataset of the Hub"):
        write_eval_results(results, tmp_path, "odd")
