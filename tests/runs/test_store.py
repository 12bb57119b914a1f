"""The store: newer schemas, broken records, locks, and writes that fail half way."""

import json
import resource
import subprocess
import sys

import polars as pl
import pytest

from benchkit import io
from benchkit.errors import ConfigError, StoreError
from benchkit.io import slug
from benchkit.runs.records import SCHEMA_VERSION, PlannedRow, PlanRecord
from benchkit.runs.store import Store
from tests.support.sealing import read_plain


def plan(*rows, suite="s"):
    return PlanRecord(
        suite=suite, title="S", primary="hr@1", metrics=["hr@1"], protocols=["scored"],
        tasks=list(dict.fromkeys(r.task for r in rows)),
        labels=list(dict.fromkeys(r.label for r in rows)), rows=list(rows),
    )  # fmt: skip


def row(label, run_id, seed=0, task="t", **more):
    more = {"row_id": "v1", "in_suite": True, **more}
    return PlannedRow(task=task, label=label, family="cf", seed=seed, run_id=run_id, **more)


def seeds_of(plan):
    """(task, label) -> the seeds that make up the row."""
    seeds = {}
    for planned in plan.rows:
        seeds.setdefault((planned.task, planned.label), []).append(planned.seed)
    return seeds


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    (tmp_path / "store.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(StoreError, match="written by a newer benchkit") as caught:
        Store(tmp_path)
    assert "upgrade benchkit" in str(caught.value)


def test_a_manifest_of_a_newer_version_is_refused(tmp_path):
    run = Store(tmp_path).create().run("s", "t", "m", "id")
    io.write_json(run.path / "manifest.json", {"schema_version": SCHEMA_VERSION + 1})
    with pytest.raises(StoreError, match="newer benchkit"):
        run.manifest()


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}'])
def test_broken_records_are_named(tmp_path, text):
    run = Store(tmp_path).create().run("s", "t", "m", "id")
    io.write_text(run.path / "manifest.json", text)
    with pytest.raises(StoreError, match=r"manifest\.json"):
        run.manifest()


def test_plans_merge(tmp_path):
    store = Store(tmp_path).create()
    store.update_plan(plan(row("a", "1"), row("b", "2")))
    merged = store.update_plan(plan(row("b", "3"), row("c", "4")))
    assert {(r.label, r.run_id) for r in merged.rows} == {("a", "1"), ("b", "3"), ("c", "4")}
    assert store.plan("s") == merged


def test_seeds_of_one_version_add_up_and_those_of_another_leave(tmp_path):
    store = Store(tmp_path).create()
    store.update_plan(plan(row("a", "1", 0), row("a", "2", 1)))
    merged = store.update_plan(plan(row("a", "3", 2)))
    assert seeds_of(merged) == {("t", "a"): [0, 1, 2]}
    merged = store.update_plan(plan(row("a", "4", 0, row_id="v2")))
    assert seeds_of(merged) == {("t", "a"): [0]}


def test_a_whole_run_has_the_seeds_of_the_suite(tmp_path):
    store = Store(tmp_path).create()
    store.update_plan(plan(*(row("a", str(seed), seed) for seed in (0, 1, 2))), whole=True)
    merged = store.update_plan(plan(row("a", "0", 0)), whole=True)
    assert seeds_of(merged) == {("t", "a"): [0]}


def test_what_the_suite_no_longer_names_leaves_when_all_of_it_is_run(tmp_path):
    store = Store(tmp_path).create()
    first = [row("a", "1"), row("b", "2"), row("a", "3", task="u"), row("c", "4", task="u")]
    store.update_plan(plan(*first), whole=True)
    store.update_plan(plan(row("MyRec", "5", in_suite=False)))
    store.update_plan(plan(row("a", "6", 7, row_id="theirs", in_suite=False)))  # an import
    store.update_plan(plan(row("MyRec", "7", in_suite=False, task="u")))
    part = store.update_plan(plan(row("a", "1")))
    assert seeds_of(part).keys() == {
        ("t", "a"), ("t", "b"), ("t", "MyRec"), ("u", "a"), ("u", "c"), ("u", "MyRec"),
    }  # fmt: skip
    whole = store.update_plan(plan(row("a", "1")), whole=True)
    assert seeds_of(whole) == {("t", "MyRec"): [0], ("t", "a"): [0]}
    assert (whole.tasks, whole.labels) == (["t"], ["a", "MyRec"])


