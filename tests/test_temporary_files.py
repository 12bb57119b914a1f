"""Temporary files: a name each, and what a killed process left is removed by the next write."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchkit import io
from benchkit.errors import StoreError
from benchkit.files import temporary_files
from benchkit.files.temporary_files import make_temporary_file, sweep_folder


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leftover(folder: Path, process: int, host: str = "", days: float = 0) -> Path:
    name = f".benchkit-{host or temporary_files._host()}-{process}-abc_1234.tmp"
    path = folder / name
    path.write_text("half")
    then = time.time() - 86400 * days
    os.utime(path, (then, then))
    return path


def test_a_write_removes_what_a_killed_process_left(tmp_path):
    gone = [leftover(tmp_path, ended_process()), leftover(tmp_path, 1, days=2)]
    gone.append(leftover(tmp_path, 2**40))
    elsewhere_old = leftover(tmp_path, 1, "0" * 8, days=2)
    kept = [
        leftover(tmp_path, os.getpid()),  # ours, of another thread
        leftover(tmp_path, ended_process(), "0" * 8),  # on another machine it may still run
    ]
    for name in ("notes.tmp", ".benchkit-x.tmp", ".a.json.k3j2", "x.part"):  # not of our making
        kept.append(tmp_path / name)
        kept[-1].write_text("mine")
        os.utime(kept[-1], (0, 0))
    io.write_text(tmp_path / "a.txt", "new")
    assert not any(path.exists() for path in [*gone, elsewhere_old])
    assert all(path.exists() for path in kept)


def test_folders_and_links_are_not_swept(tmp_path):
    name = f".benchkit-{temporary_files._host()}-{ended_process()}-"
    (tmp_path / f"{name}folder.tmp").mkdir()
    (tmp_path / "target").write_text("x")
    (tmp_path / f"{name}link.tmp").symlink_to(tmp_path / "target")
    assert sweep_folder(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3


KILLED = """
import os, signal, sys
from pathlib import Path
from benchkit import io
with io.replace_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_in_the_middle_leaves_the_old_file_and_nothing_after_the_next_write(tmp_path):
    path = tmp_path / "a.txt"
    io.write_text(path, "old")
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 2
    io.write_text(tmp_path / "b.txt", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def write_often(folder: Path, number: int) -> None:
    for _ in range(40):
        io.write_bytes(folder / "plot.png", bytes([number]) * 20_000)


def test_processes_that_write_one_file_do_not_meet(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(tmp_path, n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    content = (tmp_path / "plot.png").read_bytes()
    assert len(content) == 20_000 and len(set(content)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["plot.png"]


def test_a_name_may_be_as_long_as_a_name_can_be(tmp_path):
    io.write_text(tmp_path / ("x" * 255), "x")
    with pytest.raises(StoreError, match="cannot write") as caught:
        io.write_text(tmp_path / ("x" * 256), "x")
    assert "shorter" in caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["x" * 255]


def test_an_error_of_the_block_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), io.replace_file(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise KeyError("x")
    assert not list(tmp_path.iterdir())


def test_two_files_of_a_folder_have_two_names(tmp_path):
    assert len({make_temporary_file(tmp_path) for _ in range(20)}) == 20


def test_no_writer_has_a_fixed_name():
    """Whatever is renamed into place comes from `replace_file`, or from a folder of its own."""
    root = Path(io.__file__).parent
    texts = {p: p.read_text(encoding="utf-8") for p in root.rglob("*.py")}
    fixed = [p.name for p, text in texts.items() if '".part' in text or '.partial"' in text]
    assert not fixed
    assert [
        p.name for p, text in texts.items() if ".part" in text and "{path.name}.part" in text
    ] == ["download.py"]  # under a lock, since a download goes on from it


@pytest.mark.parametrize("kind", ["text", "json", "parquet", "bytes", "weights", "array"])
def test_every_writer_cleans_up_after_a_fault(tmp_path, monkeypatch, kind):
    import polars as pl
    import torch

    from benchkit.training.core.weights import write_weights

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    def write_array(path):
        with io.replace_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.zeros(3))

    monkeypatch.setattr(os, "fsync", fail)
    writers = {
        "text": lambda p: io.write_text(p, "x"),
        "json": lambda p: io.write_json(p, {}),
        "parquet": lambda p: io.write_parquet(p, pl.DataFrame({"a": [1]})),
        "bytes": lambda p: io.write_bytes(p, b"x"),
        "weights": lambda p: write_weights(p, {"a": torch.zeros(3)}),
        "array": write_array,
    }
    with pytest.raises(StoreError, match="cannot write"):
        writers[kind](tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_what_outlives_no_machine_is_not_flushed(tmp_path, monkeypatch):
    flushes = []
    monkeypatch.setattr(os, "fsync", flushes.append)
    with io.leave_unflushed():
        io.write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").read_text() == "x" and not flushes
    io.write_text(tmp_path / "a", "y")
    assert len(flushes) == 2  # the file, and the folder that has its name
