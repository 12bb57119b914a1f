"""benchkit pairs, from the command line, with a judge of single answers and one that is biased."""

import csv
import json

import pytest

from benchkit.errors import ConfigError, MethodError, StoreError
from benchkit.runs.store import Store
from tests.support.command_line import invoked, said
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


class NoGrade(Strict):
    def verdict(self, judge_input):
        return Verdict(judge_input.key, {c.name: float("nan") for c in self.rubric.criteria})


class Beyond(Strict):
    def verdict(self, judge_input):
        return Verdict(judge_input.key, {c.name: 99 for c in self.rubric.criteria})


class NoNumber(Strict):
    def verdict(self, judge_input):
        return Verdict(judge_input.key, {c.name: None for c in self.rubric.criteria})


class Honest(First):
    def verdict(self, judge_input):
        a, b = (len(t.split()) for t in (judge_input.rationale, judge_input.other_rationale))
        return Verdict(judge_input.key, {"preference": 2 + (a > b) - (a < b)}, usage={"calls": 1})
'''

MUTE = """

class Mute(Explains):
    def one(self, request, run, place):
        return Sample("text", request.candidates[0], None, "ok")


class Broken(Explains):
    def one(self, request, run, place):
        raise RuntimeError("it broke")
"""
MORE_METHODS = """
[[methods]]
method = "recs.py:Mute"
[[methods]]
method = "recs.py:Broken"
"""


@pytest.fixture
def ran(methods, tmp_path):
    write_explained_suite(methods, tmp_path, JUDGING)
    (tmp_path / "judges.py").write_text(JUDGES + MORE_JUDGES)
    run_explained_suite(tmp_path)
    folder = tmp_path / "leaderboards" / "small"
    folder.mkdir(parents=True)
    return folder


def read(folder, judge="lengthy"):
    rows = list(csv.DictReader((folder / f"pairs-{judge}.csv").read_text().splitlines()))
    return rows, json.loads((folder / f"pairs-{judge}.json").read_text())


def test_a_judge_of_single_answers(ran):
    text = said("pairs", "--suite", "small.toml")
    assert "Strengths: toy, judge lengthy" in text and "know no order" in text
    rows, record = read(ran)
    assert {row["outcome"] for row in rows} <= {"first", "second", "tie", "same answer"}
    (task,) = record["tasks"]
    won = {m["method"]: m["won"]["rate"] for m in task["methods"]}
    assert won["ExplainsMore"] > 0.5 > won["Explains"]
    # It never lost, so that no finite strengths fit best.
    assert {m["log_strength"] for m in task["methods"]} == {None}
    assert "a method never lost to another" in " ".join(text.split())


def test_tasks_that_files_no_longer_hold_are_named(ran):
    assert "no longer" not in invoked("pairs", "--suite", "small.toml").stderr
    _, record = read(ran)
    record["tasks"].append(record["tasks"][0] | {"task": "other"})
    (ran / "pairs-lengthy.json").write_text(json.dumps(record))
    done = invoked("pairs", "--suite", "small.toml", "--dataset", "toy")
    expected = "judge lengthy: its files now hold only toy, and no longer other:"
    assert expected in " ".join(done.stderr.split())
    assert "no longer" not in invoked("pairs", "--suite", "small.toml").stderr


def test_a_pairwise_rubric_is_asked_in_both_orders(ran):
    pairwise = ("--by", "judges.py:Honest", "--rubric", "pair-quality", "--label", "honest")
    text = said("pairs", "--suite", "small.toml", *pairwise)
    assert "Position-inconsistent: 0 of" in text
    rows, record = read(ran, "honest")
    asked = [row for row in rows if row["outcome"] != "same answer"]
    assert record["usage"]["honest"]["calls"] == 2 * len(asked) > 0
    estimate = said("pairs", "--suite", "small.toml", *pairwise, "--estimate")
    assert f"{len(rows)} pairs" in estimate


def test_a_judge_that_prefers_a_place_decides_nothing(ran):
    text = said(
        "pairs", "--suite", "small.toml", "--by", "judges.py:First", "--rubric", "pair-quality"
    )
    assert "the answer shown first is preferred" in " ".join(text.split())
    rows, record = read(ran, "First")
    assert {row["outcome"] for row in rows} <= {"inconsistent", "same answer"}
    assert record["tasks"][0]["position"]["inconsistent_share"] == 1.0
    assert all(m["log_strength"] is None for m in record["tasks"][0]["methods"])
    assert {m["won"]["rate"] for m in record["tasks"][0]["methods"]} == {0.5}


@pytest.mark.parametrize(
    ("judge", "more", "problem"),
    [
        ("NoGrade", ("--rubric", "pair-quality"), "preference nan is outside 1..3"),
        ("Beyond", ("--rubric", "pair-quality"), "preference 99 is outside 1..3"),
        ("Beyond", ("--rubric", "rationale-quality"), "grounding 99 is outside 1..5"),
        ("NoNumber", ("--rubric", "rationale-quality"), "grounding None is no number"),
    ],
)
@pytest.mark.usefixtures("ran")
def test_grades_off_the_scale_are_refused(judge, more, problem):
    by = ("--suite", "small.toml", "--by", f"judges.py:{judge}", *more)
    for command in (("pairs", *by), ("judge", *by, "--probe", "3")):
        if command[0] == "judge" and "pair-quality" in more:
            continue
        with pytest.raises(MethodError, match=problem) as caught:
            said(*command)
        scale = "preference 1..3" if "pair-quality" in more else "grounding 1..5"
        assert f"grades of the rubric's scale ({scale}" in caught.value.hint


@pytest.mark.usefixtures("ran")
def test_names_that_the_suite_does_not_have_are_named():
    for command in ("pairs", "judge"):
        with pytest.raises(ConfigError, match="unknown method 'Explain': the store") as caught:
            said(command, "--suite", "small.toml", "--method", "Explain")
        assert "did you mean 'Explains'" in caught.value.hint
        with pytest.raises(ConfigError, match=r"unknown dataset 'nosuch': .* with toy"):
            said(command, "--suite", "small.toml", "--dataset", "nosuch")


def test_caveats_and_generated_data_are_said(ran, tmp_path):
    store = Store(tmp_path / "runs")
    plan = store.plan("small")
    store.update_plan(plan.model_copy(update={"title": f"SYNTHETIC: {plan.title}"}))
    text = said("pairs", "--suite", "small.toml")
    assert "SYNTHETIC: Strengths: toy" in text and "Judge lengthy: a judge for tests." in text
    assert read(ran)[1]["synthetic"] is True
    text = said("judge", "--suite", "small.toml", "--probe", "3")
    assert "SYNTHETIC: Probes of judge lengthy" in text and "a judge for tests" in text
    assert json.loads((ran / "probes-lengthy.json").read_text())["synthetic"] is True


def test_methods_that_are_not_compared_are_named_with_the_reason(methods, tmp_path):
    write_explained_suite(methods, tmp_path, JUDGING)
    methods.write_text(methods.read_text() + MUTE)
    (tmp_path / "judges.py").write_text(JUDGES + MORE_JUDGES)
    suite = tmp_path / "small.toml"
    suite.write_text(suite.read_text().replace(JUDGING, MORE_METHODS + JUDGING))
    invoked("run", "--suite", "small.toml", code=1)
    (tmp_path / "leaderboards" / "small").mkdir(parents=True, exist_ok=True)
    text = said("pairs", "--suite", "small.toml")
    assert "Not compared: Mute: no rationales." in text
    assert "Not compared: Broken: no complete run." in text
    _, record = read(tmp_path / "leaderboards" / "small")
    reasons = {"Broken": "no complete run", "Mute": "no rationales"}
    assert record["tasks"][0]["not_compared"] == reasons
    assert "Broken" not in said("pairs", "--suite", "small.toml", "--method",
                                "Explains,ExplainsMore")  # fmt: skip
    with pytest.raises(StoreError, match=r"\(Broken: no complete run; Mute: no rationales\)"):
        said("pairs", "--suite", "small.toml", "--method", "Mute,Broken")


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
