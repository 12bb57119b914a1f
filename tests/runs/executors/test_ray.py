"""The executor that computes runs on a cluster of Ray's."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
from ray.util import placement_group_table

from benchkit.errors import ConfigError
from benchkit.runs.cluster import shared_stages, shipment
from benchkit.runs.cluster.shipment import Shipper
from benchkit.runs.cluster.transfer import SharedRun
from benchkit.runs.executors.ray import RayConfig, RayExecutor
from benchkit.runs.executors.ray_cluster import RayCluster
from benchkit.runs.executors.ray_connection import import_ray
from benchkit.runs.executors.resources import RunResources
from benchkit.runs.store import Store
from benchkit.testing.executors import ExecutorContract
from tests.support.brief_settings import with_brief_settings
from tests.support.ray_nodes import start_nodes
from tests.support.suites import METHODS, make_suite, run_all, start_script, wait_until


@pytest.fixture(scope="module", autouse=True)
def nodes():
    with start_nodes(3) as nodes:
        yield nodes


class TestRay(ExecutorContract):
    def make(self, workers):
        return RayExecutor(workers)


def tables_of(outcomes):
    """The bytes of all tables, by label, seed and file."""
    return {
        (*key, path.name): path.read_bytes()
        for key, outcome in outcomes.items()
        for path in outcome.job.run.path.glob("*.parquet")
    }


def test_machines_get_the_code_and_see_no_folder_of_this_one(methods, tmp_path, monkeypatch):
    (tmp_path / "helper.py").write_text("def scale(values): return [2 * v for v in values]\n")
    methods.write_text(f"from helper import scale\n{methods.read_text()}{ARTIST}")
    monkeypatch.syspath_prepend(tmp_path)
    suite = make_suite("Artist", "Noise", seeds=[0, 1])
    expected = run_all(suite, tmp_path / "inline")
    monkeypatch.setattr(Shipper, "ship", check_paths(Shipper.ship, tmp_path))
    outcomes = run_all(suite, tmp_path / "ray", executor=RayExecutor())
    assert all(outcome.computed for outcome in outcomes.values())
    assert tables_of(outcomes) == tables_of(expected)
    run = outcomes["Artist", 1].job.run
    assert (run.artifacts / "drawing.txt").read_text() == "of seed 1"
    assert "at the easel" in run.log.read_text()
    assert run.manifest() == outcomes["Artist", 1].manifest


ARTIST = """

class Artist(Counts):
    def fit(self, data, run):
        super().fit(data, run)
        (run.artifacts / "drawing.txt").write_text(f"of seed {run.seed}")
        run.progress.start("at the easel")

    def scores(self, request, run):
        return scale(super().scores(request, run))
"""


def check_paths(ship, folder):
    """`Shipper.ship`, but nothing that it sends may name a folder of this machine."""

    def ship_checked(self, job, manifest):
        shipment = ship(self, job, manifest)
        parts = [vars(shipment.job), shipment.job.card, shipment.datasets, [*shipment.files]]
        assert str(folder) not in repr(parts)
        return shipment

    return ship_checked


def test_two_rows_of_one_run_are_computed_once(methods, tmp_path):
    rows = [{"method": "recs.py:Counts", "label": label} for label in ("one", "two")]
    outcomes = run_all(make_suite(methods=rows), tmp_path, executor=RayExecutor())
    assert sorted(outcome.computed for outcome in outcomes.values()) == [False, True]
    assert {outcome.manifest.status for outcome in outcomes.values()} == {"complete"}


def test_a_run_that_is_lost_too_often_fails_alone(methods, tmp_path):
    methods.write_text(methods.read_text() + KILLS_ITS_HARNESS)
    executor = RayExecutor(config=RayConfig(retries=1))
    outcomes = run_all(make_suite("KillsAll", "Counts"), tmp_path, executor=executor)
    assert "lost 2 times" in outcomes["KillsAll", 0].manifest.error
    assert outcomes["Counts", 0].manifest.status == "complete"


KILLS_ITS_HARNESS = """

class KillsAll(Base):
    def fit(self, data, run):
        stat = open(f"/proc/{os.getppid()}/stat").read()
        os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
        time.sleep(60)
