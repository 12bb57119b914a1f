"""The executor that computes runs as an array of Slurm's; here submitit's local one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchkit.errors import ConfigError
from benchkit.runs.executors.slurm import (
    SlurmConfig,
    SlurmExecutor,
    array_parameters,
    make_submitter,
)
from benchkit.runs.executors.slurm_scripts import SCRIPT
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import plan_runs
from benchkit.testing.executors import ExecutorContract
from tests.support.suites import make_suite, run_all

pytest.importorskip("submitit", reason="submitit is not installed")
LOCAL = SlurmConfig(cluster="local")


@pytest.mark.slow  # each run starts Python anew, as on a cluster
class TestSlurm(ExecutorContract):
    def make(self, workers):
        return SlurmExecutor(workers, LOCAL)


@pytest.mark.slow
def test_a_job_that_is_killed_begins_anew(methods, tmp_path):
    methods.write_text(methods.read_text() + KILLS_ITS_HARNESS)
    executor = SlurmExecutor(2, LOCAL)
    (outcome,) = run_all(make_suite("KillsOnce"), tmp_path, executor=executor).values()
    assert outcome.manifest.status == "complete"
    assert (tmp_path / "killed").exists()


KILLS_ITS_HARNESS = """

class KillsOnce(Base):
    def fit(self, data, run):
        import pathlib
        mark = pathlib.Path("killed")
        if not mark.exists():
            mark.touch()
            zygote = os.getppid()
            stat = pathlib.Path(f"/proc/{zygote}/stat").read_text()
            os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
            time.sleep(60)
"""


def test_scripts_are_written_and_do_the_same(methods, tmp_path):
    options = ("partition=small", "time=30", "mem_gb=2", f"export={tmp_path / 'scripts'}")
    run_all(make_suite("Counts"), tmp_path, executor="slurm", jobs=3, executor_options=options)
    script = (tmp_path / "scripts" / SCRIPT).read_text()
    for line in ("--array=0-0%3", "--partition=small", "--time=30", "--mem=2048M"):
        assert f"#SBATCH {line}\n" in script
    assert not list((tmp_path / "runs").rglob("manifest.json"))
    done = subprocess.run(
        ["bash", tmp_path / "scripts" / SCRIPT],
        env={**os.environ, "SLURM_ARRAY_TASK_ID": "0"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "done toy / Counts" in done.stdout
    (outcome,) = run_all(make_suite("Counts"), tmp_path).values()
    assert outcome.manifest.status == "complete" and not outcome.computed


def test_a_machine_without_slurm_is_an_error(methods, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(ConfigError, match="slurm") as caught:
        run_all(make_suite("Counts"), tmp_path, executor="slurm")
    assert "export=DIR" in str(caught.value)


def test_options_are_checked(methods, tmp_path):
    for option, problem in (("partitoin=gpu", "partition"), ("time=soon", "time"), ("x", "VALUE")):
        with pytest.raises(ConfigError, match=problem):
            run_all(make_suite(), tmp_path, executor="slurm", executor_options=(option,))
    with pytest.raises(ConfigError, match="has no options"):
        run_all(make_suite(), tmp_path, executor_options=("time=3",))


def test_an_array_is_submitted_with_its_options(tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sbatch").write_text(
        '#!/bin/bash\ncp "${@: -1}" sent\necho Submitted batch job 42\n'
    )
    (programs / "srun").write_text("#!/bin/bash\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    config = SlurmConfig(partition="gpu", time=90, mem_gb=4, cpus=3, gres="gpu:a100:1", qos="long")
    jobs = plan_runs(
        make_suite("Counts", seeds=[0, 1], methods=[{"method": "random"}]), RunOptions()
    ).jobs
    submitter = make_submitter(tmp_path / "jobs", config, array_parameters(jobs, config, 2))
    assert len(submitter.map_array(print, range(2))) == 2
    script = (tmp_path / "sent").read_text()
    for option in (
        "array=0-1%2", "partition=gpu", "time=90", "mem=4096M", "cpus-per-task=3",
        "gres=gpu:a100:1", "qos=long", "job-name=benchkit",
    ):  # fmt: skip
        assert f"#SBATCH --{option}\n" in script
