"""Files that a suite names: where they are looked for, and what a run id knows of them."""

import json
import shutil

import pytest

from benchkit.config.suite import load_suite
from benchkit.errors import BenchkitError, ConfigError
from benchkit.runs.plan import RunOptions, plan_runs

TEMPLATE = "benchkit/lm/templates/compact.toml"
SUITE = """
title = "Paths"
[[datasets]]
name = "toy"
source = "toy"
[[methods]]
method = "dpo"
[methods.config]
template = "words/mine.toml"
preferences = "pairs.jsonl"
teacher = { kind = "file", path = "why.jsonl" }
"""
FILES = ("words/mine.toml", "pairs.jsonl", "why.jsonl")


@pytest.fixture
def files(tmp_path, request):
    def write(folder, names=FILES, text="{}\n"):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".toml"):
                shutil.copy(request.config.rootpath / TEMPLATE, path)
            else:
                path.write_text(text)

    return write


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The folder of a suite, the data folder, and a current folder that is neither."""
    for name in ("suite", "data", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "suite" / "mine.toml").write_text(SUITE)
    return tmp_path


def job_of(places, suite="suite/mine.toml"):
    options = RunOptions(store=places / "runs", data=places / "data")
    (job,) = plan_runs(load_suite(str(places / suite)), options).jobs
    return job


def test_the_folder_of_the_suite_comes_before_the_data_folder(places, files):
    ids = []
    for number, folder in enumerate(["data", "data/raw", "suite"]):
        files(places / folder, text="{}\n" * (number + 1))
        job = job_of(places)
        for key in ("template", "preferences"):
            assert str(places / folder) in job.method.config[key]
        assert job.method.config["teacher"]["path"] == str(places / folder / "why.jsonl")
        ids.append(job.run_id)
    assert len(set(ids)) == 3


def test_the_place_is_no_part_of_the_run_id(places, files):
    files(places / "suite")
    first = job_of(places).run_id
    (places / "suite").rename(places / "moved")
    assert job_of(places, "moved/mine.toml").run_id == first
    for name in FILES:
        target = places / "data" / "raw" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (places / "moved" / name).rename(target)
    assert job_of(places, "moved/mine.toml").run_id == first
    (places / "data" / "raw" / "pairs.jsonl").write_text("[]\n")
    assert job_of(places, "moved/mine.toml").run_id != first


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_reported_with_all_places(places, files, name):
    files(places / "suite", [other for other in FILES if other != name])
    with pytest.raises(ConfigError) as caught:
        job_of(places)
    message = str(caught.value)
    assert "method 'dpo'" in message and name in message
    order = [message.index(str(places / folder / name)) for folder in ("suite", "data/raw", "data")]
    assert order == sorted(order)


def test_files_of_a_dataset_have_the_same_order(places):
    rows = "user,item,timestamp\n" + "".join(
        f"u{user},i{item},{item}\n" for user in range(8) for item in range(8)
    )
    items = "item,title\n" + "".join(f"i{item},Plum {item}\n" for item in range(8))
    (places / "suite" / "own.toml").write_text(
        'title = "T"\n[[datasets]]\nname = "d"\nsource = "table"\n'
        'options = { interactions = "rows.csv", items = "items.csv" }\ncandidates = { count = 3 }\n'
        '[[methods]]\nmethod = "popularity"\n'
    )
    with pytest.raises(BenchkitError) as caught:
        job_of(places, "suite/own.toml").run_id  # noqa: B018
    for folder in ("suite file", str(places / "data" / "raw"), str(places / "data")):
        assert folder in str(caught.value)
    ids = set()
    for folder in ("data", "data/raw", "suite"):
        (places / folder).mkdir(exist_ok=True)
        (places / folder / "rows.csv").write_text(rows)
        (places / folder / "items.csv").write_text(items)
        ids.add(job_of(places, "suite/own.toml").run_id)
    assert len(ids) == 1
    dataset = load_suite(str(places / "suite/own.toml")).dataset("d")
    assert dataset.options["interactions"] == str(places / "suite" / "rows.csv")


def test_a_folder_of_a_model_counts_by_its_content(places):
    """Variation: the same name in two suites is two models, and a moved one is the same."""
    text = SUITE.partition("[methods.config]")[0] + 'config = { backbone = "tiny" }\n'
    ids = []
    for name, bias in (("a", 1), ("b", 2), ("c", 1)):
        model = places / name / "tiny"
        model.mkdir(parents=True)
        (model / "config.json").write_text(json.dumps({"model_type": "gpt2", "bias": bias}))
        (places / name / "mine.toml").write_text(text)
        job = job_of(places, f"{name}/mine.toml")
        assert job.method.config["backbone"] == str(model)
        assert "backbone tiny" in job.caveats
        ids.append(job.run_id)
    assert ids[0] == ids[2] != ids[1]


def test_names_that_are_no_files_stay(places):
    (places / "suite" / "papers").mkdir()
    (places / "suite" / "nano").mkdir()
    text = (
        SUITE.partition("[methods.config]")[0]
        + 'config = { backbone = "nano", template = "papers" }\n'
    )
    (places / "suite" / "mine.toml").write_text(text)
    assert job_of(places).method.config == {"backbone": "nano", "template": "papers"}


def test_code_beside_the_suite_is_found(places, methods, monkeypatch):
    """Variation: code lies beside a suite that the user trusts, and is no data."""
    monkeypatch.chdir(places / "here")
    shutil.move(methods, places / "suite" / "recs.py")
    text = SUITE.partition("[[methods]]")[0] + '[[methods]]\nmethod = "recs.py:Counts"\n'
    (places / "suite" / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match="names code"):
        load_suite(str(places / "suite" / "mine.toml"))
    suite = load_suite(str(places / "suite" / "mine.toml"), trust=True)
    options = RunOptions(store=places / "runs", data=places / "data")
    (job,) = plan_runs(suite, options).jobs
    assert job.method.name == "Counts" and job.run_id


def test_settings_of_a_method_of_the_users_own(places, methods, monkeypatch):
    """Variation: a setting that benchkit has never heard of names a file beside the suite."""
    monkeypatch.chdir(places / "here")
    shutil.move(methods, places / "here" / "recs.py")
    with (places / "here" / "recs.py").open("a") as file:
        file.write(
            "\n\nclass Stops2(Base):\n    class Config(BaseModel):\n"
            "        stopwords: str = ''\n\n    def __init__(self, config):\n"
            "        self.words = open(config.stopwords).read()\n"
        )
    (places / "suite" / "stop.txt").write_text("the a an")
    text = SUITE.partition("[[methods]]")[0] + (
        '[[methods]]\nmethod = "recs.py:Stops2"\nconfig = { stopwords = "stop.txt" }\n'
    )
    (places / "suite" / "mine.toml").write_text(text)
    suite = load_suite(str(places / "suite" / "mine.toml"), trust=True)
    options = RunOptions(store=places / "runs", data=places / "data")
    (job,) = plan_runs(suite, options).jobs
    assert job.method.config == {"stopwords": str(places / "suite" / "stop.txt")}
    (places / "suite" / "stop.txt").write_text("the")
    (other,) = plan_runs(suite, options).jobs
    assert other.run_id != job.run_id
