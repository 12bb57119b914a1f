"""People beside a teacher: from what `benchkit rationales` wrote to the agreement with its scores.

No browser is needed; the page itself is that of judged answers, and is tested in `test_page`.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchkit.api.rationales import plan_rationales
from benchkit.cli.main import app
from benchkit.errors import ConfigError, DataError
from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.labels import read_annotation_labels, write_annotation_labels
from benchkit.judging.annotation.teacher_scores import RationaleFile, collect_rationales
from benchkit.judging.inputs import history_lines
from benchkit.judging.rubric import load_rubric
from benchkit.lm.teachers import sentence_encoder
from tests.support.annotation_exports import export_rows, write_export
from tests.support.bag_encoder import Bag

SUITE = (
    'title = "Toys"\n'
    + "".join(
        f'[[datasets]]\nname = "{name}"\nsource = "toy"\n'
        f"options = {{ users = {users}, items = 60, length = 8 }}\ncandidates = {{ count = 20 }}\n"
        for name, users in (("tea", 40), ("cups", 44))
    )
    + '[[methods]]\nmethod = "random"\n'
)
TEACHER = "quux-teacher"
QUESTIONS = {"negatives": 2, "candidates": 8, "validation_cases": 5, "limit_users": 10}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A suite of two datasets, and the file of a teacher for each."""
    root = tmp_path_factory.mktemp("teacher")
    words = pytest.MonkeyPatch()
    words.setattr(sentence_encoder, "MiniLMEncoder", Bag)
    (root / "mine.toml").write_text(SUITE)
    for name in ("tea", "cups"):
        job = plan_rationales(
            str(root / "mine.toml"), name, data=root / "data", cache=root / "cache", **QUESTIONS
        )
        path = root / f"{name}.jsonl"
        list(job.write(path, None))
        path.write_text(path.read_text().replace('"template"', f'"{TEACHER}"'))
    yield root
    words.undo()


@pytest.fixture
def view(folder):
    return plan_rationales(
        str(folder / "mine.toml"), "tea", data=folder / "data", cache=folder / "cache", **QUESTIONS
    ).view


def invoke(folder, *arguments):
    return CliRunner().invoke(app, ["annotate", *map(str, (*arguments, "--data", folder / "data"))])


def near(item):
    """The teacher's score, or one less."""
    score = int(item.grades[TEACHER]["coherence"])
    return max(1, score - len(item.case_id) % 2)


