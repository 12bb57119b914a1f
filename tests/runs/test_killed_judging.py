"""Killed while it judges or prepares, the same command afterwards ends as if nothing had been."""

import contextlib
import os
import random
import shutil
import signal
import sys
import time

import pytest

from tests.runs.test_killed_processes import benchkit, wait_until_gone
from tests.support.samplers import SAMPLERS
from tests.support.suites import METHODS
from tests.support.toy_judges import EXPLAINERS, JUDGES

SUITE = """
title = "Judged"
protocols = ["scored", "sampled"]
decoding = { n = 2 }
[[datasets]]
name = "toy"
source = "toy"
options = { users = 300, items = 120 }
candidates = { count = 10 }
[[methods]]
method = "recs.py:Explains"
[judging]
cases = 60
[[judging.judges]]
judge = "my_judges.py:Patient"
label = "patient"
"""
PATIENT = """

class Patient(Strict):
    def judge(self, inputs, run):
        import time
        for judge_input in inputs:
            time.sleep(0.02)
            yield self.verdict(judge_input)
"""
JUDGE = ("judge", "--suite", "s.toml")
PREPARE = ("data", "prepare", "--suite", "s.toml")
ROUNDS = 8


def finish(folder, *arguments):
    process = benchkit(folder, *arguments)
    started = time.monotonic()
    printed = process.communicate(timeout=300)[0]
    assert process.returncode == 0, printed
    return time.monotonic() - started


def kill_and_finish(folder, seconds, generator, *arguments):
    process = benchkit(folder, *arguments)
    time.sleep(generator.uniform(0.3, seconds))
    kill = generator.choice((os.kill, os.killpg))
    with contextlib.suppress(ProcessLookupError):  # it may have ended
        kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=300)
    wait_until_gone(process.pid)
    finish(folder, *arguments)


def write_suite(folder):
    folder.mkdir()
    (folder / "recs.py").write_text(METHODS + SAMPLERS + EXPLAINERS)
    (folder / "my_judges.py").write_text(JUDGES + PATIENT)
    (folder / "s.toml").write_text(SUITE)


def contents(folder, pattern):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob(pattern)
        if path.is_file() and path.suffix != ".lock"
    }


def leftovers(folder):
    return [p for p in folder.rglob("*") if p.suffix == ".tmp" or ".part" in p.name]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_judgements_are_those_of_an_undisturbed_run(tmp_path):
    generator = random.Random(1)
    origin = tmp_path / "origin"
    write_suite(origin)
    finish(origin, "run", "--suite", "s.toml")
    shutil.copytree(origin, tmp_path / "unjudged")
    for folder in (tmp_path / "unjudged" / "runs").rglob("judgements"):
        shutil.rmtree(folder)
    seconds = finish(origin, *JUDGE, "--again")
    grades = contents(origin / "leaderboards", "grades*")
    assert grades
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "unjudged", folder)
        kill_and_finish(folder, seconds, generator, *JUDGE)
        assert contents(folder / "leaderboards", "grades*") == grades
        finish(folder, "validate", "runs")
        assert not leftovers(folder)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_prepared_data_are_those_of_an_undisturbed_run(tmp_path):
    generator = random.Random(2)
    write_suite(tmp_path / "whole")
    seconds = finish(tmp_path / "whole", *PREPARE)
    expected = contents(tmp_path / "whole" / "data", "*.parquet")
    assert expected
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        write_suite(folder)
        kill_and_finish(folder, seconds, generator, *PREPARE)
        assert contents(folder / "data", "*.parquet") == expected
        assert not leftovers(folder)
