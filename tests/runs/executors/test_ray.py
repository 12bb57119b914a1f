"""The executor that computes runs on a cluster of Ray's."""

import pytest

from benchkit.errors import ConfigError
from benchkit.runs.cluster.shipping import Shipper
from benchkit.runs.executors.ray import RayConfig, RayExecutor
from benchkit.testing.executors import ExecutorContract
from tests.support.ray_nodes import start_nodes
from tests.support.suites import make_suite, run_all

pytest.importorskip("ray", reason="Ray is not installed")


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
