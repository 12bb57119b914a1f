"""Judging the runs of a suite: who judges what, what is kept, and what is refused."""

import json
import shutil

import polars as pl
import pytest

from benchkit.config.judging import JudgingSpec
from benchkit.errors import ConfigError, StoreError
from benchkit.judging.judge_job import make_judge_jobs
from benchkit.judging.probes.judge_probes import probe_judges
from benchkit.judging.runner import estimate_judge_costs, judge_runs
from benchkit.report.core import text_table
from benchkit.report.core.collect import collect_results
from benchkit.report.grades.tables import grade_tables, grades_csv
from benchkit.report.leaderboard.writer import write_leaderboard
from benchkit.runs.records import JUDGEMENTS_SCHEMA
from benchkit.runs.store import Store
from tests.support.judged_suites import find_runs_to_judge, make_judged_suite, run_and_judge
from tests.support.suites import make_suite, run_all


def verdicts(judged):
    return judged.judgeable_run.run.verdicts(judged.manifest)


def test_every_answer_is_graded_once_or_unscored_with_its_reason(explainers, tmp_path):
    judged = run_and_judge(make_judged_suite(), tmp_path)["Explains"]
    assert judged.manifest.status == "complete"
    table = verdicts(judged)
    assert table.schema == JUDGEMENTS_SCHEMA
    assert (table["case_id"] == "test:" + table["user"]).all()
    assert (table["named_outside"].is_null() == table["rationale"].is_null()).all()
    assert len(table) == table["case_id"].n_unique() == 120
    stages = {stage[0]: part for stage, part in table.group_by("stage")}
    assert set(stages) == {"invalid", "wrong", "missing", "judged"}
    grade = pl.col("grades").list.first().struct.field("grade")
    for stage, expected in (("invalid", 0), ("wrong", 0), ("missing", 1)):
        assert set(stages[stage].select(grade).to_series()) == {expected}
        assert (stages[stage]["status"] == "scored").all()
    assert (stages["judged"]["item"] == stages["judged"]["target"]).all()
    unscored = table.filter(pl.col("status") == "unscored")
    assert set(unscored["reason"]) <= {"one word"}
    assert unscored["grades"].list.len().sum() == 0
    counts = judged.manifest.counts
    assert counts["scored"] + counts.get("unscored", 0) == 120
    assert judged.manifest.cost["calls"] == counts["judged"]
    assert all(len(row) == n for row, n in table.select("history", "history_length").iter_rows())


def test_a_rubric_that_hides_the_target_judges_wrong_items_too(explainers, tmp_path):
    suite = make_judged_suite(judge="Curious", rubric="rationale-quality")
    table = verdicts(run_and_judge(suite, tmp_path)["Explains"])
    assert set(table["stage"]) == {"invalid", "missing", "judged"}
    assert (table.filter(pl.col("stage") != "judged")["status"] == "unscored").all()
    judged = table.filter((pl.col("stage") == "judged") & (pl.col("status") == "scored"))
    assert (judged["item"] != judged["target"]).any()
    assert set(judged["grades"].list.len()) == {4}


def test_what_is_judged_is_kept(explainers, tmp_path):
    suite = make_judged_suite()
    assert run_and_judge(suite, tmp_path)["Explains"].computed
    second = run_and_judge(suite, tmp_path)["Explains"]
    assert not second.computed
    assert run_and_judge(suite, tmp_path, again=True)["Explains"].computed
    other = run_and_judge(make_judged_suite(most=2), tmp_path)["Explains"]
    assert other.computed
    assert other.manifest.judge_id != second.manifest.judge_id


def test_a_rubric_with_another_text_is_another_judgement(explainers, tmp_path):
    rubric = tmp_path / "own.toml"
    text = (
        'title = "Own"\nsource = "here"\nsystem = "s"\nuser = "{history}{item}{rationale}"\n'
        '[[criteria]]\nname = "rating"\nlow = 0\nhigh = 3\ndescription = "%s"\n'
    )
    ids = []
    for what in ("good", "bad"):
        rubric.write_text(text % what)
        from benchkit.judging.rubric import load_rubric

        load_rubric.cache_clear()
        spec = {"judge": "judges.py:Strict", "config": {"rubric": str(rubric)}}
        (sitting,) = make_judge_jobs(JudgingSpec.model_validate({"judges": [spec]}))
        ids.append(sitting.plan_entry.judge_id)
    assert ids[0] != ids[1]