def test_a_row_can_be_forgotten(tmp_path):
    store = Store(tmp_path).create()
    store.update_plan(plan(row("a", "1"), row("b", "2", 0), row("b", "3", 1)))
    with pytest.raises(ConfigError, match="row of suite 's': 'bb'"):
        store.forget("s", "bb")
    assert store.forget("s", "b") == 2
    assert store.plan("s").labels == ["a"] and seeds_of(store.plan("s")) == {("t", "a"): [0]}
    with pytest.raises(StoreError, match="has not been run"):
        store.forget("other", "b")


def test_a_claim_is_exclusive(tmp_path):
    store = Store(tmp_path)
    assert not store.is_locked("x")
    with store.lock("x") as first, store.lock("x", wait=False) as second:
        assert (first, second) == (True, False)
        assert store.is_locked("x")
    assert not store.is_locked("x")


def test_names_become_one_folder():
    assert slug("recbole/SASRec") == "recbole-SASRec"
    assert slug("../../etc") == "..-..-etc"
    assert slug("quickstart@50users") == "quickstart@50users"


@pytest.mark.parametrize("name", ["..", ".", "", ".hidden", "../../etc", "x" * 1001, "a\0"])
def test_a_name_that_leaves_its_folder_is_refused(tmp_path, name):
    store = Store(tmp_path / "runs")
    with pytest.raises(ConfigError):
        io.folder_name(name)
    for names in ((name, "task", "label"), ("suite", name, "label"), ("suite", "task", name)):
        with pytest.raises(ConfigError, match="name"):
            store.run(*names, "id")
    with pytest.raises(ConfigError):
        store.plan(name)
    assert io.folder_name("recbole/SASRec") == "recbole-SASRec"
    assert io.folder_name("..a".lstrip(".")) == "a" and io.folder_name("推荐") == "推荐"
    assert io.folder_name("推荐 😀").startswith("推荐---")


def test_a_failed_write_keeps_the_old_file_and_leaves_no_half_one(tmp_path):
    io.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ValueError, match="Out of range"):
        io.write_json(tmp_path / "a.txt", {"x": float("nan")})
    with pytest.raises(StoreError, match="cannot write"):
        io.write_text(tmp_path / "a.txt" / "below a file", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np, polars as pl
from benchkit import io
from benchkit.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
table = pl.DataFrame({"x": np.random.default_rng(0).random(200_000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    io.write_parquet(Path(sys.argv[1]) / "t.parquet", table)
except StoreError as error:
    print(error)
"""


def test_a_device_that_takes_no_more_leaves_a_clear_error_and_no_half_file(tmp_path):
    io.write_parquet(tmp_path / "t.parquet", pl.DataFrame({"x": [1.0]}))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "hint: free disk space" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
    assert pl.read_parquet(tmp_path / "t.parquet")["x"].to_list() == [1.0]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_records_of_before_the_renaming_are_read(tmp_path):
    store = Store(tmp_path).create()
    store.update_plan(plan(row("a", "1", caveats=("x",), unsupported=("full",))))
    path = tmp_path / "s" / "plan.json"
    names = {"caveats": "remarks", "unsupported": "unable", "skip_reason": "left_out",
             "in_suite": "of_suite"}  # fmt: skip
    stored = read_plain(path)
    old = {**stored, "schema_version": 2, "drops": [["a", "b"]]}
    del old["relative_drops"]
    (path.parent / "ledger.jsonl").unlink()
    old["rows"] = [{names.get(k, k): v for k, v in r.items()} for r in stored["rows"]]
    io.write_json(path, old)
    (read,) = store.plan("s").rows
    assert (read.caveats, read.unsupported, read.in_suite) == (("x",), ("full",), True)
    assert store.plan("s").relative_drops == [("a", "b")]
    run = store.run("s", "t", "a", "1")
    manifest = {
        "schema_version": 2, "run_id": "1", "row_id": "v1", "status": "complete", "suite": "s",
        "task": "t", "label": "a", "family": "cf", "seed": 0, "remarks": ["x"],
        "identity": {"test": "f00d", "config": {"drops": 1}}, "provenance": {}, "started": "",
    }  # fmt: skip
    io.write_json(run.path / "manifest.json", manifest)
    assert run.manifest().caveats == ("x",)
    assert run.manifest().test_fingerprint == "f00d"
    assert run.manifest().identity["config"] == {"drops": 1}
