"""What a run id is made of: it names what can change a number, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import benchkit
from benchkit.config.suite import load_suite
from benchkit.processes.inspection import describe_method
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import plan_runs
from tests.support.suites import make_suite, run_all

SOURCES = Path(benchkit.__file__).parents[1]
ENGINE = {"kind": "openai", "base_url": "http://localhost:1/v1", "model": "m", "server": "vllm",
          "tokenizer": "m"}  # fmt: skip
SUITE = {
    "name": "small",
    "title": "Small",
    "datasets": [{"name": "toy", "source": "toy"}],
    "methods": [
        {"method": "popularity"},
        {"method": "ease"},
        {"method": "dpo"},  # on nano, in this process
        {"method": "zero-shot", "config": {"backbone": "m", "engine": ENGINE}},
    ],
}
METHODS = {"popularity", "ease", "dpo", "zero-shot"}
LANGUAGE_MODELS = {"dpo", "zero-shot"}

# Prints the ids of the suite for the sources as they are, then once for each edit of them.
DRIVER = """
import json, sys
from pathlib import Path
import benchkit
from benchkit.config.suite import Suite
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import plan_runs

root = Path(benchkit.__file__).parents[1]
suite, edits = (json.loads(text) for text in sys.argv[1:])

def print_ids():
    jobs = plan_runs(Suite.model_validate(suite), RunOptions()).jobs
    print(json.dumps({job.method.name: job.run_id for job in jobs}))

assert root == Path.cwd()
print_ids()
for name, old, new in edits:
    text = (root / name).read_text()
    assert old in text, name
    (root / name).write_text(text.replace(old, new, 1) if old else text + new)
    print_ids()
    (root / name).write_text(text)
"""


def copy_sources(folder):
    for name in ("benchkit", "baselines", "judges"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SOURCES / name, folder / name, ignore=ignored)


def ids_of(folder, edits=()):
    """The ids of `SUITE`, method -> id, for the sources in a folder and after each edit."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(SUITE), json.dumps(edits)],
        capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "names",
    [
        ("random",),
        pytest.param(("copy", "platform", "json", "numpy"), marks=pytest.mark.slow),
    ],
)
def test_the_name_of_the_folder_of_the_checkout_is_no_part_of_it(tmp_path, names):
    copy_sources(tmp_path)
    (expected,) = ids_of(tmp_path)
    assert expected.keys() == METHODS and len(set(expected.values())) == len(METHODS)
    for name in names:
        folder = tmp_path / "moved" / name
        folder.parent.mkdir(exist_ok=True)
        shutil.copytree(tmp_path, folder, ignore=shutil.ignore_patterns("moved", "__pycache__"))
        assert ids_of(folder) == [expected], name


CODE = "\nCHANGED = 1\n"
# file, old text (none: the new text is appended), new text, methods whose ids change
EDITS = [
    ("benchkit/errors.py", "hint: ", "advice: ", set()),
    ("benchkit/errors.py", "", CODE, set()),
    ("benchkit/report/core/collect.py", "", CODE, set()),
    ("benchkit/runs/progress.py", "", CODE, set()),
    ("benchkit/runs/execution.py", "", CODE, set()),
    ("benchkit/runs/executors/processes.py", "", CODE, set()),
    ("benchkit/cli/run.py", "", CODE, set()),
    ("benchkit/lm/engines/vllm.py", "", CODE, set()),
    ("benchkit/lm/engines/openai/client.py", "", CODE, {"zero-shot"}),
    ("baselines/cf/ease.py", "", "\n# a comment\n", set()),
    ("baselines/cf/ease.py", '"""', '"""Other words. ', set()),
    ("baselines/cf/ease.py", "inverts a matrix", "inverts one matrix", set()),  # of an error
    ("baselines/cf/sasrec.py", "", CODE, set()),
    ("baselines/cf/ease.py", "", CODE, {"ease"}),
    ("baselines/preference/dpo.py", "", CODE, {"dpo"}),
    ("benchkit/training/preference/loss.py", "", CODE, {"dpo"}),
    ("benchkit/lm/shared_prefix.py", "", CODE, {"dpo"}),
    ("benchkit/lm/engines/hf.py", "", CODE, {"dpo"}),
    ("benchkit/lm/prompts.py", "", CODE, LANGUAGE_MODELS),
    ("benchkit/evaluation/ranks.py", "", CODE, METHODS),
    ("benchkit/evaluation/scoring.py", "", CODE, METHODS),
    ("benchkit/stats/bootstrap.py", "", CODE, METHODS),
    ("benchkit/data/preparation/k_core.py", "", CODE, METHODS),
    ("benchkit/data/sources/toy.py", "", CODE, METHODS),
    ("benchkit/data/sources/table.py", "", CODE, set()),
    ("benchkit/seeds.py", "", CODE, METHODS),
]


