"""Methods that try to learn the answers stay at chance, or fail."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchkit.config.suite import Suite
from benchkit.processes.confinement import landlock_version
from benchkit.runs.plan import RunOptions, execute_plan, plan_runs
from benchkit.stats.multiple_testing import holm
from tests.support import cheats
from tests.support.suites import run_all

FILE = Path(cheats.__file__)


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
            "methods": [{"method": f"{FILE}:{name}"} for name in names],
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
        (400, 2),
        pytest.param(2000, 1, marks=pytest.mark.slow),
        pytest.param(2000, 2, marks=pytest.mark.slow),
    ],
)
def test_no_cheat_is_above_chance(tmp_path, monkeypatch, users, jobs):
    monkeypatch.chdir(tmp_path)
    outcomes = run_all(cheating_suite(cheats.CHEATS, users), tmp_path, jobs=jobs)
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
