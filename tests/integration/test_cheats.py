"""Methods that try to learn the answers stay at chance, or fail."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchkit.config.suite import MethodSpec, Suite
from benchkit.errors import StoreError
from benchkit.processes.confinement import landlock_version
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import execute_plan, plan_runs
from benchkit.stats.multiple_testing import holm
from tests.support import cheats
from tests.support.suites import run_all

FILE = Path(cheats.__file__)
FILES = {"PatchesAtImport": FILE.with_name("cheats_at_import.py")}


def cheating_suite(names, users=400, **dataset):
    toy = {"name": "toy", "source": "toy", "options": {"users": users, "items": 120}}
    return Suite.model_validate(
        {
            "name": "cheats",
            "title": "Cheats",
            "datasets": [{**toy, "candidates": {"count": 10}, **dataset}],
            "protocols": ["scored", "sampled", "full"],
            "metrics": ["hr@1", "ndcg@5"],
            "decoding": {"n": 1},
            "methods": [{"method": f"{FILES.get(name, FILE)}:{name}"} for name in names],
        }
    )


def rows_above_chance(outcomes):
    """(label, metric) of the figures that are significantly above chance, Holm over all of them."""
    names, p_values = [], []
    for (label, _), outcome in outcomes.items():
        manifest = outcome.manifest
        assert manifest.status == "complete" or "hint:" in manifest.error, label
        for line in manifest.summary:
            if line.p_chance is not None:
                names.append((label, line.protocol, line.metric, round(line.mean, 3)))
                p_values.append(line.p_chance)
    assert names
    return [name for name, p in zip(names, holm(np.array(p_values)), strict=True) if p < 0.05]


@pytest.mark.parametrize(
    ("users", "jobs"),
    [
        (150, 2),
        pytest.param(2000, 1, marks=pytest.mark.slow),
        pytest.param(2000, 2, marks=pytest.mark.slow),
    ],
)
def test_no_cheat_is_above_chance(tmp_path, monkeypatch, users, jobs):
    monkeypatch.chdir(tmp_path)
    outcomes = run_all(cheating_suite((*cheats.CHEATS, *FILES), users), tmp_path, jobs=jobs)
    assert not rows_above_chance(outcomes)
    complete = [o for o in outcomes.values() if o.manifest.status == "complete"]
    assert len(complete) > 0.8 * len(outcomes)
    assert Path.cwd() == tmp_path and "BENCHKIT_BOMB" not in os.environ


def test_the_collection_would_notice_an_open_door(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHEAT_KEYS", os.environ["BENCHKIT_KEYS"])
    outcomes = run_all(cheating_suite(["SearchesDisk"]), tmp_path)
    assert {row[1] for row in rows_above_chance(outcomes)} == {"scored", "sampled", "full"}


@pytest.mark.parametrize("protocols", [["scored"], ["scored", "sampled"]])
def test_later_questions_tell_nothing_of_earlier_answers(tmp_path, monkeypatch, protocols):
    monkeypatch.chdir(tmp_path)
    suite = cheating_suite(
        ["OtherCases", "Remembers"],
        split={"name": "temporal"},
        options={"users": 400, "items": 120, "length": 20},
    )
    suite = suite.model_copy(update={"protocols": tuple(protocols)})
    planned = plan_runs(suite, RunOptions(store=tmp_path / "runs", data=tmp_path / "data"))
    outcomes = {(o.job.method.name, 0): o for o in execute_plan(planned, lambda _: None)}
    assert not rows_above_chance(outcomes)
    (summary, *_) = outcomes["Remembers", 0].manifest.summary
    assert summary.n > summary.users  # users have several cases


@pytest.mark.skipif(not landlock_version(), reason="the kernel has no Landlock")
def test_what_is_on_the_disk_is_out_of_reach_of_confined_methods(tmp_path, monkeypatch):
    """With --confine, answer keys and records of other runs cannot be read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHEAT_KEYS", os.environ["BENCHKIT_KEYS"])
    monkeypatch.setenv("CHEAT_STORE", str(tmp_path / "runs"))
    suite = cheating_suite(["SmallestId", *cheats.ON_DISK])
    open_doors = run_all(suite, tmp_path)  # in the order of the suite: one run is there to be read
    assert {row[0] for row in rows_above_chance(open_doors)} == set(cheats.ON_DISK)
    closed = run_all(suite, tmp_path, confine=True, overwrite="always")
    assert not rows_above_chance(closed)
    assert closed["SmallestId", 0].manifest.status == "complete"  # others may fail


@pytest.mark.skipif(not landlock_version(), reason="the kernel has no Landlock")
def test_confined_methods_change_nothing_that_others_rely_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = tmp_path / "keys"
    monkeypatch.setenv("BENCHKIT_KEYS", str(keys))
    monkeypatch.setenv("CHEAT_KEYS", str(keys))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    run_all(cheating_suite(["FirstPlace"]), tmp_path)  # keys are there before anything is planned
    contents = {path: path.read_bytes() for path in keys.iterdir()}
    suite = cheating_suite([*cheats.NEEDING_CONFINEMENT, "SmallestId", "SearchesDisk"])
    outcomes = run_all(suite, tmp_path, confine=True)
    assert not rows_above_chance(outcomes)
    assert outcomes["SmallestId", 0].manifest.status == "complete"
    assert {path: path.read_bytes() for path in keys.iterdir()} == contents
    assert not (tmp_path / "runs" / ".cache").is_symlink()


def test_a_cache_that_has_become_a_link_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = cheating_suite(["FirstPlace", "LastPlace"])
    run_all(suite, tmp_path, methods=("FirstPlace",))
    cache = tmp_path / "runs" / ".cache"
    cache.rename(tmp_path / "away")
    cache.symlink_to(tmp_path / "away")
    with pytest.raises(StoreError, match="is a link"):
        run_all(suite, tmp_path, methods=("LastPlace",))


@pytest.mark.skipif(not landlock_version(), reason="the kernel has no Landlock")
def test_honest_methods_work_when_they_are_confined(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sibling.py").write_text("VALUE = 3")
    (tmp_path / "honest.py").write_text(HONEST)
    suite = cheating_suite(["FirstPlace"], users=60).model_copy(
        update={"methods": (MethodSpec(method="honest.py:Honest"),)}
    )
    (outcome,) = run_all(suite, tmp_path, confine=True).values()
    assert outcome.manifest.status == "complete", outcome.manifest.error


HONEST = """
import os, shutil, subprocess, sys, tempfile
from multiprocessing import get_context
from pathlib import Path
sys.path.insert(0, os.getcwd())
import sibling
from benchkit.types import Prediction


class Honest:
    capabilities = frozenset({"scores", "samples"})

    def fit(self, data, run):
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("x"); file.flush(); file.seek(0); assert file.read() == "x"
        folder = run.scratch / "a"; folder.mkdir(exist_ok=True)
        (folder / "x").write_text("x"); os.replace(folder / "x", run.scratch / "x")
        os.replace(run.scratch / "x", run.artifacts / "x")
        (run.cache / "shared").write_text("x"); assert (run.cache / "shared").read_text() == "x"
        with get_context("fork").Pool(1) as pool:
            assert pool.map(abs, [-1]) == [1]
        assert subprocess.run(["cat", "sibling.py"], capture_output=True).stdout == b"VALUE = 3"
        with open(os.devnull, "w") as nothing:
            nothing.write("x")

    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, [sibling.VALUE] * len(request.candidates))

    def sample(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, None, status="refused")
"""