def test_the_same_cases_for_every_method(explainers, tmp_path):
    result = run_and_judge(make_judged_suite("Explains", "ExplainsMore", cases=15), tmp_path)
    cases = [verdicts(judged)["case_id"].to_list() for judged in result.values()]
    assert len(cases[0]) == 15
    assert cases[0] == cases[1]


def test_methods_without_rationales_are_left_out(explainers, tmp_path):
    result = run_and_judge(make_judged_suite("Explains", "Distinct"), tmp_path)
    assert result["Distinct"].manifest is None
    assert result["Distinct"].reason == "gives no rationales"


def test_the_item_ranked_first_can_be_judged(explainers, tmp_path):
    table = verdicts(
        run_and_judge(make_judged_suite("Samples", answers="scored"), tmp_path)["Samples"]
    )
    assert set(table["rationale"]) == {"short"}
    assert set(table["stage"]) == {"wrong", "judged"}


def test_a_run_that_is_done_again_loses_its_judgements(explainers, tmp_path):
    suite = make_judged_suite()
    run_and_judge(suite, tmp_path)
    outcome = run_all(suite, tmp_path, overwrite="always")["Explains", 0]
    run = Store(tmp_path / "runs").run("small", "toy", "Explains", outcome.job.run_id)
    assert run.judgements() == []


def test_estimates_ask_nothing_and_say_what_is_judged(explainers, tmp_path):
    suite = make_judged_suite()
    run_all(suite, tmp_path)
    store, runs = Store(tmp_path / "runs"), find_runs_to_judge(suite, tmp_path)
    (result,) = estimate_judge_costs(store, runs, suite.judging)
    assert (result.label, result.judged) == ("strict", False)
    assert 0 < result.cost.calls < 120
    assert "0.50" in str(result.cost)
    list(judge_runs(store, runs, suite.judging, lambda _: None))
    (done,) = estimate_judge_costs(store, runs, suite.judging)
    assert (done.judged, done.cost.calls) == (True, 0)
    (again,) = estimate_judge_costs(store, runs, suite.judging, force=True)
    assert (again.judged, again.cost) == (False, result.cost)
    # Probing asks for five answers as they are, once more, and as eight probes change them, if they
    # do.
    (probing,) = estimate_judge_costs(store, runs, suite.judging, probe=5)
    assert not probing.judged
    assert 5 * 7 < probing.cost.calls <= 5 * 10


def test_an_unknown_judge_stops_before_anything_runs(explainers, tmp_path):
    suite = make_suite(
        "Explains", protocols=["scored", "sampled"], judging={"judges": [{"judge": "heuristc"}]}
    )
    with pytest.raises(ConfigError, match="unknown judge 'heuristc'"):
        run_all(suite, tmp_path)
    assert not (tmp_path / "runs").exists()


def test_sampled_answers_are_judged_only_where_they_are_asked_for():
    with pytest.raises(ConfigError, match="sampled answers are judged, but not asked for"):
        make_suite(judging={"judges": [{"judge": "heuristic"}]})