def test_it_changes_with_the_code_that_computes_numbers_and_with_no_other(tmp_path):
    copy_sources(tmp_path)
    before, *after = ids_of(tmp_path, [edit[:3] for edit in EDITS])
    for (name, _, new, expected), ids in zip(EDITS, after, strict=True):
        changed = {method for method in METHODS if ids[method] != before[method]}
        assert changed == expected, f"{name}: {new!r}"


def test_the_version_on_a_card_counts(methods):
    (job,) = plan_runs(make_suite("Noise"), RunOptions()).jobs
    assert job.identity["version"] == "1"
    assert replace(job).run_id == job.run_id
    newer = job.card.model_copy(update={"version": "2"})
    component = describe_method(newer, {}).identity
    assert replace(job, card=newer, component=component).run_id != job.run_id


def test_which_of_several_devices_is_no_part_of_it(methods):
    def run_id(device):
        return plan_runs(make_suite("Noise"), RunOptions(device=device)).jobs[0].run_id

    assert run_id("cuda:0") == run_id("cuda:1") == run_id("cuda") != run_id("cpu")


@pytest.fixture
def tables(tmp_path):
    """A suite on two tables of its own, and the folder of the tables."""
    folder = tmp_path / "tables"
    folder.mkdir()
    rows = [(f"u{u}", f"i{(u + k) % 12}", u + k) for u in range(8) for k in range(5)]
    table = pl.DataFrame(rows, schema=["user", "item", "timestamp"], orient="row")
    table.write_csv(folder / "interactions.csv")
    titles = pl.DataFrame({"item": [f"i{i}" for i in range(12)]})
    titles.with_columns(title=pl.col("item")).write_csv(folder / "items.csv")
    return folder


def on_tables(folder, name="mine"):
    options = {part: str(folder / f"{part}.csv") for part in ("interactions", "items")}
    dataset = {"name": name, "source": "table", "options": options, "candidates": {"count": 5}}
    return make_suite("Counts", datasets=[dataset])


def test_data_count_by_their_content_and_not_by_their_place(methods, tables, tmp_path):
    def run_id(folder, **more):
        options = RunOptions(data=tmp_path / "data", store=tmp_path / "runs")
        return plan_runs(on_tables(folder, **more), options).jobs[0].run_id

    before = run_id(tables)
    assert not (tmp_path / "data").exists()
    run_all(on_tables(tables), tmp_path)
    assert run_id(tables) == before  # read from the prepared dataset now
    moved = shutil.copytree(tables, tmp_path / "elsewhere")
    assert run_id(moved) == run_id(tables, name="renamed") == before
    with (tables / "interactions.csv").open("a") as file:
        file.write("u1,i9,99\n")
    assert run_id(tables) != before
    changed = plan_runs(on_tables(moved), RunOptions(data=tmp_path / "other")).jobs[0]
    assert changed.run_id == before


def test_a_dry_run_writes_nothing(tmp_path):
    command = [sys.executable, "-m", "benchkit", "run", "--suite", "quickstart", "--dry-run"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES), "COLUMNS": "140"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    jobs = plan_runs(load_suite("quickstart"), RunOptions(data=tmp_path / "data")).jobs
    assert all(job.run_id in done.stdout for job in jobs)
    assert list(tmp_path.iterdir()) == []