"""


def test_a_shared_store_is_written_where_runs_are_computed(methods, tmp_path):
    executor = RayExecutor(config=RayConfig(store_shared=True))
    outcomes = run_all(make_suite("Counts", "Raises"), tmp_path, executor=executor)
    assert outcomes["Counts", 0].job.run.manifest() == outcomes["Counts", 0].manifest
    assert outcomes["Raises", 0].manifest.status == "failed"
    again = run_all(make_suite("Counts"), tmp_path, executor=executor)
    assert not again["Counts", 0].computed


def test_nothing_is_left_on_the_machines(methods, tmp_path):
    executor = RayExecutor(config=RayConfig(node_folder=tmp_path / "nodes"))
    run_all(make_suite("Counts"), tmp_path, executor=executor)
    assert not list((tmp_path / "nodes").rglob("*.key"))


def test_confinement_is_refused(methods, tmp_path):
    with pytest.raises(ConfigError, match="cannot confine"):
        run_all(make_suite(), tmp_path, executor=RayExecutor(), confine=True)


def test_what_runs_share_is_made_once_and_comes_back(methods, tmp_path, monkeypatch):
    methods.write_text(methods.read_text() + SHARES)
    for module in (shared_stages, shipment):  # its card says nothing of packages
        monkeypatch.setattr(module, "shares_stages", lambda job: True)
    suite = make_suite("Shares", seeds=[0, 1, 2, 3])
    outcomes = run_all(suite, tmp_path, executor=RayExecutor())
    logs = [outcome.job.run.log.read_text() for outcome in outcomes.values()]
    assert sum("makes the model" in log for log in logs) == 1
    assert (tmp_path / "runs" / ".cache" / "model" / "abc" / "weights").read_text() == "w"
    again = run_all(suite, tmp_path, executor=RayExecutor(), overwrite="always")
    logs = [outcome.job.run.log.read_text() for outcome in again.values()]
    assert not any("makes the model" in log for log in logs)


SHARES = """

class Shares(Base):
    def fit(self, data, run):
        folder = run.cache / "model" / "abc"
        if not folder.exists():
            run.progress.start("makes the model")
            folder.mkdir(parents=True)
            (folder / "weights").write_text("w")
"""


def test_a_training_on_several_processes_reserves_them_together(nodes):
    cluster = RayCluster(import_ray(), None, 0)
    needs = RunResources(cpus=4, gpus=0, memory_gb=0, processes=4)
    assert not cluster.has_room(needs)
    cluster.submit(SharedRun(None, Path(), {}), 1, needs)
    (group,) = placement_group_table().values()
    assert group["bundles"] == {0: {"CPU": 4.0}} and group["strategy"] == "STRICT_PACK"


@pytest.mark.slow
def test_control_c_ends_all_processes_and_the_store_goes_on(tmp_path, nodes, monkeypatch):
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recs.py").write_text(SLOW.format(marks=str(marks)))
    options = f"executor='ray', executor_options=('address={nodes.address}',)"
    process = start_script(tmp_path, marks, options=options, stderr=subprocess.PIPE)
    wait_until((marks / "began").exists)
    pid = int((marks / "began").read_text())
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.count("KeyboardInterrupt") == 1
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    store = Store(tmp_path / "runs")
    (run,) = store.runs()
    assert run.manifest().status == "started" and not store.is_locked(run.manifest().run_id)
    (marks / "go").touch()
    again = start_script(tmp_path, marks, options=options)
    assert again.communicate(timeout=60)[0].strip().endswith("[True]")
    assert run.manifest().status == "complete"


SLOW = (
    METHODS.replace("{", "{{").replace("}", "}}")
    + """

class Slow(Base):
    def fit(self, data, run):
        from pathlib import Path
        marks = Path({marks!r})
        (marks / "part").write_text(str(os.getpid()))
        (marks / "part").rename(marks / "began")
        while not (marks / "go").exists():
            time.sleep(0.02)
"""
)


@pytest.mark.slow
def test_language_models_share_their_training_and_give_the_same_bytes(tmp_path):
    pytest.importorskip("transformers", reason="transformers is not installed")
    rows = [{"method": name} for name in ("zero-shot", "sft", "dpo")]
    suite = with_brief_settings(make_suite(methods=rows))
    expected = run_all(suite, tmp_path / "inline")
    outcomes = run_all(suite, tmp_path / "ray", executor=RayExecutor())
    assert {outcome.manifest.status for outcome in outcomes.values()} == {"complete"}
    assert tables_of(outcomes) == tables_of(expected)
    caches = [tmp_path / name / "runs" / ".cache" for name in ("inline", "ray")]
    for kind in ("nano", "sft"):
        first, second = ({p.name for p in (cache / kind).glob("[!.]*")} for cache in caches)
        assert first == second
    reused = [outcome.manifest.cost.get("reused_seconds", 0) > 0 for outcome in outcomes.values()]
    assert sum(reused) == 2
