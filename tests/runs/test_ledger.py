"""Checksums and the ledger: what they find, and what they bear."""

import json
import shutil
import threading

import pytest

from benchkit.errors import DamageError
from benchkit.files.checksums import (
    checksum_file,
    find_damage,
    find_file_damage,
    find_folder_damage,
    pop_checksum,
    seal_file,
    seal_folder,
    sign_record,
)
from benchkit.runs.records import Manifest, PlannedRow, PlanRecord
from benchkit.runs.store import Store
from tests.support.sealing import age_store


def manifest(run_id="1", status="complete", **changes):
    return Manifest(
        run_id=run_id, row_id="r", status=status, suite="s", task="t", label="a", family="cf",
        seed=0, identity={"test": "x", "1": {"b": 0.1}}, provenance={}, started="", **changes,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs").create()


def test_a_signed_record_is_read_back_as_it_was():
    record = {"b": [1, 2.5, None], "a": {"x": "é\ud800", "1": True}}
    signed = json.loads(json.dumps(sign_record(record)))
    checksum, is_right = pop_checksum(signed)
    assert is_right and len(checksum) == 64 and signed == record
    assert pop_checksum({**signed, "checksum": checksum, "b": [1, 2.5]}) == (checksum, False)
    assert pop_checksum({"a": 1}) == (None, True)


@pytest.mark.parametrize("change", [b"abd", b"ab", b"abcd", b""])
def test_a_file_that_changed_is_found_at_once(tmp_path, change):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    seal_file(path)
    assert find_file_damage(path) == ""
    path.write_bytes(change)
    assert find_file_damage(path) == "file is not what was written"


def test_a_sealed_folder_knows_its_files(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    assert "cannot be read" in find_folder_damage(tmp_path)
    seal_folder(tmp_path)
    assert find_folder_damage(tmp_path) == ""
    (tmp_path / "deep" / "a").unlink()
    assert find_folder_damage(tmp_path) == "deep/a is missing"
    (tmp_path / "deep" / "a").mkdir()
    assert "deep/a cannot be read" in find_folder_damage(tmp_path)
    sums = tmp_path / "checksums.json"
    sums.write_text(sums.read_text().replace('"size": 1', '"size": 2', 1))
    assert find_folder_damage(tmp_path) == "checksums.json cannot be read"


def test_a_file_that_grows_is_checked_as_far_as_it_went(tmp_path):
    (tmp_path / "log").write_text("one\n")
    known = {"log": checksum_file(tmp_path / "log")}
    with (tmp_path / "log").open("a") as file:
        file.write("two\n")
    assert find_damage(tmp_path, known, growing=("log",)) == ""
    assert find_damage(tmp_path, known) == "log is not what was written"
    (tmp_path / "log").write_text("onE\ntwo\n")
    assert find_damage(tmp_path, known, growing=("log",)) == "log is not what was written"
    (tmp_path / "log").write_text("on")
    assert find_damage(tmp_path, known, growing=("log",)) == "log is not what was written"


def test_a_run_that_is_started_again_is_no_damage(store):
    run = store.run("s", "t", "a", "1")
    run.write_manifest(manifest())
    assert run.manifest().status == "complete"
    run.write_manifest(manifest(status="started"))  # and then the process was killed
    assert store.run("s", "t", "a", "1").manifest().status == "started"
    run.clear()
    assert run.manifest() is None


def test_a_folder_that_is_gone_or_elsewhere_is_damage(store):
    run = store.run("s", "t", "a", "1")
    run.write_manifest(manifest())
    other = store.run("s", "t", "b", "1")
    shutil.copytree(run.path, other.path)
    with pytest.raises(DamageError, match=r"does not know it"):
        other.manifest()
    shutil.rmtree(run.path)
    with pytest.raises(DamageError, match=r"manifest\.json is missing") as error:
        run.manifest()
    assert error.value.row_status == "damaged: run it again (manifest.json is missing)"
    assert run.intact_manifest() is None


def test_an_older_manifest_is_not_put_back(store):
    run = store.run("s", "t", "a", "1")
    run.write_manifest(manifest())
    old = (run.path / "manifest.json").read_bytes()
    run.write_manifest(manifest(cost={"fit_seconds": 2.0}))
    (run.path / "manifest.json").write_bytes(old)
    with pytest.raises(DamageError, match="not the one that"):
        run.manifest()


def test_records_of_before_have_no_checksums_and_are_read(store):
    run = store.run("s", "t", "a", "1")
    run.write_manifest(manifest())
    store.update_plan(plan())
    age_store(store.root, 4)
    assert run.manifest().schema_version == 4
    assert store.plan("s").rows[0].run_id == "1"
    store.update_plan(plan())  # the plan has checksums from now on, the old run has none
    assert run.manifest().schema_version == 4


def test_a_plan_that_is_lost_is_begun_anew(store):
    store.update_plan(plan())
    path = store.root / "s" / "plan.json"
    path.write_text("{")
    with pytest.raises(DamageError, match="damaged: cannot be read"):
        store.plan("s")
    store.update_plan(plan())
    path.unlink()
    with pytest.raises(DamageError, match=r"plan\.json is missing"):
        store.plan("s")


def test_a_plan_is_read_while_it_is_replaced(store, monkeypatch):
    """Killed between ledger and plan: the old plan still counts."""
    store.update_plan(plan())

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchkit.io.write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.update_plan(plan(title="New"))
    monkeypatch.undo()
    assert store.plan("s").title == "S"


def test_threads_share_a_ledger(store):
    runs = [store.run("s", "t", "a", str(number)) for number in range(24)]

    def write(part):
        for run in part:
            run.write_manifest(manifest(run.path.name))

    threads = [threading.Thread(target=write, args=(runs[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(run.manifest().status == "complete" for run in runs)
    assert len(store.ledger("s").entries()) == 24


def plan(title="S"):
    row = PlannedRow(task="t", label="a", family="cf", seed=0, run_id="1", row_id="r")
    return PlanRecord(
        suite="s", title=title, primary="hr@1", metrics=["hr@1"], protocols=["scored"],
        tasks=["t"], labels=["a"], rows=[row],
    )  # fmt: skip
