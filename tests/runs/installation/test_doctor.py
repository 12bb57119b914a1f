"""`benchkit doctor`: a line for each part, for GPU, disk, memory and data, and a verdict."""

import json
import subprocess
from collections import namedtuple

import pytest

from benchkit.runs.installation import check_installation, machine, summarize_installation
from benchkit.runs.installation.check import InstallationCheck
from tests.support.command_line import said


def check(subject, ok=True, required=False):
    return InstallationCheck(subject, ok, "", required=required)


def test_every_part_has_a_line_and_the_last_one_is_the_verdict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = said("doctor").splitlines()
    for part in ("torch", "openai", "matplotlib", "trl", "vllm", "Ray", "Slurm", "recbole",
                 "GPU", "disk", "memory", "data"):  # fmt: skip
        assert sum(line[8:].startswith(f"{part}: ") for line in lines) == 1, part
    assert lines[-1].startswith("verdict: benchkit works")
    subjects = [entry["subject"] for entry in json.loads(said("doctor", "--json"))]
    assert len(set(subjects)) == len(subjects)


def test_the_verdict_names_what_is_missing():
    assert summarize_installation([check("numpy", True, True), check("vllm")]) == (
        True, "benchkit works, and nothing that is optional is missing",
    )  # fmt: skip
    assert summarize_installation([check("vllm", False), check("Ray")]) == (
        True, "benchkit works; without 1 of 2 optional parts: vllm",
    )  # fmt: skip
    works, text = summarize_installation([check("numpy", False, True), check("vllm", False)])
    assert not works and text == "benchkit does not work: numpy missing"


@pytest.mark.parametrize(
    ("printed", "detail"),
    [
        ("NVIDIA H200, 143771, 570.1\n", "NVIDIA H200, 143771 MB, driver 570.1"),
        ("A, 1, 2\nB, 3, 4\n", "A, 1 MB, driver 2; B, 3 MB, driver 4"),
        ("\n", "none: everything"),
    ],
)
def test_gpus_are_named(monkeypatch, printed, detail):
    monkeypatch.setattr(machine.shutil, "which", lambda _: "/bin/nvidia-smi")
    done = subprocess.CompletedProcess([], 0, stdout=printed)
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    assert machine._check_gpu().detail.startswith(detail)


def test_a_driver_that_does_not_answer_is_a_fault(monkeypatch):
    def fail(*_, **__):
        raise subprocess.TimeoutExpired("nvidia-smi", 20)

    monkeypatch.setattr(machine.shutil, "which", lambda _: "/bin/nvidia-smi")
    monkeypatch.setattr(machine.subprocess, "run", fail)
    assert not machine._check_gpu().ok
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    assert machine._check_gpu().ok


def test_a_full_disk_and_a_store_that_is_not_there(monkeypatch, tmp_path):
    Usage = namedtuple("Usage", "free")
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(2 * 1024**3))
    full = machine._check_disk(tmp_path / "not" / "there")
    assert not full.ok and "2.0 GB free" in full.detail
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(80 * 1024**3))
    assert machine._check_disk(tmp_path / "not" / "there").ok


def test_data_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    assert not machine._check_data(tmp_path).ok
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text("{}")
    (tmp_path / "toy" / "0a1b").mkdir(parents=True)
    (tmp_path / "toy" / "0a1b" / "dataset.json").write_text("{}")
    found = machine._check_data(tmp_path)
    assert found.ok and "1 prepared dataset, 1 raw file of 0.0 GB" in found.detail


def test_checks_do_not_depend_on_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {c.subject for c in check_installation()} >= {"numpy", "GPU", "data"}
