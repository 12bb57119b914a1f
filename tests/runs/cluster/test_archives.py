"""Files as bytes, unpacked once."""

import io
import tarfile
import threading

import pytest

from benchkit.errors import StoreError
from benchkit.runs.cluster.archives import (
    archive_files,
    archive_folder,
    extract_archive,
    unpack_once,
)


def test_a_folder_comes_back_as_it_was(tmp_path):
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "a.bin").write_bytes(b"\0\1")
    (source / "b.txt").write_text("b")
    (source / "c.txt").symlink_to(source / "b.txt")
    extract_archive(archive_folder(source), tmp_path / "target")
    files = {p.name: p.read_bytes() for p in (tmp_path / "target").rglob("*") if p.is_file()}
    assert files == {"a.bin": b"\0\1", "b.txt": b"b", "c.txt": b"b"}
    assert not (tmp_path / "target" / "c.txt").is_symlink()


def test_files_get_the_names_that_they_are_given(tmp_path):
    (tmp_path / "x").write_text("x")
    extract_archive(archive_files({"deep/y": tmp_path / "x"}), tmp_path / "target")
    assert (tmp_path / "target" / "deep" / "y").read_text() == "x"


def test_nothing_is_written_outside_the_folder(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(tarfile.TarError):
        extract_archive(buffer.getvalue(), tmp_path / "target")
    assert not (tmp_path / "outside").exists()


def test_of_many_that_ask_one_loads(tmp_path):
    (tmp_path / "x").write_text("x")
    data = archive_files({"x": tmp_path / "x"})
    loads = []

    def load():
        loads.append(1)
        return data

    threads = [
        threading.Thread(target=unpack_once, args=(load, tmp_path / "target")) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]
    assert (tmp_path / "target" / "x").read_text() == "x"


def test_a_disk_that_cannot_be_written_is_an_error_of_the_store(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        extract_archive(archive_files({}), tmp_path / "file" / "target")
    with pytest.raises(RuntimeError):
        unpack_once(lambda: exec("raise RuntimeError"), tmp_path / "other")
    assert not (tmp_path / "other").exists()
