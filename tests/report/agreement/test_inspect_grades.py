"""Logs of Inspect as JSON: their scores are grades, and their explanations replies."""

import json

import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.files.inspect_log import read_inspect_scores
from benchkit.judging.reply_file import read_replies
from benchkit.report.agreement.ratings_io import read_ratings
from tests.support.command_line import said


def sample(case, value, method="m\tone", explanation="Fits. Rating: 4", epoch=1, scorer="grader"):
    score = {"value": value, "answer": "A", "explanation": explanation, "metadata": {}}
    metadata = {"case": case, "method": method} if method else {}
    return {
        "id": f"id {case}", "epoch": epoch, "input": "?", "target": "!", "metadata": metadata,
        "scores": {scorer: score},
    }  # fmt: skip


def write_log(path, *samples):
    log = {
        "version": 2, "status": "success", "eval": {"task": "t", "model": "openai/x"},
        "samples": list(samples),
    }  # fmt: skip
    path.write_text(json.dumps(log), encoding="utf-8")
    return path


def test_values_are_read_as_inspect_reads_them(tmp_path):
    values = [3, 2.5, True, "C", "P", "I", "N", "4", "yes", None, float("nan")]
    path = write_log(tmp_path / "log.json", *(sample(f"c{n}", v) for n, v in enumerate(values)))
    grades = [score.value for score in read_inspect_scores(path)]
    assert grades == [3.0, 2.5, 1.0, 1.0, 0.5, 0.0, 0.0, 4.0, 1.0, None, None]
    assert {score.model for score in read_inspect_scores(path)} == {"openai/x"}


def test_grades_of_a_log_are_ratings(tmp_path):
    path = write_log(
        tmp_path / "log.json",
        sample("test:a#2", 3), sample("test:a#2", 1, method="two"), sample("test:ü", None),
        sample("test:a#2", 2, epoch=2), sample("test:a#2", 0, scorer="other"),
    )  # fmt: skip
    table = read_ratings([path])
    assert table.items == ("test:a#2", "test:a#2", "test:ü")
    assert table.systems == ("m\tone", "two", "m\tone")
    assert table.raters == ("grader", "grader #2", "other")
    assert table.grades[0].tolist() == [3.0, 2.0, 0.0] and table.grades[1, 0] == 1.0


def test_criteria_and_samples_without_metadata(tmp_path):
    rows = [sample(n, {"fit": n % 3, "trust": 2 - n % 3}, method=None) for n in range(4)]
    path = write_log(tmp_path / "log.json", *rows)
    scores = read_inspect_scores(path)
    assert [(s.case, s.criterion) for s in scores[:2]] == [("id 0", "fit"), ("id 0", "trust")]
    assert read_ratings([path], criterion="fit").grades[:, 0].tolist() == [0, 1, 2, 0]


def test_people_and_a_log_are_compared(tmp_path):
    log = write_log(tmp_path / "log.json", *(sample(f"c{n}", n % 3, None) for n in range(12)))
    people = tmp_path / "people.csv"
    people.write_text("item,grade\n" + "".join(f"id c{n},{n % 3}\n" for n in range(12)))
    output = said("agree", log, people, "--format", "json")
    assert json.loads(output)


def test_explanations_are_replies(tmp_path):
    path = write_log(tmp_path / "log.json", sample("test:a", {"fit": 4, "x": 1}), sample("b", 2))
    replies = read_replies(path)
    assert [(r.case, r.method, r.text, r.judge) for r in replies] == [
        ("test:a", "m\tone", "Fits. Rating: 4", "grader"),
        ("b", "m\tone", "Fits. Rating: 4", "grader"),
    ]
    no_method = write_log(tmp_path / "other.json", sample("a", 1, method=None))
    with pytest.raises(DataError, match="names no method"):
        read_replies(no_method)
    silent = write_log(tmp_path / "silent.json", sample("a", 1, explanation=""))
    with pytest.raises(DataError, match="has no explanation"):
        read_replies(silent)
    two = write_log(tmp_path / "two.json", sample("a", 1), sample("a", 1, scorer="other"))
    with pytest.raises(DataError, match="replies of several judges: grader, other"):
        read_replies(two)


def test_what_is_no_such_log_is_named(tmp_path):
    path = tmp_path / "x.json"
    for text, what in [
        ("[1]", "is no log of Inspect"), ("{", "no JSON"), ("{}", "is no log of Inspect"),
        ('{"eval": {}, "samples": [1]}', "sample 1: is no object"),
        ('{"eval": {}, "samples": []}', "no sample has a score"),
        ('{"eval": {}, "samples": [{"scores": {}}]}', "sample 1: has no id"),
        ('{"eval": {}, "samples": [{"id": 1, "scores": {"s": {"value": "soon"}}}]}', "no grade"),
    ]:  # fmt: skip
        path.write_text(text)
        with pytest.raises(DataError, match=what):
            read_inspect_scores(path)
    with pytest.raises(ConfigError):
        read_inspect_scores(tmp_path / "none.json")
    with pytest.raises(DataError, match="inspect log convert"):
        read_inspect_scores(tmp_path / "x.eval")
