"""Statement checks of runs: in the record, in the report, in no grade."""

from dataclasses import replace

import polars as pl
import pytest

from benchkit.errors import ConfigError
from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.runner import estimate_judge_costs, judge_runs
from benchkit.judging.text_segmentation import split_words
from benchkit.report.grades.collection import collect_grades
from benchkit.report.grades.statements import CONTROL
from benchkit.report.grades.tables import grade_tables, grades_csv
from benchkit.runs.records import ADDED_TO_JUDGEMENTS
from benchkit.runs.store import Store
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.judges import toy_judge_inputs
from judges.heuristic import HeuristicConfig, HeuristicJudge
from judges.llm_judge import LLMJudge, LLMJudgeConfig
from tests.support.judge_inputs import FakeJudgeEngine
from tests.support.judged_store import Judged, answers, judge
from tests.support.suites import make_suite, run_all
from tests.support.toy_judges import JUDGES

STATEMENTS = [
    [("supported", 0, 3), ("contradicted", 4, 7), ("not_checkable", 8, 9), ("unread", 9, 10)],
    [("supported", 0, 3), ("supported", 4, 7)],
    [("not_checkable", 0, 3)],
]
CONTROLS = [("not_supported", 0, 3), ("not_checkable", 4, 7)]


def as_structs(rows):
    return [{"label": label, "start": a, "stop": b, "reason": ""} for label, a, b in rows]


def collect(folder):
    judged = Judged(folder)
    rows = answers("judged", [3, 2, 1])
    for row, statements in zip(rows, STATEMENTS, strict=True):
        row |= {
            "rationale": "It is new.",
            "statements": as_structs(statements),
            "stated_reasons": [{"text": "new", "recalled": True}, {"text": "x", "recalled": False}],
            "control": "Many.",
            "control_statements": as_structs(CONTROLS),
            "control_reasons": [{"text": "new", "recalled": False}],
        }
    rows[2]["stated_reasons"] = []
    judged.judged("one", rows, by=judge())
    judged.judged("other", answers("judged", [1, 1, 1]), by=judge())
    mute = [row | {"rationale": ""} for row in answers("judged", [1, 1, 1])]
    judged.judged("mute", mute, by=judge())
    return collect_grades(judged.store, judged.plan(judge()))


def test_statistics_by_hand(tmp_path):
    (table,) = collect(tmp_path)
    one, other = (next(row for row in table.rows if row.label == n) for n in ("one", "other"))
    assert other.statements is None
    part = one.statements
    assert part.statements.mean == pytest.approx(7 / 3)
    assert part.shares["supported"].mean == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert part.shares["contradicted"].mean == pytest.approx(1 / 9)  # what is unread is in no share
    assert (part.precision.mean, part.precision.n) == (0.75, 2)  # a case has nothing to check
    assert (part.recall.mean, part.recall.n) == (0.5, 2)
    control = one.statement_control
    assert (control.precision.mean, control.recall.mean, control.absent.mean) == (0, 0, 0)


def test_the_table_ends_with_the_control_and_grades_are_as_without(tmp_path):
    (table,) = collect(tmp_path)
    shown = [t for t in grade_tables("made", [table]) if "statements of" in t.title]
    assert [row[0] for row in shown[0].rows] == ["one", "other", CONTROL]  # mute has no rationales
    assert shown[0].rows[1][:3] == ("other", "3", "not checked")
    assert {len(row) for row in shown[0].rows} == {len(shown[0].header)}
    assert any(note.startswith("Not checked: the judge checked no") for note in shown[0].notes)
    assert "They enter no grade." in shown[0].notes[0]
    assert one_mean(table, "one") == 2
    names = [line.split(",")[8] for line in grades_csv("made", [table]).splitlines()[1:]]
    assert "statement precision" in names
    assert "control statement recall" in names
    assert not any("statement" in name for name in names if name.startswith("mean"))


def test_the_control_is_on_the_cases_of_each_method(tmp_path):
    judged = Judged(tmp_path)
    for name, cases in (("one", (0, 1, 2)), ("other", (1,))):
        rows = answers("judged", [3, 2, 1])
        for place in cases:
            rows[place] |= {
                "statements": as_structs(STATEMENTS[place]),
                "stated_reasons": [{"text": "new", "recalled": True}] * (place == 1),
                "control": "Many.",
                "control_statements": as_structs(CONTROLS if place else [("supported", 0, 2)]),
                "control_reasons": [{"text": "new", "recalled": False}] * (place == 1),
            }
        judged.judged(name, rows, by=judge())
    (table,) = collect_grades(judged.store, judged.plan(judge()))
    assert table.rows[0].statement_control.precision.mean == pytest.approx(1 / 3)
    assert table.rows[1].statement_control.precision.mean == 0  # not that of other cases
    (shown,) = [t for t in grade_tables("made", [table]) if "statements of" in t.title]
    counts = [row[:2] for row in shown.rows]
    assert counts == [
        ("one", "3"), ("control, cases of one", "3"), ("other", "1"),
        ("control, cases of other", "1"),
    ]  # fmt: skip
    (note,) = [note for note in shown.notes if note.startswith("Of how many")]
    assert note.endswith("one: precision 2, recall 1; control, cases of one: recall 1.")


