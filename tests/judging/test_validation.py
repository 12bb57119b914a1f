"""What verdicts must be, and judges of a method's own model."""

import pytest

from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.runner import judge_runs
from benchkit.judging.validation import same_model_warning
from benchkit.report.core import text_table
from benchkit.report.core.collect import collect_results
from benchkit.report.grades.tables import grade_tables
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


@pytest.mark.parametrize(
    ("name", "message"),
    [("Silent", "there is no verdict"), ("Generous", r"rating 9 is outside 0\.\.3")],
)
def test_what_is_no_verdict_fails_the_judgement(explainers, tmp_path, name, message):
    result = judge(judged_suite(judge=name), tmp_path)["Explains"]
    assert result.manifest.status == "failed"
    assert message.replace("\\", "") in result.manifest.error
    results = collect_results(Store(tmp_path / "runs"), "small")
    assert "failed" in text_table.render_markdown(list(grade_tables("Small", results.grades)))


def test_a_judge_of_the_methods_own_model_is_pointed_out(explainers, tmp_path):
    judged = judge(judged_suite("Backbone"), tmp_path)["Backbone"]
    assert judged.manifest.warnings == ("judge and method use the same language model: some-model",)
    assert same_model_warning(["a/b"], {"lm": {"backbone": "c"}}) is None
    assert same_model_warning(["b"], {"teacher": {"engine": {"model": "x/B"}}})
    assert same_model_warning(["b"], {"teacher": {"models": ["a", "x/B"]}})


@pytest.mark.parametrize(
    ("judge_", "method", "same"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o", True),
        ("gpt-4o", "openai/GPT-4o-2024-08-06", True),
        ("anthropic/claude-3-5-sonnet-20241022", "claude-3-5-sonnet@20240620", True),
        ("gpt-3.5-turbo-0125", "gpt-3.5-turbo", True),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gemma-3-4b-it", "gemma-3-12b-it", False),
        ("qwen2.5-7b", "qwen2.5-72b", False),
    ],
)
def test_dates_and_organisations_make_no_other_model(judge_, method, same):
    assert bool(same_model_warning([judge_], {"lm": {"model": method}})) == same
