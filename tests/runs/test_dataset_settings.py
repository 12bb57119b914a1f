"""`{dataset}` in the settings of a row: a file of rationales or preferences for each dataset."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchkit.cli.rationales import rationales_command
from benchkit.config.suite import load_suite
from benchkit.errors import ConfigError
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import execute_plan, plan_runs
from benchkit.runs.settings.dataset_names import fill_dataset
from tests.support.tiny_models import tiny_backbone

DATASET = """
[[datasets]]
name = "{name}"
source = "toy"
options = {{ users = {users}, items = 60, length = 8 }}
candidates = {{ count = 20 }}
"""
TEACHER = 'teacher = { kind = "file", path = "rationales/{dataset}.jsonl" }'
SUITE = (
    'title = "Toys"\nmetrics = ["hr@1", "ndcg@5"]\n'
    + DATASET.format(name="tea", users=40)
    + DATASET.format(name="cups", users=44)
    + '[[methods]]\nmethod = "popularity"\n'
    + f'[[methods]]\nmethod = "rationale-sft"\nconfig = {{ {TEACHER} }}\n'
    + '[[methods]]\nmethod = "s-dpo"\nconfig = { preferences = "pairs/{dataset}.jsonl" }\n'
)


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(SUITE)
    return load_suite("mine.toml")


def write_files(*datasets):
    """What `benchkit rationales` writes for each dataset."""
    app = typer.Typer()
    app.command()(rationales_command)
    for name in datasets:
        arguments = ["--suite", "mine.toml", "--dataset", name, "--limit-users", 8,
                     "--candidates", 8, "--negatives", 2, "--out", f"rationales/{name}.jsonl",
                     "--triplets", f"pairs/{name}.jsonl"]  # fmt: skip
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 0, result.output


def jobs(suite, **options):
    return {(j.task, j.method.name): j for j in plan_runs(suite, RunOptions(**options)).jobs}


def test_all_missing_files_are_listed_at_once_with_their_datasets(suite):
    write_files("tea")
    Path("pairs/tea.jsonl").unlink()
    with pytest.raises(ConfigError) as error:
        jobs(suite)
    assert error.value.cause.splitlines() == [
        "files of suite 'mine' that are not there: 3",
        "  dataset 'cups': rationales/cups.jsonl (for rationale-sft)",
        "  dataset 'tea': pairs/tea.jsonl (for s-dpo)",
        "  dataset 'cups': pairs/cups.jsonl (for s-dpo)",
    ]
    assert "--dataset cups --out rationales/cups.jsonl" in error.value.hint
    assert len(jobs(suite, datasets=("tea",), methods=("popularity", "rationale-sft"))) == 2


def test_each_dataset_has_its_file_and_its_content_identifies_the_run(suite):
    write_files("tea", "cups")
    before = jobs(suite)
    assert len(before) == 6
    for name in ("tea", "cups"):
        teacher = before[name, "rationale-sft"].method.config["teacher"]
        assert teacher["path"] == str(Path(f"rationales/{name}.jsonl").resolve())
        pairs = str(Path(f"pairs/{name}.jsonl").resolve())
        assert before[name, "s-dpo"].method.config == {"preferences": pairs}
    hashes = {
        job.identity["config"]["teacher"]["path"]["sha256"]
        for (_, method), job in before.items() if method == "rationale-sft"
    }  # fmt: skip
    assert len(hashes) == 2 and None not in hashes

    path = Path("rationales/cups.jsonl")
    first, *others = path.read_text().splitlines(keepends=True)
    path.write_text(json.dumps({**json.loads(first), "score": 1.5}) + "\n" + "".join(others))
    after = jobs(suite)
    changed = {key for key, job in after.items() if job.run_id != before[key].run_id}
    assert changed == {("cups", "rationale-sft")}


def test_caveats_are_those_of_each_datasets_file(suite):
    write_files("tea", "cups")
    path = Path("rationales/tea.jsonl")
    path.write_text(path.read_text().replace("the offline template teacher", "people"))
    notes = {task: " ".join(job.caveats) for (task, name), job in jobs(suite).items()
             if name == "rationale-sft"}  # fmt: skip
    assert "rationales from people" in notes["tea"]
    assert "the offline template teacher" in notes["cups"]


def test_the_dataset_is_the_one_that_is_trained_on(suite):
    write_files("tea")
    tasks = [{"name": "transfer", "test": "cups", "train": "tea"}]
    moved = type(suite).model_validate({**suite.model_dump(), "tasks": tasks})
    (job,) = jobs(moved, methods=("rationale-sft",)).values()
    assert job.method.config["teacher"]["path"] == "rationales/tea.jsonl"


def test_it_stands_in_texts_at_any_depth():
    config = {"a": [{"b": "x-{dataset}-{dataset}"}], "c": ("{dataset}", 3), "d": None}
    assert fill_dataset(config, "t") == {"a": [{"b": "x-t-t"}], "c": ("t", 3), "d": None}


@pytest.mark.slow
def test_each_run_learns_from_the_file_of_its_dataset(suite, tmp_path):
    write_files("tea", "cups")
    train = {"epochs": 1, "max_steps": 2, "batch_size": 4, "lora": None, "max_length": 4000,
             "gradient_checkpointing": False}  # fmt: skip
    config = {
        "teacher": {"kind": "file", "path": "rationales/{dataset}.jsonl"}, "train": train,
        "backbone": tiny_backbone(), "template": "compact", "rationale_tokens": 8,
        "limit_users": 8, "candidates": 8, "validation_cases": 4,
    }  # fmt: skip
    rows = [{"method": "rationale-sft", "config": config}]
    small = type(suite).model_validate({**suite.model_dump(), "methods": rows})
    options = RunOptions(store=tmp_path / "runs", limit_users=4)
    outcomes = list(execute_plan(plan_runs(small, options), lambda _: None))
    assert [outcome.manifest.status for outcome in outcomes] == ["complete"] * 2
