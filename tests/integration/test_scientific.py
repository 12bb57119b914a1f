"""A real Amazon domain end to end, through the public path: two tables and a suite file."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchkit.data.audit import audit_cases, audit_cases_from_dataset
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.spec import DatasetSpec

DATA = Path(__file__).parents[3] / "shared" / "data" / "amazon2018_scientific"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data at {DATA.name}")

SUITE = """
title = "Industrial and Scientific"
metrics = ["hr@1", "hr@5", "ndcg@5", "mrr"]

[[datasets]]
name = "scientific"
source = "table"
duplicates = "keep"
options = { interactions = "interactions.csv", items = "items.csv" }

"""
METHODS = ("random", "popularity", "item-knn", "ease", "sasrec", "recbole/SASRec",
           "recbole/GRU4Rec", "recbole/FPMC")  # fmt: skip


def write_tables(folder: Path) -> None:
    """The published sequences as the two tables that a user would bring."""
    index = {
        code: item
        for item, code in (
            line.split("\t") for line in (DATA / "Scientific.item2index").read_text().splitlines()
        )
    }
    with (folder / "interactions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item"])
        lines = (DATA / "Scientific.test.inter").read_text().splitlines()[1:]
        for user, history, target in (line.split("\t") for line in lines):
            writer.writerows([user, index[code]] for code in [*history.split(), target])
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "title"])
        for line in (DATA / "Scientific.text").read_text().splitlines()[1:]:
            writer.writerow(line.split("\t", 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scientific")
    write_tables(folder)
    (folder / "scientific.toml").write_text(
        SUITE + "".join(f'[[methods]]\nmethod = "{name}"\n' for name in METHODS)
    )
    return folder


def test_sizes_come_out_exactly_and_the_cases_are_clean(folder):
    options = {name: str(folder / f"{name}.csv") for name in ("interactions", "items")}
    data = load_or_prepare(
        DatasetSpec(name="scientific", source="table", options=options, duplicates="keep"),
        folder / "data",
    )
    assert (len(data.users), len(data.catalog), len(data.interactions)) == (8442, 4385, 59384)
    # One user has had nothing but the target, so that no list could hide it.
    assert len(data.test) == 8441
    assert data.report["test_repeats_of_the_only_items_of_a_history"] == 1
    for part in ("test", "valid"):
        wrong = [
            f for f in audit_cases(audit_cases_from_dataset(data, part)) if f.severity != "note"
        ]
        assert not wrong


@pytest.mark.slow
def test_every_trained_method_is_above_chance(folder):
    command = [sys.executable, "-m", "benchkit", "run", "--suite", "scientific.toml", "--jobs", "2"]
    done = subprocess.run(
        command, cwd=folder, text=True, capture_output=True, env={**os.environ, "COLUMNS": "140"}
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((folder / "leaderboards/scientific/leaderboard.csv").open()))
    p = {r["method"]: float(r["p_above_chance_holm"]) for r in rows if r["metric"] == "ndcg@5"}
    assert set(p) == set(METHODS)
    assert p["random"] > 0.05
    assert all(p[name] < 0.05 for name in METHODS[1:]), p
    for path in (folder / "runs").glob("scientific/*/*/*/manifest.json"):
        assert json.loads(path.read_text())["status"] == "complete"
