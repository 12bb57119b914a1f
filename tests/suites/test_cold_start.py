"""The shipped suite of cold start, on small data: which rows there are, and their figures."""

from pathlib import Path

import pytest

from benchkit.config.suite import load_suite
from benchkit.data.spec import DatasetSpec
from benchkit.report.paper.published_values import match_published, read_published_values
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import plan_runs

PUBLISHED = Path(__file__).parents[2] / "leaderboards" / "published"
LANGUAGE_MODELS = {"zero-shot", "sft", "eapo", "s-dpo", "chat-rec"}


@pytest.fixture(scope="module", params=["paper", "laptop"])
def plan(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cold")
    suite = load_suite("cold-start")
    changes = {"source": "toy", "options": {"users": 40, "items": 60}, "k_core": 0}
    small = tuple(
        DatasetSpec.model_validate({**spec.model_dump(exclude_defaults=True), **changes})
        for spec in suite.datasets
    )
    assert all(spec.split == "temporal" and spec.candidates.count == 21 for spec in small)
    options = RunOptions(store=folder / "runs", data=folder, profile=request.param)
    return plan_runs(suite.model_copy(update={"datasets": small}), options)


def rows(plan, task):
    """Label -> why there is no run, "" where there is one."""
    reasons = {row.label: row.skip_reason for row in plan.skipped if row.task == task}
    return reasons | {job.method.name: "" for job in plan.jobs if job.task == task}


def test_language_models_are_asked_about_cold_items_and_others_are_not(plan):
    reasons = rows(plan, "cold-items")
    able = {label for label, reason in reasons.items() if not reason}
    assert able == {*LANGUAGE_MODELS, "random"}
    others = {reason for reason in reasons.values() if reason}
    assert others <= {"not applicable: needs cold_items", "not installed: recbole"}
    assert reasons["sasrec"] == reasons["item-knn"] == "not applicable: needs cold_items"


def test_all_that_reads_histories_is_asked_about_cold_users(plan):
    reasons = rows(plan, "cold-users")
    left_out = {label for label, reason in reasons.items() if reason}
    assert left_out == {"recbole/SASRec"}  # its users are codes of training
    assert {label for label, reason in rows(plan, "warm").items() if reason} <= left_out


def test_published_figures_stand_beside_all_three_tasks(plan):
    values = read_published_values(PUBLISHED, ["eapo:table3"])
    for task in ("warm", "cold-users", "cold-items"):
        for label in ("eapo", "s-dpo", "chat-rec"):
            assert set(match_published(values, task, label)) == {"hr@1", "hr@5", "ndcg@5"}
