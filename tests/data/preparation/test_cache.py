"""Prepared datasets on disk: the same bytes again, on any number of threads, and not made twice."""

import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from benchkit import fingerprint
from benchkit.data import hash_memory
from benchkit.data.preparation import cache
from benchkit.data.preparation.cache import load_dataset, load_or_prepare, save_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from benchkit.testing.fixtures import toy_dataset

CODE = """
import sys
from pathlib import Path
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.spec import DatasetSpec
spec = DatasetSpec.model_validate_json(sys.argv[1])
print(load_or_prepare(spec, Path(sys.argv[2])).fingerprint)
"""


@pytest.fixture
def spec(tmp_path):
    rng = np.random.default_rng(0)
    n = 20_000
    table = pl.DataFrame(
        {
            "user": [f"u{u}" for u in rng.zipf(1.3, n) % 900],
            "item": [f"i{i}" for i in rng.zipf(1.2, n) % 700],
            "rating": rng.integers(1, 6, n),
            "timestamp": rng.integers(0, 5000, n),
            "review": [f"text {x}" for x in rng.integers(0, 99, n)],
        }
    )
    table.write_csv(tmp_path / "x.csv")
    pl.DataFrame({"item": [f"i{i}" for i in range(700)], "title": [f"T {i}" for i in range(700)]}
                 ).write_csv(tmp_path / "items.csv")  # fmt: skip
    options = {"interactions": str(tmp_path / "x.csv"), "items": str(tmp_path / "items.csv")}
    return DatasetSpec(name="mine", source="table", options=options, k_core=3, duplicates="last")


def files_of(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("mine-*/*"))
    }


def test_the_same_bytes_on_any_number_of_threads(spec, tmp_path):
    made = []
    for threads in ("1", "2", "5"):
        out = tmp_path / f"threads{threads}"
        done = subprocess.run(
            [sys.executable, "-c", CODE, spec.model_dump_json(), str(out)],
            capture_output=True, text=True, check=True,
            env={**os.environ, "POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads},
        )  # fmt: skip
        made.append((done.stdout, files_of(out)))
    assert made[0] == made[1] == made[2]
    assert len(made[0][1]) == 6


def test_what_was_written_is_read_back(tmp_path):
    data = toy_dataset()
    save_dataset(data, tmp_path / "toy")
    back = load_dataset(tmp_path / "toy")
    assert back.fingerprint == data.fingerprint
    assert list(back.requests(back.test, 0, 5)) == list(data.requests(data.test, 0, 5))
    assert back.report == data.report


def test_a_dataset_is_made_once_and_again_when_its_file_changes(spec, tmp_path, monkeypatch):
    built = []
    original = cache.prepare_dataset
    monkeypatch.setattr(cache, "prepare_dataset", lambda *a: built.append(1) or original(*a))
    first = load_or_prepare(spec, tmp_path / "data")
    assert load_or_prepare(spec, tmp_path / "data").fingerprint == first.fingerprint
    assert len(built) == 1
    with (tmp_path / "x.csv").open("a") as file:
        file.write("u1,i1,5,9999,new\n")
    assert load_or_prepare(spec, tmp_path / "data").fingerprint != first.fingerprint
    assert len(built) == 2


def replace_in_place(path, old, new):
    """Write other content of the same size, and set the time of modification back."""
    state = path.stat()
    content = path.read_bytes()
    assert len(old) == len(new) and old in content
    path.write_bytes(content.replace(old, new))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (state.st_size, state.st_mtime_ns)


@pytest.mark.parametrize("remembered", [False, True])
def test_content_decides_where_size_and_time_stay(spec, tmp_path, monkeypatch, remembered):
    if remembered:  # as a large file is whose last change is some seconds ago
        monkeypatch.setattr(hash_memory, "_WORTH_BYTES", 0)
        monkeypatch.setattr(fingerprint, "_CLOCK_STEP", 0)
    root = tmp_path / "data"
    first = load_or_prepare(spec, root)
    identity, folder = cache.identify_dataset(spec, root), cache.dataset_dir(spec, root)
    assert (root / ".input-hashes.json").exists() == remembered
    time.sleep(0.02)  # the clock of a file system ticks every few milliseconds
    replace_in_place(tmp_path / "items.csv", b"T 699", b"U 699")
    assert cache.dataset_dir(spec, root) != folder
    assert cache.identify_dataset(spec, root) != identity
    assert load_or_prepare(spec, root).catalog.texts != first.catalog.texts


def test_a_file_that_is_only_touched_is_not_read_again(spec, tmp_path, monkeypatch):
    folder = cache.dataset_dir(spec, tmp_path / "data")
    load_or_prepare(spec, tmp_path / "data")
    monkeypatch.setattr(cache, "prepare_dataset", lambda *_: pytest.fail("prepared again"))
    os.utime(tmp_path / "x.csv", ns=(1, 1))
    assert cache.dataset_dir(spec, tmp_path / "data") == folder
    load_or_prepare(spec, tmp_path / "data")


def test_hashes_of_large_files_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(hash_memory, "_WORTH_BYTES", 0)
    monkeypatch.setattr(fingerprint, "_CLOCK_STEP", 0)
    file, store = tmp_path / "x", tmp_path / "hashes.json"
    file.write_text("abc")
    memory = hash_memory.HashMemory(store)
    content_hash = memory.hash_file(file)
    assert content_hash == hashlib.sha256(b"abc").hexdigest()
    assert memory.hash_file(tmp_path / "none") is None
    memory.write()
    monkeypatch.setattr(fingerprint, "hash_file", lambda _: pytest.fail("hashed again"))
    assert hash_memory.HashMemory(store).hash_file(file) == content_hash
    store.write_text("[1]")
    with pytest.raises(pytest.fail.Exception, match="hashed again"):
        hash_memory.HashMemory(store).hash_file(file)


def test_a_dry_look_writes_nothing(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(hash_memory, "_WORTH_BYTES", 0)
    monkeypatch.setattr(fingerprint, "_CLOCK_STEP", 0)
    cache.identify_dataset(spec, tmp_path / "data")
    cache.dataset_dir(spec, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_files_that_change_while_they_are_read_are_not_kept(spec, tmp_path, monkeypatch):
    original = cache.prepare_dataset

    def prepare(*arguments):
        with (tmp_path / "x.csv").open("a") as file:
            file.write("u1,i1,5,9999,new\n")
        return original(*arguments)

    monkeypatch.setattr(cache, "prepare_dataset", prepare)
    with pytest.raises(DataError, match="have changed while they were read"):
        load_or_prepare(spec, tmp_path / "data")
    monkeypatch.setattr(cache, "prepare_dataset", original)
    assert "new" in load_or_prepare(spec, tmp_path / "data").interactions.review


def test_settings_of_time_are_no_part_of_a_key_that_does_not_say_them(spec):
    dumped = spec.model_dump(mode="json")
    assert not {"time", "time_zone"} & set(dumped)
    assert spec.model_copy(update={"time": "none"}).model_dump()["time"] == "none"
