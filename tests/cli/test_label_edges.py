"""Labels of every answer, of too few, or all equal, as a person meets them."""

import re

import polars as pl
import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_store import make_store

GRADES = {"alpha": [0, 1, 2, 3] * 10, "beta": [3] * 30, "gamma": [1, 2, 3] * 4}
PLACE = ("--suite", "plum")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    runs = {("toys", method): grades for method, grades in GRADES.items()}
    make_store(root, runs, rubric=load_rubric("rationale-0-3"))
    return root


@pytest.fixture
def invoke(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        done = CliRunner().invoke(app, [str(a) for a in arguments])
        assert done.exit_code == 0, done.output
        return done.output

    return run


def write_labels(path, counts, grade=None):
    """Two people grade the first answers of each method; by default 0, 1, 2, 0, ..."""
    rows = [
        {"rater": rater, "criterion": "rating", "system": method, "task": "toys",
         "case_id": f"c{i}", "run_id": f"toys-{method}-id", "grade": i % 3 if grade is None else
         grade}
        for method, n in counts.items() for i in range(n) for rater in ("ann", "bob")
    ]  # fmt: skip
    frame = pl.DataFrame(rows).with_columns(item=pl.format("{}-{}", "system", "case_id"))
    frame.write_csv(path)
    return path


def one_line(text):
    return " ".join(text.split())


def test_means_are_printed_where_people_graded_every_answer(invoke, store, tmp_path):
    labels = write_labels(tmp_path / "all.csv", {name: len(g) for name, g in GRADES.items()})
    output = invoke("agree", labels, "--judgements", store, *PLACE)
    report = invoke("report", *PLACE, "--out", store, "--labels", labels)
    for text in (output, report):
        assert re.search(r"alpha +40/40 +\d\.\d\d +(\d\.\d\d) \[[^]]+\] +\1 \[", text), text
        assert re.search(r"gamma +12/12 +not corrected", text)
        line = one_line(text)
        assert "Not corrected: gamma: people have graded only 12 answers; 20 are needed" in line
        assert "People graded every answer that went to the judge" in line
        assert "--judgements" not in line
        assert "random sample" not in line


def test_a_file_of_grades_alone_still_says_how_to_correct(invoke, tmp_path):
    path = tmp_path / "file.csv"
    lines = [
        f"i{i},{'ab'[i % 2]},{rater},{(i + shift) % 4}"
        for i in range(80)
        for rater, shift in (("judge:stern", i % 3 == 0), ("ann", 0), ("bob", i % 5 == 0))
    ]
    path.write_text("\n".join(["item,system,rater,grade", *lines]))
    output = invoke("agree", path)
    assert "Means corrected" not in output
    assert "--judgements (with --suite for a store) corrects" in one_line(output)


def test_the_plan_without_labels_sets_aside_and_borrows(invoke, store):
    output = invoke("annotate", "--plan", "--judgements", store, *PLACE, "--half-width", "0.5")
    alpha = re.search(r"alpha +40 +0 +(\S+) +(\S+) +(\d+)", output)
    beta = re.search(r"beta +30 +0 +(\S+) +(\S+) +(\S+)", output)
    assert beta[1] == beta[2] == alpha[1] > alpha[2]
    assert re.search(r"gamma +12 +0 +- +- +- +-", output)
    text = one_line(output)
    assert "gamma (only 12 answers were judged, and a correction needs labels of 20 users)" in text
    assert "The judge's grades of beta are all equal" in text
    assert "Label about 20 answers a method and plan again" in text
    assert "not used" not in text and max(map(len, output.splitlines())) <= 80


def test_the_plan_says_which_labels_it_does_not_use(invoke, store, tmp_path):
    plan = ("annotate", "--plan", "--judgements", store, *PLACE, "--half-width", "0.5", "--labels")
    equal = write_labels(tmp_path / "equal.csv", {"alpha": 20, "beta": 4, "gamma": 1}, grade=2)
    text = one_line(invoke(*plan, equal))
    assert "fewer than 10 of beta (4), gamma (1); labels that are all equal, of alpha (20)." in text
    assert "SD: of the judge's grades" in text and "labels that are not all equal" in text
    some = write_labels(tmp_path / "some.csv", {"alpha": 20, "gamma": 1})
    text = one_line(invoke(*plan, some))
    assert "SD: of people's grades" in text and "fewer than 10 of gamma (1)." in text
    assert "plan again" not in text and "all equal, of" not in text


def test_the_plan_of_one_grade_alone_needs_labels(invoke, tmp_path):
    make_store(tmp_path, {("toys", "beta"): [3] * 30}, rubric=load_rubric("rationale-0-3"))
    plan = ("annotate", "--plan", "--judgements", tmp_path, *PLACE, "--half-width", "0.5")
    output = invoke(*plan)
    assert re.search(r"beta +30 +0 +- +- +- +-", output)
    assert "do not say how people's vary). Label about 20 answers a method" in one_line(output)
    equal = write_labels(tmp_path / "equal.csv", {"beta": 20}, grade=3)
    text = one_line(invoke(*plan, "--labels", equal))
    assert "labels that are all equal, of beta (20). Label about 20" in text
