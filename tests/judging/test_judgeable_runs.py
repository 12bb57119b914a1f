"""Which runs can be judged."""

import pytest

from benchkit.errors import StoreError
from benchkit.judging.judgeable_runs import find_judgeable_runs
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
