"""`agree`, `report` and `annotate --plan` with people's labels, as a person meets them."""

import json
import re
import sys

import polars as pl
import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.errors import ConfigError, DataError
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_store import make_store
from tests.support.labelled_store import LabelledStore


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return LabelledStore(tmp_path_factory.mktemp("store"), cases=120, n=75, annotators=2)


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: CliRunner().invoke(app, [str(a) for a in arguments])


def test_agree_corrects_means_over_all_judged_answers(invoke, store):
    done = invoke("agree", store.labels, "--judgements", store.store, "--suite", "plum")
    assert done.exit_code == 0, done.output
    start = done.output.index("Means corrected by people: toys, rating, judge stern")
    text = done.output[start:]
    assert re.search(r"alpha +25/120 +\d\.\d\d +\d\.\d\d \[", text)
    assert "passes: winning rate" in text or "does not pass: winning rate" in text.replace("\n", "")
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text


def test_agree_without_judgements_says_how_to_correct(invoke, store):
    done = invoke("agree", store.labels)
    assert done.exit_code == 0, done.output
    assert "Means corrected" not in done.output
    assert "--judgements (with --suite" in " ".join(done.output.split())
    assert "Could stern replace people?" in done.output


def test_agree_writes_files(invoke, store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # plots are tested elsewhere
    arguments = ("agree", store.labels, "--judgements", store.store, "--suite", "plum")
    records = json.loads(invoke(*arguments, "--format", "json").output)["calibration"]
    assert {r["method"] for r in records if r["statistic"] == "mean"} > {"alpha", "beta", "gamma"}
    assert invoke(*arguments, "--format", "csv", "--out", tmp_path).exit_code == 0
    assert (tmp_path / "calibration.csv").read_text().count("\n") == len(records) + 1


def test_people_alone_have_no_judge_to_calibrate(invoke, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("item,rater,grade\n" + "".join(f"i{i},{r},{i % 3}\n" for i in range(40)
                                                    for r in ("ann", "bob")))  # fmt: skip
    done = invoke("agree", path)
    assert done.exit_code == 0, done.output
    assert "replace people" not in done.output and "corrected" not in done.output


def test_a_reference_says_who_the_people_are(invoke, tmp_path):
    path = tmp_path / "wide.csv"
    lines = [f"i{i},{i % 4},{i % 4},{(i + i % 2) % 4}" for i in range(60)]
    path.write_text("\n".join(["item,ann,bob,gpt", *lines]))
    wide = ("agree", path, "--raters", "ann,bob,gpt")
    assert "replace people" not in invoke(*wide).output
    done = invoke(*wide, "--reference", "ann,bob")
    assert "Could gpt replace people?" in done.output and "Could bob" not in done.output


def test_labels_of_another_store_are_refused(invoke, store, tmp_path):
    other = LabelledStore(tmp_path, cases=10, n=12, annotators=1)
    text = other.labels.read_text().replace("-id", "-gone")
    (tmp_path / "gone.csv").write_text(text)
    arguments = ("--judgements", store.store, "--suite", "plum")
    done = invoke("agree", tmp_path / "gone.csv", *arguments)
    assert isinstance(done.exception, DataError)
    assert "no label is of an answer in these judgements" in str(done.exception)


@pytest.mark.parametrize(("column", "other"), [("task", "games"), ("criterion", "quality")])
def test_labels_that_match_nothing_are_refused(invoke, store, tmp_path, column, other):
    path = tmp_path / "other.csv"
    labels = pl.read_csv(store.labels, infer_schema=False)
    labels.with_columns(pl.lit(other).alias(column)).write_csv(path)
    place = ("--judgements", store.store, "--suite", "plum")
    criterion = labels["criterion"][0] if column == "task" else other
    for arguments in (
        ("agree", path, *place, "--criterion", criterion),
        ("annotate", "--plan", *place, "--labels", path),
        ("report", "--suite", "plum", "--out", store.store, "--labels", path),
    ):
        done = invoke(*arguments)
        assert isinstance(done.exception, DataError), done.output
        assert "no label is of an answer in these judgements" in str(done.exception)


def test_labels_on_another_scale_are_refused_for_the_scale(invoke, store, tmp_path):
    path = tmp_path / "other.csv"
    labels = pl.read_csv(store.labels, infer_schema=False)
    labels.with_columns(pl.lit("0-5").alias("scale")).write_csv(path)
    place = ("--judgements", store.store, "--suite", "plum")
    for arguments in (
        ("agree", path, *place),
        ("annotate", "--plan", *place, "--labels", path),
        ("report", "--suite", "plum", "--out", store.store, "--labels", path),
    ):
        done = invoke(*arguments)
        assert isinstance(done.exception, DataError), done.output
        assert "rating on the scale 0-5, and the judge on 0-3" in str(done.exception)


def test_a_criterion_that_no_judge_graded_is_said(invoke, store, tmp_path):
    path = tmp_path / "both.csv"
    labels = pl.read_csv(store.labels, infer_schema=False)
    fluency = labels.with_columns(pl.lit("fluency").alias("criterion"))
    pl.concat([labels, fluency]).write_csv(path)
    done = invoke("agree", path, "--judgements", store.store, "--suite", "plum")
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "criterion fluency: no label is of an answer" in text
    assert "labels by fluency are left out: stern did not grade by that" in text
    assert text.count("Means corrected by people") == 1


def test_the_plan_says_which_labels_it_leaves_out(invoke, store, tmp_path):
    path = tmp_path / "some.csv"
    labels = pl.read_csv(store.labels, infer_schema=False)
    elsewhere = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("none")).otherwise("case_id")
    labels.with_columns(elsewhere.alias("case_id")).write_csv(path)
    done = invoke(
        "annotate", "--plan", "--judgements", store.store, "--suite", "plum", "--labels", path
    )
    assert "1 labelled answer is not among the judged ones" in " ".join(done.output.split())


@pytest.mark.parametrize("epsilon", ["-0.1", "1.5", "nan"])
def test_epsilon_is_a_share(invoke, store, epsilon):
    done = invoke("agree", store.labels, "--epsilon", epsilon)
    assert done.exit_code == 2 or isinstance(done.exception, ConfigError)


def test_report_takes_labels(invoke, store):
    arguments = ("report", "--suite", "plum", "--out", store.store, "--labels", store.labels)
    done = invoke(*arguments, "--format", "md")
    assert done.exit_code == 0, done.output
    assert "Corrected" in done.output and "Differences corrected by people" in done.output
    done = invoke(*arguments, "--costs")
    assert done.exit_code == 2 and "goes with the tables of grades" in " ".join(
        done.output.replace("│", " ").split()
    )


def test_the_plan_says_how_many_labels_where(invoke, store):
    arguments = ("annotate", "--plan", "--judgements", store.store, "--suite", "plum")
    done = invoke(*arguments, "--half-width", "0.25")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "if its grades correlate with people's by 0.5" in " ".join(done.output.split())
    totals = re.search(r"all of them +360 +0 +(\d+) +(\d+)", done.output)
    with_labels = invoke(*arguments, "--half-width", "0.25", "--labels", store.labels).output
    informed = re.search(r"all of them +360 +75 +(\d+) +(\d+)", with_labels)
    assert int(informed[1]) < int(totals[1]) and int(informed[2]) <= int(totals[2])
    assert "Judge more users" in " ".join(invoke(*arguments, "--half-width", ".02").output.split())


def test_a_plan_goes_around_methods_without_judged_answers_or_grades(invoke, tmp_path):
    grades = {"alpha": [0, 1, 2, 3] * 60, "beta": [], "gamma": [None] * 7}
    runs = {("toys", method): of_method for method, of_method in grades.items()}
    make_store(tmp_path, runs, rubric=load_rubric("rationale-0-3"))
    arguments = ("annotate", "--plan", "--judgements", tmp_path, "--suite", "plum")
    done = invoke(*arguments, "--half-width", "0.25")
    assert done.exit_code == 0, done.output
    alpha = re.search(r"alpha +240 +0 +1\.12 +0\.97 +(\d+) +(\d+)", done.output)
    assert re.search(r"beta +0 +0 +- +- +- +-", done.output)
    assert re.search(r"gamma +7 +0 +- +- +- +-", done.output)
    assert re.search(rf"all of them +247 +0 +{alpha[1]} +{alpha[2]}", done.output)
    text = " ".join(done.output.split())
    assert "Left out of the plan: beta (needs no label)." in text
    assert "Left out of the plan: gamma (the judge gave no grade)." in text
    assert "also over 1 answer that the rubric decides alone" in text and "Each -" not in text


def test_a_plan_needs_judgements_and_a_width(invoke, store):
    arguments = ("annotate", "--plan", "--judgements", store.store, "--suite", "plum")
    done = invoke(*arguments, "--half-width", "0")
    assert isinstance(done.exception, ConfigError) and "not positive" in str(done.exception)
    done = invoke(*arguments, "--correlation", "1")
    assert isinstance(done.exception, ConfigError) and "correlation" in str(done.exception)
    done = invoke("annotate", "--plan", "--read", store.labels)
    assert isinstance(done.exception, ConfigError) and "what a judge graded" in str(done.exception)
