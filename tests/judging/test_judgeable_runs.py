"""Which runs can be judged."""

import pytest

from benchkit.errors import StoreError
from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.runner import judge_runs
from benchkit.runs.store import Store
from tests.support.samplers import SAMPLERS
from tests.support.suites import make_suite, run_all
from tests.support.toy_judges import EXPLAINERS, JUDGES


@pytest.fixture
def explainers(methods, tmp_path):
    methods.write_text(methods.read_text() + SAMPLERS + EXPLAINERS)
    (tmp_path / "judges.py").write_text(JUDGES)
    return methods


def judged_suite(*names, judge="Strict", answers="sampled", cases=300, **config):
    spec = {"judge": f"judges.py:{judge}", "label": "strict", "config": config}
    toy = {"source": "toy", "options": {"users": 120, "items": 50}, "candidates": {"count": 4}}
    return make_suite(
        *(names or ("Explains",)),
        datasets=[{"name": "toy", **toy}],
        decoding={"n": 3},
        protocols=["scored", "sampled"],
        judging={"cases": cases, "answers": answers, "judges": [spec]},
    )


def judge(suite, folder, again=False):
    """Run the suite, judge it, and return outcomes by method."""
    run_all(suite, folder)
    store = Store(folder / "runs")
    result = judge_runs(store, of(suite, folder), suite.judging, lambda _: None, again)
    return {judged.judgeable_run.manifest.label: judged for judged in result}


def of(suite, folder):
    """What there is to judge."""
    return find_judgeable_runs(Store(folder / "runs"), suite, suite.name, folder / "data")


def test_runs_of_an_older_code_can_be_judged(explainers, tmp_path):
    suite = judged_suite()
    run_all(suite, tmp_path)
    explainers.write_text(explainers.read_text() + "\n\nCHANGED = True\n")
    result = list(judge_runs(Store(tmp_path / "runs"), of(suite, tmp_path), suite.judging, print))
    assert result[0].computed


def test_other_data_than_the_run_was_asked_about_is_refused(explainers, tmp_path):
    suite = judged_suite()
    run_all(suite, tmp_path)
    toy = {"source": "toy", "options": {"users": 60, "items": 50}, "candidates": {"count": 4}}
    other = make_suite("Explains", datasets=[{"name": "toy", **toy}])
    with pytest.raises(StoreError, match="has changed since the run"):
        next(judge_runs(Store(tmp_path / "runs"), of(other, tmp_path), suite.judging, print))
    with pytest.raises(StoreError, match="has not been run"):
        find_judgeable_runs(Store(tmp_path / "runs"), suite, "never", tmp_path / "data")