def test_reports_hold_the_grades(explainers, tmp_path):
    run_and_judge(make_judged_suite("Explains", "ExplainsMore"), tmp_path)
    results = collect_results(Store(tmp_path / "runs"), "small")
    (table,) = results.grades
    row = table.rows[0]
    assert row.n_answers == 120
    assert sum(row.shares.values()) == pytest.approx(row.n_graded / row.n_answers)
    assert row.mean_if_correct.mean > row.means["rating"].mean
    text = text_table.render_markdown(list(grade_tables("Small", results.grades)))
    assert "a judge for tests" in text
    assert "Log odds" in text
    lines = grades_csv("small", results.grades).splitlines()
    assert len({line.count(",") for line in lines}) == 1
    first = write_leaderboard(results, Store(tmp_path / "runs"), tmp_path / "first")
    store = Store(tmp_path / "runs")
    shutil.rmtree(store.report_cache)  # else it would be read again
    again = write_leaderboard(collect_results(store, "small"), store, tmp_path / "second")
    assert {"grades.md", "grades.tex", "grades.csv", "grades-toy-strict.svg"} <= {
        path.name for path in first
    }
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_usage_and_evidence_are_json(explainers, tmp_path):
    table = verdicts(run_and_judge(make_judged_suite(), tmp_path)["Explains"])
    judged = table.filter((pl.col("stage") == "judged") & (pl.col("status") == "scored"))
    assert {json.loads(text)["words"] for text in judged["evidence"]} == {5}


def test_probes_say_how_far_grades_move_and_record_nothing(explainers, tmp_path):
    suite = make_judged_suite()
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    runs = find_runs_to_judge(suite, tmp_path)
    moved, unmeasured = probe_judges(store, runs, suite.judging, 5)
    assert set(moved["judge"]) == {"strict"}
    assert {"rubric reworded", "parts reversed", "self-preference"} <= set(unmeasured["probe"])
    shifts = dict(zip(moved["probe"], moved["shift"], strict=True))
    assert shifts["padded"] == 0.0
    assert moved["n"].max() <= 5
    assert not list((tmp_path / "runs").rglob("judgements"))


def test_probes_take_the_answers_to_one_case_together(explainers, tmp_path):
    suite = make_judged_suite(
        "Explains", "ExplainsMore", judge="Curious", rubric="rationale-quality"
    )
    run_all(suite, tmp_path)
    moved, _ = probe_judges(
        Store(tmp_path / "runs"), find_runs_to_judge(suite, tmp_path), suite.judging, 10
    )
    padded = moved.filter(probe="padded", criterion="grounding").to_dicts()[0]
    assert padded["cases"] < padded["n"] + padded["unscored"] == 20


def test_a_judge_that_prefers_its_own_model_is_seen_beside_another(explainers, tmp_path):
    (tmp_path / "judges.py").write_text(
        (tmp_path / "judges.py").read_text()
        + """

class Fond(Strict):
    models = ("elsewhere/some-model",)

    def verdict(self, judge_input):
        verdict = super().verdict(judge_input)
        liked = "things" in judge_input.rationale and "well" not in judge_input.rationale
        more = {name: grade + liked for name, grade in verdict.grades.items()}
        return Verdict(verdict.key, more, verdict.status, verdict.reason)


class Plain(Strict):
    models = ()
"""
    )
    judges = [
        {"judge": f"judges.py:{name}", "label": name.lower(), "config": {
            "rubric": "rationale-quality", "most": 2}}
        for name in ("Fond", "Plain")
    ]  # fmt: skip
    suite = make_suite(
        "Backbone", "ExplainsMore", protocols=["scored", "sampled"], decoding={"n": 1},
        judging={"judges": judges, "cases": 60},
    )  # fmt: skip
    run_all(suite, tmp_path)
    runs = find_runs_to_judge(suite, tmp_path)
    moved, unmeasured = probe_judges(Store(tmp_path / "runs"), runs, suite.judging, 40)
    rows = moved.filter(probe="self-preference", criterion="grounding")
    (row,) = rows.to_dicts()
    assert (row["judge"], row["effect"], row["outcome"]) == ("fond", 1.0, "biased")
    assert row["cases"] < row["n"] + 40
    assert ("plain", "self-preference") in unmeasured.select("judge", "probe").rows()


def test_a_full_disk_leaves_a_judgement_to_be_made_again(explainers, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    suite = make_judged_suite()
    with monkeypatch.context() as patch:
        patch.setattr("benchkit.judging.runner._collect_verdicts", fail)
        with pytest.raises(StoreError, match="No space left"):
            run_and_judge(suite, tmp_path)
    again = run_and_judge(suite, tmp_path)["Explains"]
    assert again.computed and again.manifest.status == "complete"
