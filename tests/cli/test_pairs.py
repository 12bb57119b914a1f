"""benchkit pairs, from the command line, with a judge of single answers and one that is biased."""

import csv
import json

import pytest

from benchkit.errors import ConfigError, StoreError
from tests.support.command_line import said
from tests.support.explained_suite import run_explained_suite, write_explained_suite
from tests.support.toy_judges import JUDGES

JUDGING = """
[judging]
[[judging.judges]]
judge = "judges.py:Lengthy"
label = "lengthy"
config = { rubric = "rationale-quality" }
"""
MORE_JUDGES = '''

class Lengthy(Strict):
    """The longer, the better."""

    def verdict(self, judge_input):
        more = len(judge_input.rationale.split()) > 8
        return Verdict(judge_input.key, {c.name: 3 + more for c in self.rubric.criteria})


class First(Strict):
    """Prefers the answer shown first, always."""

    def verdict(self, judge_input):
        assert judge_input.other_rationale
        return Verdict(judge_input.key, {"preference": 3}, usage={"calls": 1})


class Honest(First):
    def verdict(self, judge_input):
        a, b = (len(t.split()) for t in (judge_input.rationale, judge_input.other_rationale))
        return Verdict(judge_input.key, {"preference": 2 + (a > b) - (a < b)}, usage={"calls": 1})
'''


@pytest.fixture
def ran(methods, tmp_path):
    write_explained_suite(methods, tmp_path, JUDGING)
    (tmp_path / "judges.py").write_text(JUDGES + MORE_JUDGES)
    run_explained_suite(tmp_path)
    folder = tmp_path / "leaderboards" / "small"
    folder.mkdir(parents=True)
    return folder


def read(folder):
    rows = list(csv.DictReader((folder / "pairs.csv").read_text().splitlines()))
    return rows, json.loads((folder / "pairs.json").read_text())


def test_a_judge_of_single_answers(ran):
    text = said("pairs", "--suite", "small.toml")
    assert "Strengths: toy, judge lengthy" in text and "know no order" in text
    rows, record = read(ran)
    assert {row["outcome"] for row in rows} <= {"first", "second", "tie", "same answer"}
    (task,) = record["tasks"]
    strengths = {m["method"]: m["log_strength"] for m in task["methods"]}
    assert strengths["ExplainsMore"] > 0 > strengths["Explains"]


def test_a_pairwise_rubric_is_asked_in_both_orders(ran):
    pairwise = ("--by", "judges.py:Honest", "--rubric", "pair-quality", "--label", "honest")
    text = said("pairs", "--suite", "small.toml", *pairwise)
    assert "Position-inconsistent: 0 of" in text
    rows, record = read(ran)
    asked = [row for row in rows if row["outcome"] != "same answer"]
    assert record["usage"]["honest"]["calls"] == 2 * len(asked) > 0
    estimate = said("pairs", "--suite", "small.toml", *pairwise, "--estimate")
    assert f"{len(rows)} pairs" in estimate


def test_a_judge_that_prefers_a_place_decides_nothing(ran):
    text = said(
        "pairs", "--suite", "small.toml", "--by", "judges.py:First", "--rubric", "pair-quality"
    )
    assert "the answer shown first is preferred" in " ".join(text.split())
    rows, record = read(ran)
    assert {row["outcome"] for row in rows} <= {"inconsistent", "same answer"}
    assert record["tasks"][0]["position"]["inconsistent_share"] == 1.0
    assert all(m["log_strength"] == 0 for m in record["tasks"][0]["methods"])


@pytest.mark.usefixtures("ran")
def test_one_method_has_nobody_to_compare_with():
    with pytest.raises(StoreError, match="no two methods explain the same cases"):
        said("pairs", "--suite", "small.toml", "--method", "Explains")


@pytest.mark.usefixtures("ran")
def test_a_pairwise_rubric_grades_no_single_answer():
    for more in ((), ("--probe", "3"), ("--estimate",)):
        with pytest.raises(ConfigError, match="asks which of two answers is better") as caught:
            said("judge", "--suite", "small.toml", "--by", "judges.py:First", "--rubric",
                 "pair-quality", *more)  # fmt: skip
        assert caught.value.hint == "benchkit pairs compares answers"
