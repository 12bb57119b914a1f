"""Judgements of linked runs: taken over where judge and answers are the same, else made."""

import polars as pl
import pytest

from benchkit.judging.runner import estimate_judge_costs, judge_runs
from benchkit.runs.store import Store
from benchkit.runs.store_validation import check_store
from tests.support.damages import cut
from tests.support.judged_suites import find_runs_to_judge, make_judged_suite, run_and_judge
from tests.support.suites import run_all


def rename(suite, **changes):
    return suite.model_copy(update={"name": "other", **changes})


def relabel(suite, label):
    (judge,) = suite.judging.judges
    judging = suite.judging.model_copy(
        update={"judges": (judge.model_copy(update={"label": label}),)}
    )
    return suite.model_copy(update={"judging": judging})


def problems(folder):
    return [check for check in check_store(folder / "runs") if not check.ok]


def test_the_same_judge_of_linked_answers_is_not_asked_again(explainers, tmp_path):
    first = run_and_judge(make_judged_suite(), tmp_path)["Explains"]
    second = run_and_judge(rename(make_judged_suite()), tmp_path)["Explains"]
    assert first.computed and not second.computed
    judgement, run = second.manifest, second.judgeable_run.run
    assert (judgement.suite, judgement.label) == ("other", "strict")
    assert judgement.provenance["linked_from"]["suite"] == "small"
    assert judgement.counts == first.manifest.counts
    assert run.verdicts(judgement).equals(first.judgeable_run.run.verdicts(first.manifest))
    assert not problems(tmp_path)


def test_another_label_of_the_judge_is_the_same_judge(explainers, tmp_path):
    run_and_judge(make_judged_suite(), tmp_path)
    second = run_and_judge(relabel(rename(make_judged_suite()), "severe"), tmp_path)["Explains"]
    assert not second.computed and second.manifest.label == "severe"
    assert not problems(tmp_path)


@pytest.mark.parametrize("settings", [{"most": 2}, {"cases": 50}, {"judge": "Curious"}])
def test_another_judge_judges_anew(explainers, tmp_path, settings):
    if settings.get("judge"):
        settings = {**settings, "rubric": "rationale-quality"}
    run_and_judge(make_judged_suite(), tmp_path)
    second = run_and_judge(rename(make_judged_suite(**settings)), tmp_path)["Explains"]
    assert second.computed


def test_answers_that_were_made_anew_are_judged_anew(explainers, tmp_path):
    """The id of a run does not tell what a language model has answered this time."""
    run_all(make_judged_suite(), tmp_path)
    run_and_judge(rename(make_judged_suite()), tmp_path)
    for judgeable in find_runs_to_judge(make_judged_suite(), tmp_path):
        table = judgeable.run.predictions().with_columns(usage=pl.lit('{"again": 1}'))
        judgeable.run.finish(
            judgeable.manifest.model_copy(update={"files": {}}),
            {"predictions": table, "metrics": judgeable.run.metrics()},
        )
    assert run_and_judge(make_judged_suite(), tmp_path)["Explains"].computed


def test_damaged_judgements_and_orders_to_judge_again_link_nothing(explainers, tmp_path):
    first = run_and_judge(make_judged_suite(), tmp_path)["Explains"]
    suite = rename(make_judged_suite())
    assert run_and_judge(suite, tmp_path, again=True)["Explains"].computed
    for path in first.judgeable_run.run.judgement_paths():
        cut(path.with_suffix(".parquet"))
    third = make_judged_suite().model_copy(update={"name": "third"})
    for path in (tmp_path / "runs" / "other").glob("*/*/*/judgements/*.parquet"):
        cut(path)
    assert run_and_judge(third, tmp_path)["Explains"].computed


def test_what_would_be_linked_costs_nothing(explainers, tmp_path):
    run_and_judge(make_judged_suite(), tmp_path)
    suite = rename(make_judged_suite())
    run_all(suite, tmp_path)
    store, runs = Store(tmp_path / "runs"), find_runs_to_judge(suite, tmp_path)
    (cost,) = estimate_judge_costs(store, runs, suite.judging)
    assert cost.judged
    (result,) = judge_runs(store, runs, suite.judging, lambda _: None)
    assert not result.computed
