"""Labels read back: what counts, what is counted, what is refused, and that `agree` takes them."""

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.errors import BenchkitError, DataError
from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.labels import (
    LABEL_COLUMNS,
    read_annotation_labels,
    write_annotation_labels,
)
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.rubric import load_rubric
from benchkit.judging.runner import judge_runs
from benchkit.runs.store import Store
from tests.support.annotation_exports import GRADED_RUNS, export_rows, write_export
from tests.support.annotation_store import add_judgement, make_store
from tests.support.suites import make_suite, run_all


def near(item):
    """The judge's grade, off by one for method a."""
    grade = int(item.grades["stern"]["rating"])
    return max(0, grade - 1) if item.method == "a" else grade


def test_the_round_trip(key, tmp_path):
    files = [
        write_export(tmp_path / f"{name}.csv", export_rows(key, name, near))
        for name in key.annotators
    ]
    labels = read_annotation_labels(files, key)
    rows = [dict(zip(LABEL_COLUMNS, row, strict=True)) for row in labels.rows]
    people = [row for row in rows if row["rater"] != "judge:stern"]
    assert len(rows) - len(people) == 24
    assert len(people) == sum(map(len, key.annotators.values())) == 36
    for row in rows:
        item = key.items[row["item"]]
        assert row["system"] == item.method
        assert (row["task"], row["case_id"], row["weight"]) == ("toys", item.case_id, item.weight)
        assert (row["cluster"], row["scale"]) == (f"toys/{item.user}", "0-3")
        judged = row["rater"] == "judge:stern"
        assert row["grade"] == (item.grades["stern"]["rating"] if judged else near(item))
        assert row["criterion"] == "rating"
    (first, second) = labels.progress
    assert (first.name, first.assigned, first.complete) == ("Dr annotator-1", 18, 18)
    assert (first.partial, first.skipped, first.untouched, first.notes) == (0, 0, 0, 0)
    assert first.seconds == second.seconds == 12.5
    assert (labels.n_repeated, labels.n_changed) == (0, 0)


def test_answers_to_the_cases_of_a_user_are_one_cluster(key, tmp_path):
    """A key that does not say users, as older ones, goes by the ids of cases."""
    names = list(key.items)
    renamed = {
        name: item.model_copy(update={"case_id": f"test:u#{place + 2}", "user": ""})
        for place, (name, item) in enumerate(key.items.items())
    }
    renamed[names[0]] = key.items[names[0]].model_copy(update={"user": "somebody"})
    batch = key.model_copy(update={"items": renamed})
    labels = read_annotation_labels([], batch)
    rows = [dict(zip(LABEL_COLUMNS, row, strict=True)) for row in labels.rows]
    clusters = {row["item"]: row["cluster"] for row in rows}
    assert clusters == {name: "toys/somebody" if name == names[0] else "toys/u" for name in names}


def test_what_was_not_done_is_counted_and_no_label(key, tmp_path):
    rows = export_rows(key, "annotator-1")
    rows[0] |= {"grade": "", "skipped": 1, "note": 'says "no",\nnothing'}
    rows[1] |= {"grade": "", "note": "later"}
    labels = read_annotation_labels([write_export(tmp_path / "a.csv", rows[:5])], key)
    first, second = labels.progress
    assert (first.complete, first.partial, first.skipped, first.untouched) == (3, 1, 1, 13)
    assert first.notes == 2
    assert (second.untouched, second.seconds, second.name) == (18, None, "")
    assert sum(row[1] == "annotator-1" for row in labels.rows) == 3


