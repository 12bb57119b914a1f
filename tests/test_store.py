"""The store: newer schemas, broken records, locks, and writes that fail half way."""

import json
import resource
import subprocess
import sys

import polars as pl
import pytest

from benchkit import files
from benchkit.errors import StoreError
from benchkit.records import SCHEMA, Plan, PlannedRow
from benchkit.store import Store, slug


def plan(*rows, suite="s"):
    return Plan(
        suite=suite, title="S", primary="hr@1", metrics=["hr@1"], protocols=["scored"],
        tasks=list(dict.fromkeys(r.task for r in rows)),
        labels=list(dict.fromkeys(r.label for r in rows)), rows=list(rows),
    )  # fmt: skip


def row(label, run_id, seed=0, task="t"):
    return PlannedRow(task=task, label=label, family="cf", seed=seed, run_id=run_id)


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    (tmp_path / "store.json").write_text(json.dumps({"schema_version": SCHEMA + 1}))
    with pytest.raises(StoreError, match="written by a newer benchkit") as caught:
        Store(tmp_path)
    assert "upgrade benchkit" in str(caught.value)


def test_a_manifest_of_a_newer_version_is_refused(tmp_path):
    run = Store(tmp_path).create().run("s", "t", "m", "id")
    files.write_json(run.path / "manifest.json", {"schema_version": SCHEMA + 1})
    with pytest.raises(StoreError, match="newer benchkit"):
        run.manifest()


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}'])
def test_broken_records_are_named(tmp_path, text):
    run = Store(tmp_path).create().run("s", "t", "m", "id")
    files.write_text(run.path / "manifest.json", text)
    with pytest.raises(StoreError, match=r"manifest\.json"):
        run.manifest()


def test_plans_merge(tmp_path):
    store = Store(tmp_path).create()
    store.update_plan(plan(row("a", "1"), row("b", "2")))
    merged = store.update_plan(plan(row("b", "3"), row("c", "4")))
    assert {(r.label, r.run_id) for r in merged.rows} == {("a", "1"), ("b", "3"), ("c", "4")}
    assert store.plan("s") == merged


def test_a_claim_is_exclusive(tmp_path):
    store = Store(tmp_path)
    assert not store.held("x")
    with store.claim("x") as mine, store.claim("x", wait=False) as theirs:
        assert (mine, theirs) == (True, False)
        assert store.held("x")
    assert not store.held("x")


def test_names_become_one_folder():
    assert slug("recbole/SASRec") == "recbole-SASRec"
    assert slug("../../etc") == "..-..-etc"
    assert slug("quickstart@50users") == "quickstart@50users"


def test_a_failed_write_keeps_the_old_file_and_leaves_no_half_one(tmp_path):
    files.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ValueError, match="Out of range"):
        files.write_json(tmp_path / "a.txt", {"x": float("nan")})
    with pytest.raises(StoreError, match="cannot write"):
        files.write_text(tmp_path / "a.txt" / "below a file", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np, polars as pl
from benchkit import files
from benchkit.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
table = pl.DataFrame({"x": np.random.default_rng(0).random(200_000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    files.write_parquet(Path(sys.argv[1]) / "t.parquet", table)
except StoreError as error:
    print(error)
"""


def test_a_device_that_takes_no_more_leaves_a_clear_error_and_no_half_file(tmp_path):
    files.write_parquet(tmp_path / "t.parquet", pl.DataFrame({"x": [1.0]}))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "mend: free disk space" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
    assert pl.read_parquet(tmp_path / "t.parquet")["x"].to_list() == [1.0]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
