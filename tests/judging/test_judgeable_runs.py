"""Which runs can be judged."""

import pytest

from benchkit.errors import ConfigError, StoreError
from benchkit.judging.judgeable_runs import find_judgeable_runs, find_missing_runs
from benchkit.judging.runner import judge_runs
from benchkit.runs.store import Store
from tests.support.judged_suites import find_runs_to_judge, make_judged_suite
from tests.support.suites import make_suite, run_all


def test_runs_of_an_older_code_can_be_judged(explainers, tmp_path):
    suite = make_judged_suite()
    run_all(suite, tmp_path)
    explainers.write_text(explainers.read_text() + "\n\nCHANGED = True\n")
    result = list(
        judge_runs(
            Store(tmp_path / "runs"), find_runs_to_judge(suite, tmp_path), suite.judging, print
        )
    )
    assert result[0].computed


def test_other_data_than_the_run_was_asked_about_is_refused(explainers, tmp_path):
    suite = make_judged_suite()
    run_all(suite, tmp_path)
    toy = {"source": "toy", "options": {"users": 60, "items": 50}, "candidates": {"count": 4}}
    other = make_suite("Explains", datasets=[{"name": "toy", **toy}])
    with pytest.raises(StoreError, match="has changed since the run"):
        next(
            judge_runs(
                Store(tmp_path / "runs"), find_runs_to_judge(other, tmp_path), suite.judging, print
            )
        )
    with pytest.raises(StoreError, match="has not been run"):
        find_judgeable_runs(Store(tmp_path / "runs"), suite, "never", tmp_path / "data")


def test_a_name_that_the_plan_does_not_have_is_named_with_those_that_it_has(explainers, tmp_path):
    suite = make_judged_suite()
    run_all(suite, tmp_path)
    place = Store(tmp_path / "runs"), suite, suite.name, tmp_path / "data"
    with pytest.raises(ConfigError, match=r"unknown method 'nosuch': .* with Explains"):
        find_judgeable_runs(*place, methods=["Explains", "nosuch"])
    with pytest.raises(ConfigError, match=r"unknown dataset 'nosuch': .* with toy"):
        find_judgeable_runs(*place, tasks=["nosuch"])
    assert len(find_judgeable_runs(*place, methods=["Explains"], tasks=["toy"])) == 1


def test_methods_without_a_complete_run_are_listed_with_the_reason(explainers, tmp_path):
    suite = make_judged_suite()
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    assert find_missing_runs(store, suite.name) == {}
    plan = store.plan(suite.name)
    (row,) = plan.rows
    rows = [
        row,
        row.model_copy(update={"seed": 1, "run_id": "0" * 16}),  # another seed is complete
        row.model_copy(update={"label": "gone", "run_id": "0" * 16}),
        row.model_copy(update={"label": "unable", "run_id": None, "skip_reason": "no scores"}),
    ]
    store.update_plan(plan.model_copy(update={"rows": rows}))
    missing = {("toy", "gone"): "no complete run", ("toy", "unable"): "no scores"}
    assert find_missing_runs(store, suite.name) == missing
    assert list(find_missing_runs(store, suite.name, methods=["gone"])) == [("toy", "gone")]
    assert find_missing_runs(store, suite.name, tasks=["other"]) == {}
    assert find_missing_runs(store, "never") == {}