def test_the_last_word_counts(key, tmp_path):
    early = export_rows(key, "annotator-1", grader=lambda item: 1)
    late = export_rows(key, "annotator-1", grader=lambda item: 3)[:4]
    late[3] |= {"grade": 1}  # repeated, and not changed
    late[2] |= {"grade": "", "skipped": 1}
    paths = [write_export(tmp_path / "early.csv", early), write_export(tmp_path / "late.csv", late)]
    labels = read_annotation_labels(paths, key)
    assert (labels.n_repeated, labels.n_changed) == (4, 3)
    grades = {row[0]: row[3] for row in labels.rows if row[1] == "annotator-1"}
    order = key.annotators["annotator-1"]
    assert [grades.get(identifier) for identifier in order[:5]] == [3, 3, None, 1, 1]
    assert labels.progress[0].skipped == 1
    again = read_annotation_labels(paths[::-1], key)
    assert {row[3] for row in again.rows if row[1] == "annotator-1"} == {1}


def test_two_people_on_one_page_are_refused(key, tmp_path):
    ann = write_export(tmp_path / "ann.csv", export_rows(key, "annotator-1", name="Ann")[:3])
    other = write_export(tmp_path / "other.csv", export_rows(key, "annotator-1", name="ann ")[3:])
    assert read_annotation_labels([ann, other], key).progress[0].complete == 18
    bo = write_export(tmp_path / "bo.csv", export_rows(key, "annotator-1", name="Bo")[3:])
    with pytest.raises(DataError, match=r"annotator-1 is 'Ann' in .*ann\.csv.*'Bo' in .*bo\.csv"):
        read_annotation_labels([ann, bo], key)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 2, "batch": 1}', None])
def test_a_key_that_is_none_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / "key.json").write_text(text)
    with pytest.raises(BenchkitError, match=r"key\.json"):
        read_key(tmp_path / "key.json")


def test_judges_by_another_rubric_are_no_raters(tmp_path):
    store = make_store(tmp_path / "runs", GRADED_RUNS, rubric=load_rubric("rationale-0-3"))
    for run in store.runs():
        add_judgement(run, [1, 5] * 8, "wide", load_rubric("rationale-quality"), judge_id="j2")
    result = find_judgements([run.path for run in store.runs()])
    key = make_batch(collect_population(result, load_rubric("rationale-quality")), 12, 1).key
    path = write_export(tmp_path / "a.csv", export_rows(key, "annotator-1"))
    labels = read_annotation_labels([path], key)
    assert {row[1] for row in labels.rows} == {"annotator-1", "judge:wide"}
    assert {row[3] for row in labels.rows if row[1] == "judge:wide"} <= {1, 5}


def test_several_criteria_are_several_files(tmp_path):
    make_store(tmp_path / "runs", {("toys", "a"): [1, 2, 3]})
    key = make_batch(collect_population(find_judgements([tmp_path / "runs"], "plum")), 3, 1).key
    path = write_export(tmp_path / "a.csv", export_rows(key, "annotator-1"))
    labels = read_annotation_labels([path], key)
    paths = write_annotation_labels(labels, key, tmp_path / "labels.csv")
    names = [criterion.name for criterion in key.rubric.criteria]
    assert [p.name for p in paths] == ["labels.csv", *(f"labels-{name}.csv" for name in names)]
    tables = [pl.read_csv(p) for p in paths]
    assert [len(table) for table in tables] == [24, 6, 6, 6, 6]
    assert [set(table["criterion"]) for table in tables[1:]] == [{name} for name in names]
    assert tuple(tables[0].columns) == LABEL_COLUMNS
    assert set(tables[1]["scale"]) == {"1-5"}


def invoke(*arguments):
    return CliRunner().invoke(app, ["annotate", *map(str, arguments)])


