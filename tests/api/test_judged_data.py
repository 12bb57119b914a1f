"""What reports of judges say of data, and of tasks that nothing was run on."""

from dataclasses import replace

import pytest

from benchkit import api
from benchkit.api.judge_reports.generated_data import judges_generated_data
from benchkit.api.judge_reports.pairs import compare_answers
from benchkit.report.pairs.pair_summary import summarize_pairs
from benchkit.report.pairs.tables import pair_tables
from tests.support.explained_suite import run_explained_suite, write_explained_suite
from tests.support.toy_judges import JUDGES


@pytest.fixture
def planned(methods, tmp_path):
    write_explained_suite(methods, tmp_path)
    (tmp_path / "judges.py").write_text(JUDGES)
    run_explained_suite(tmp_path)
    return api.plan_judging("small.toml", by="judges.py:Strict", config={"rubric": "rationale-0-3"})


@pytest.mark.parametrize("change", [{"synthetic": True}, {"demo_users": 200}])
def test_a_dataset_that_is_generated_is_so_in_reports(planned, change):
    assert not judges_generated_data(planned)
    generated = tuple(
        replace(run, dataset_spec=run.dataset_spec.model_copy(update=change))
        for run in planned.targets
    )
    planned = replace(planned, targets=generated)
    assert judges_generated_data(planned) and judges_generated_data(planned, "toy")
    assert not judges_generated_data(planned, "another task")


def test_a_task_that_nothing_was_run_on_is_named(planned):
    missing = {("later", "Explains"): "no complete run", ("later", "ExplainsMore"): "no scores"}
    table, _, facts = compare_answers(replace(planned, missing=missing))
    *_, later = pair_tables(summarize_pairs(table, facts))
    assert later.title == "Strengths: later, judge Strict" and later.rows == ()
    assert later.notes[:3] == (
        "No two methods explain the same case.",
        "Not compared: Explains: no complete run.",
        "Not compared: ExplainsMore: no scores.",
    )