def test_from_rationales_to_agreement_with_the_teachers_scores(folder, tmp_path):
    out, suite = tmp_path / "batch", folder / "mine.toml"
    result = invoke(
        folder, "--rationales", folder / "{dataset}.jsonl", "--suite", suite, "--n", 40,
        "--balanced", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"judge {TEACHER}, rubric coherence-1-7" in result.output
    assert "40 of 70 judged answers (annotator-1 40, annotator-2 40)" in result.output
    key = read_key(out / "key.json")
    assert {item.task for item in key.items.values()} == {"tea", "cups"}
    assert {stratum.grade for stratum in key.strata} <= set(range(1, 8))
    assert [c.name for c in key.rubric.criteria] == ["coherence"]

    exports = [
        write_export(tmp_path / f"{name}.csv", export_rows(key, name, near))
        for name in key.annotators
    ]
    labels = tmp_path / "labels.csv"
    read = invoke(folder, "--read", *exports, "--key", out / "key.json", "--out", labels)
    assert read.exit_code == 0, read.output
    assert "80 grades by people, 40 by judges" in read.output
    agreed = CliRunner().invoke(
        app, ["agree", str(labels), "--reference", f"judge:{TEACHER}", "--format", "json"]
    )
    assert agreed.exit_code == 0, agreed.output
    report = json.loads(agreed.output)
    assert report["categories"] == list(range(1, 8)) and report["items"] == 40
    items = list(key.items.values())
    scores = np.array([item.grades[TEACHER]["coherence"] for item in items])
    grades, weights = np.array([near(item) for item in items]), np.array([i.weight for i in items])
    pairs = {
        row["statistic"]: row["value"] for row in report["statistics"]
        if (row["level"], row["second"]) == ("sample", "annotator-1")
    }  # fmt: skip
    assert pairs["kappa"] == pytest.approx(quadratic_kappa(scores, grades, weights))
    assert 0.5 < pairs["kappa"] < 1 and 0.9 < pairs["spearman"] < 1


def quadratic_kappa(first, second, weights):
    """1 - the squared distance of pairs by that of grades that have nothing to do with each other;
    in a sample of weights."""
    share = weights / weights.sum()
    seen = (share * (first - second) ** 2).sum()
    return 1 - seen / (np.outer(share, share) * np.subtract.outer(first, second) ** 2).sum()


@pytest.mark.parametrize("fraction", [0, 0.25])
def test_scores_that_are_no_whole_numbers_are_compared_too(folder, view, tmp_path, fraction):
    rows = [json.loads(line) for line in (folder / "tea.jsonl").read_text().splitlines()]
    for row in rows:
        row["score"] = min(7, row["score"] + fraction)
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    batch = make_batch(collect_rationales([RationaleFile(path, "mine", view)]), 20, 1)
    export = write_export(tmp_path / "a.csv", export_rows(batch.key, "annotator-1", near))
    labels = read_annotation_labels([export], batch.key)
    write_annotation_labels(labels, batch.key, tmp_path / "labels.csv")
    agreed = CliRunner().invoke(app, ["agree", str(tmp_path / "labels.csv"), "--format", "json"])
    assert agreed.exit_code == 0, agreed.output
    report = json.loads(agreed.output)
    (spearman,) = (
        row["value"] for row in report["statistics"]
        if (row["level"], row["statistic"]) == ("sample", "spearman")
    )  # fmt: skip
    assert spearman > 0.8


def test_pages_show_rationale_history_and_item_and_nothing_of_the_teacher(folder, tmp_path):
    result = invoke(
        folder, "--rationales", folder / "tea.jsonl", "--suite", folder / "mine.toml",
        "--dataset", "tea", "--n", 12, "--annotators", 1, "--out", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    html = (tmp_path / "annotator-1.html").read_text()
    key = read_key(tmp_path / "key.json")
    rows = [json.loads(line) for line in (folder / "tea.jsonl").read_text().splitlines()]
    texts = {(row["key"], row["item"]): row["text"] for row in rows}
    assert len(key.items) == 12 and TEACHER not in html and '"grades": {' not in html
    for item in key.items.values():
        assert json.dumps(texts[item.case_id, item.item])[1:-1].split('\\"')[0] in html
        assert f'"{item.case_id}"' not in html


def test_histories_are_those_of_the_questions(folder, view):
    job = plan_rationales(
        str(folder / "mine.toml"), "tea", data=folder / "data", cache=folder / "cache", **QUESTIONS
    )
    questions = {(q.key, q.item): q for q in (*job.training, *job.validation)}
    population = collect_rationales([RationaleFile(folder / "tea.jsonl", "mine", view)])
    assert len(population.answers) == len(questions) == 35
    for answer in population.answers:
        question = questions[answer.case_id, answer.item]
        assert answer.history == tuple(history_lines(question.history, view.catalog))
        assert answer.user == question.key.removeprefix("valid:")
        assert 1 <= answer.grades[TEACHER]["coherence"] <= 7
    assert population.comparable_criteria(TEACHER) == load_rubric("coherence-1-7").criteria
    other = collect_rationales(
        [RationaleFile(folder / "tea.jsonl", "mine", view)], load_rubric("rationale-quality")
    )
    assert other.comparable_criteria(TEACHER) == ()


def test_what_has_no_score_is_left_out(folder, view, tmp_path):
    lines = (folder / "tea.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines[:3]]
    changes = [{"score": None}, {"status": "refused", "text": None}, {"teacher": ""}]
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(json.dumps(r | c) for r, c in zip(rows, changes, strict=True)))
    (answer,) = collect_rationales([RationaleFile(path, "mine", view)]).answers
    assert answer.method == "file/some.jsonl" and answer.item == rows[2]["item"]
    path.write_text(json.dumps(rows[0] | {"score": None}))
    with pytest.raises(DataError, match="no rationale with a score"):
        collect_rationales([RationaleFile(path, "mine", view)])


@pytest.mark.parametrize("change", [{"key": "nobody"}, {"item": "nothing"}])
def test_a_file_of_other_data_is_refused(folder, view, tmp_path, change):
    row = json.loads((folder / "tea.jsonl").read_text().splitlines()[0])
    path = tmp_path / "other.jsonl"
    path.write_text(json.dumps(row | change))
    with pytest.raises(DataError, match=rf"line 1: .*{next(iter(change.values()))}.* 'tea'"):
        collect_rationales([RationaleFile(path, "mine", view)])


def test_one_file_is_of_one_dataset(folder, tmp_path):
    result = invoke(
        folder, "--rationales", folder / "tea.jsonl", "--suite", folder / "mine.toml",
        "--out", tmp_path,
    )  # fmt: skip
    assert isinstance(result.exception, ConfigError)
    assert "several datasets: tea, cups" in str(result.exception)
    assert not list(Path(tmp_path).iterdir())
