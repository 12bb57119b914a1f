"""Names of rows that are added to a suite: they become folders, too."""

import pytest

import benchkit as bk
from benchkit.errors import ConfigError
from benchkit.interop.run_import import import_run
from benchkit.runs.store import Store

SUITE = {
    "name": "mine",
    "datasets": [{"name": "toy", "source": "toy", "options": {"users": 40, "items": 60}}],
    "methods": ["popularity"],
}


def run(folder, *labels):
    rows = [{"method": "popularity", "label": label} for label in labels]
    places = {"store": folder / "runs", "data": folder / "data"}
    return bk.run(bk.Suite(**SUITE), methods=rows, progress=False, **places)


@pytest.mark.parametrize("label", ["..", ".", ".x", "../../up", "x" * 1001])
def test_a_row_outside_the_folder_of_its_task_is_refused(tmp_path, label):
    with pytest.raises(ConfigError, match="method label: the name"):
        run(tmp_path, label)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("label", ["x" * 300, "★ ★", "é" * 200])
def test_a_long_or_odd_row_has_a_folder_of_its_own(tmp_path, label):
    results = run(tmp_path, label, label + "2")
    assert results.methods == (label, label + "2")
    paths = [stored.path for stored in Store(tmp_path / "runs").runs()]
    assert len({path.parent for path in paths}) == 2


def test_rows_of_one_call_do_not_share_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="'a/b' and 'a b' would share the folder 'a-b'"):
        run(tmp_path, "a/b", "a b")


def test_a_row_does_not_take_the_folder_of_an_earlier_one(tmp_path):
    run(tmp_path, "a/b")
    with pytest.raises(ConfigError, match="would share a folder"):
        run(tmp_path, "a b")
    (manifest,) = (stored.manifest() for stored in Store(tmp_path / "runs").runs())
    assert manifest.label == "a/b"
    run(tmp_path, "a/b", "c")


@pytest.mark.parametrize("label", ["..", ".x", "x" * 1001])
def test_a_judge_outside_the_folder_of_its_run_is_refused(tmp_path, label):
    run(tmp_path, "a/b")
    places = {"store": tmp_path / "runs", "data": tmp_path / "data"}
    with pytest.raises(ConfigError, match="judge label: the name"):
        bk.judge(bk.Suite(**SUITE), by="heuristic", label=label, progress=False, **places)


@pytest.mark.parametrize(("label", "message"), [("..", "begins with a dot"), ("a b", "share")])
def test_an_imported_row_is_checked_alike(tmp_path, label, message):
    run(tmp_path, "a/b")
    store, suite = Store(tmp_path / "runs"), bk.Suite(**SUITE)
    (folder,) = (stored.path for stored in store.runs())
    plan = store.plan("mine")
    with pytest.raises(ConfigError, match=message):
        import_run(folder, suite, store, tmp_path / "data", label=label)
    assert store.plan("mine") == plan