def test_from_the_store_to_agreement(tmp_path):
    make_store(tmp_path / "runs", GRADED_RUNS, rubric=load_rubric("rationale-0-3"))
    out = tmp_path / "batch"
    outcome = invoke("--judgements", tmp_path / "runs", "--suite", "plum", "--n", 30, "--out", out)
    assert outcome.exit_code == 0, outcome.output
    assert "30 of 48 judged answers (annotator-1 30, annotator-2 30)" in outcome.output
    key = read_key(out / "key.json")
    exports = [
        write_export(tmp_path / f"{name}.csv", export_rows(key, name, near))
        for name in key.annotators
    ]
    labels = tmp_path / "labels.csv"
    read = invoke("--read", *exports, "--key", out / "key.json", "--out", labels)
    assert read.exit_code == 0, read.output
    assert "60 grades by people, 30 by judges" in read.output
    assert f"benchkit agree {labels}" in read.output
    first = labels.read_bytes()
    assert invoke("--read", *exports, "--key", out / "key.json", "--out", labels).exit_code == 0
    assert labels.read_bytes() == first
    agreed = CliRunner().invoke(
        app, ["agree", str(labels), "--reference", "judge:stern", "--format", "json"]
    )
    assert agreed.exit_code == 0, agreed.output
    report = json.loads(agreed.output)
    assert report["reference"] == ["judge:stern"] and report["items"] == 30
    assert report["categories"] == [0, 1, 2, 3] and not report["categories_inferred"]
    assert report["gap"] == 2


def test_runs_and_files_are_given_one_after_the_other(tmp_path):
    store = make_store(tmp_path / "runs", GRADED_RUNS, rubric=load_rubric("rationale-0-3"))
    runs = [run.path for run in store.runs()]
    outcome = invoke("--judgements", *runs, "--n", 9, "--annotators", 1, "--out", tmp_path / "a")
    assert outcome.exit_code == 0, outcome.output
    files = [path / "judgements" / "stern-j1.parquet" for path in runs]
    outcome = invoke("--judgements", *files, "--n", 9, "--annotators", 1, "--out", tmp_path / "b")
    assert outcome.exit_code == 0, outcome.output
    pages = [(tmp_path / name / "annotator-1.html").read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to annotate"),
        (["--judgements", "a", "--read", "b", "--out", "c"], "only one of"),
        (["--rationales", "a", "--read", "b", "--out", "c"], "only one of"),
        (["--rationales", "a.jsonl", "--out", "c"], "which suite"),
        (["--judgements", "a"], "no place to write to"),
        (["--read", "a.csv", "--out", "c"], "without their key"),
        (["--judgements", "a", "--out", "c", "--rubric", "rationale-0-4"], "did you mean"),
    ],
)
def test_wrong_usage_says_what_is_right(arguments, message):
    result = invoke(*arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, BenchkitError)
    assert message in str(result.exception)


@pytest.mark.usefixtures("explainers")
def test_what_a_judge_left_in_a_store_can_be_annotated(tmp_path):
    """A suite that is run and judged as users do it."""
    spec = {"judge": "judges.py:Strict", "label": "strict", "config": {"most": 3}}
    toy = {"source": "toy", "options": {"users": 60, "items": 50}, "candidates": {"count": 4}}
    suite = make_suite(
        "Explains", "ExplainsMore", datasets=[{"name": "toy", **toy}], decoding={"n": 3},
        protocols=["scored", "sampled"], judging={"answers": "sampled", "judges": [spec]},
    )  # fmt: skip
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    result = find_judgeable_runs(store, suite, suite.name, tmp_path / "data")
    judged = list(judge_runs(store, result, suite.judging, lambda _: None))
    n_judged = sum(outcome.manifest.counts["judged"] for outcome in judged)
    out = tmp_path / "batch"
    batch = invoke("--judgements", tmp_path / "runs", "--suite", "small", "--judge", "strict",
                  "--out", out, "--n", 999)  # fmt: skip
    assert batch.exit_code == 0, batch.output
    key = read_key(out / "key.json")
    assert len(key.items) == n_judged > 1
    assert {item.method for item in key.items.values()} == {"Explains", "ExplainsMore"}
    grades = [item.grades["strict"] for item in key.items.values()]
    assert {} in grades  # rationales of one word, which the judge left unscored
    assert {"rating": 3.0} in grades