def one_mean(table, label):
    return next(row for row in table.rows if row.label == label).means["rating"].mean


CHECKS = """

from benchkit.judging.item_mentions import title_index
from benchkit.judging.statements.rules import check_rationale


class Checks(Strict):
    checks_statements = True

    def check_statements(self, inputs, run):
        for one in inputs:
            checks = check_rationale(one, title_index(run.catalog))
            yield tuple(check._replace(usage={"prompt_tokens": 10.0}) for check in checks)

    def estimate_statements(self, inputs, run):
        return self.estimate(inputs, run)
"""


@pytest.mark.usefixtures("explainers")
def test_checks_are_recorded_and_older_records_are_read(tmp_path):
    (tmp_path / "judges.py").write_text(JUDGES + CHECKS)
    store, runs, spec = judged_runs(tmp_path)
    costs = list(estimate_judge_costs(store, runs, spec))
    answered = sum(cost.cost.calls for cost in costs)
    assert answered > 2 * 2  # rationales, and each with its control
    (result,) = judge_runs(store, runs, spec, lambda event: None)
    table = runs[0].run.verdicts(result.manifest)
    checked = table.filter(pl.col("statements").is_not_null())
    with_text = table.filter(pl.col("rationale").is_not_null() & pl.col("item").is_not_null())
    assert len(checked) == len(with_text) > 0
    assert checked["control"].n_unique() == 1
    n_checks = sum(checked[name].list.len().sum() for name in ("statements", "control_statements"))
    assert result.manifest.cost["prompt_tokens"] == 10 * n_checks  # its verdicts cost nothing
    assert checked["control_statements"].list.len().min() >= 3
    for row in checked.iter_rows(named=True):
        spans = [(s["start"], s["stop"]) for s in row["statements"]]
        assert spans == sorted(spans)
        assert spans[-1][1] <= len(row["rationale"])
    older = table.drop("statements", "stated_reasons", "control", "control_statements",
                       "control_reasons")  # fmt: skip
    runs[0].run.write_judgement(result.manifest, older)
    assert "statements" in ADDED_TO_JUDGEMENTS
    assert runs[0].run.verdicts(result.manifest).columns == older.columns


def judged_runs(folder):
    suite = make_suite(
        "Explains", decoding={"n": 1}, protocols=["scored", "sampled"],
        datasets=[{"name": "toy", "source": "toy", "options": {"users": 30, "items": 40},
                   "candidates": {"count": 4}}],
        judging={"cases": 12, "judges": [{"judge": "judges.py:Checks"}]},
    )  # fmt: skip
    run_all(suite, folder)
    store = Store(folder / "runs")
    return store, find_judgeable_runs(store, suite, suite.name, folder / "data"), suite.judging


def test_the_heuristic_judge_checks_offline(tmp_path):
    judge = HeuristicJudge(HeuristicConfig())
    inputs = toy_judge_inputs()
    run = run_context(toy_dataset(users=60, items=60, length=8).catalog, cache=tmp_path)
    checks = list(judge.check_statements(inputs, run))
    assert [len(part) > 0 for part in checks] == [
        bool(split_words(one.rationale)) for one in inputs
    ]
    assert not judge.estimate_statements(inputs, run).calls


def llm(engine, **settings):
    values = {"engine": {"kind": "openai", "model": "m"}, **settings}
    return LLMJudge(LLMJudgeConfig.model_validate(values), lambda _: engine)


def test_a_model_labels_every_statement_once_by_the_same_replies(tmp_path):
    seen = []

    def answer(prompt):
        text = prompt.messages[-1].content
        seen.append(text)
        for word, grade in (("fits", 2), ("wrong", 0), ("odd", 9)):
            if word in text.split("[Statement]")[1]:
                return f"So. <eval>RATING-{grade}</eval>", "stop"
        return "It is there. <eval>RATING-3</eval>", "stop"

    engine = FakeJudgeEngine(answer)
    judge = llm(engine, statements="statement-support", retries=0)
    assert judge.checks_statements
    assert not llm(engine).checks_statements
    one = replace(toy_judge_inputs()[0], rationale="It is there; it fits them all. It is wrong.")
    two = replace(toy_judge_inputs()[1], rationale="It is odd.")
    run = run_context(toy_dataset(users=60, items=60, length=8).catalog, cache=tmp_path)
    assert judge.estimate_statements([one, two], run).calls == 4
    checks = list(judge.check_statements([one, two], run))
    labels = [[check.label for check in part] for part in checks]
    assert labels == [["supported", "not_checkable", "contradicted"], ["unread"]]
    assert all(check.usage for part in checks for check in part)
    assert len(seen) == 4
    assert [c.label for c in next(iter(judge.check_statements([one], run)))] == labels[0]
    assert len(seen) == 4  # from the cache
    assert judge.estimate_statements([one, two], run).calls == 0


@pytest.mark.parametrize("rubric", ["rationale-0-3", "rationale-quality", "coherence-1-7"])
def test_a_rubric_for_rationales_cannot_label_statements(rubric):
    with pytest.raises(ConfigError, match=r"statement|target"):
        llm(FakeJudgeEngine(), statements=rubric)
