"""Prepared datasets on disk: the same bytes again, on any number of threads, and not made twice."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from benchkit.data.preparation import cache
from benchkit.data.preparation.cache import load_dataset, load_or_prepare, save_dataset
from benchkit.data.spec import DatasetSpec
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
