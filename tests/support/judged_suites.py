"""Suites whose answers are judged by the toy judges, and how tests run and judge them.

The folder holds recs.py and judges.py, as the fixture `explainers` writes them.
"""

from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.runner import judge_runs
from benchkit.runs.store import Store
from tests.support.suites import make_suite, run_all


def make_judged_suite(*names, judge="Strict", answers="sampled", cases=300, **config):
    """A suite with one judge of judges.py, named `strict`; config: the judge's settings."""
    spec = {"judge": f"judges.py:{judge}", "label": "strict", "config": config}
    toy = {"source": "toy", "options": {"users": 120, "items": 50}, "candidates": {"count": 4}}
    return make_suite(
        *(names or ("Explains",)),
        datasets=[{"name": "toy", **toy}],
        decoding={"n": 3},
        protocols=["scored", "sampled"],
        judging={"cases": cases, "answers": answers, "judges": [spec]},
    )


def run_and_judge(suite, folder, again=False):
    """Run the suite, judge it, and return outcomes by method."""
    run_all(suite, folder)
    store = Store(folder / "runs")
    result = judge_runs(
        store, find_runs_to_judge(suite, folder), suite.judging, lambda _: None, again
    )
    return {judged.judgeable_run.manifest.label: judged for judged in result}


def find_runs_to_judge(suite, folder):
    """The runs of the suite that can be judged."""
    return find_judgeable_runs(Store(folder / "runs"), suite, suite.name, folder / "data")
