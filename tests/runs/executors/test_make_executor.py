"""Executors by name, from a file, and as objects; one that benchkit does not know."""

import subprocess
import sys

import pytest

from benchkit.errors import ConfigError
from benchkit.runs.execution import execute_job
from benchkit.runs.executors import choose_engines, make_executor
from benchkit.runs.executors.inline import InlineExecutor
from benchkit.runs.executors.processes import ProcessExecutor
from benchkit.testing.executors import ExecutorContract
from tests.support.suites import make_suite, run_all

# A file that a user would write; `Backwards` below is the same.
TOY = '''
from pydantic import BaseModel
from benchkit.runs.execution import execute_job


class Backwards:
    """Computes the last job first."""

    class Config(BaseModel, extra="forbid"):
        mood: str = ""

    def __init__(self, workers, config):
        print(f"backwards, {workers} at a time, {config.mood}")

    def execute(self, jobs, emit):
        for job in reversed(jobs):
            yield execute_job(job, emit)
'''


class Backwards:
    def execute(self, jobs, emit):
        for job in reversed(jobs):
            yield execute_job(job, emit)


class TestBackwards(ExecutorContract):
    survives_kill = False

    def make(self, workers):
        return Backwards()


def test_the_number_of_runs_at_a_time_chooses_where_nothing_is_named():
    assert isinstance(make_executor("", 1), InlineExecutor)
    assert isinstance(make_executor("", 2), ProcessExecutor)
    assert isinstance(make_executor("processes", 1), ProcessExecutor)


def test_a_name_that_is_none_has_the_nearest_as_a_hint(methods, tmp_path):
    with pytest.raises(ConfigError, match="unknown executor 'proceses'") as caught:
        run_all(make_suite(), tmp_path, executor="proceses")
    assert "did you mean 'processes'" in str(caught.value)
    with pytest.raises(ConfigError, match="has no execute"):
        make_executor("recs.py:Counts", 1)
    assert not (tmp_path / "runs").exists()


def test_an_object_is_taken_as_it_is(methods, tmp_path):
    outcomes = run_all(make_suite("Counts", "Noise"), tmp_path, executor=Backwards())
    assert [label for label, _ in outcomes] == ["Noise", "Counts"]


def test_a_class_of_a_file_can_be_named_on_the_command_line(tmp_path):
    (tmp_path / "toy.py").write_text(TOY)
    options = "--suite quickstart --limit-users 9 --method random,popularity --jobs 3"
    command = [sys.executable, "-m", "benchkit", "run", *options.split()]
    command += ["--executor", "toy.py:Backwards", "--executor-option", "mood=calm = good"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "backwards, 3 at a time, calm = good" in done.stdout
    assert done.stdout.index("done ml-100k / popularity") < done.stdout.index(
        "done ml-100k / random"
    )


def test_language_models_are_asked_here_unless_an_executor_asks_them():
    assert choose_engines("") is None and choose_engines("inline") is None
    with pytest.raises(ConfigError, match="in this process have no options"):
        choose_engines("", ["actors=2"])
    with pytest.raises(ConfigError, match="'slurm' computes runs, and asks no judges"):
        choose_engines("slurm")
    with pytest.raises(ConfigError, match="did you mean 'ray'"):
        choose_engines("rey")
    with pytest.raises(ConfigError, match="actor"):
        choose_engines("ray", ["actor=2"])
