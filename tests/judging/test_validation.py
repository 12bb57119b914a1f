"""What verdicts must be, and judges of a method's own model."""

import pytest

from benchkit.judging.validation import same_model_warning
from benchkit.report.core import text_table
from benchkit.report.core.collect import collect_results
from benchkit.report.grades.tables import grade_tables
from benchkit.runs.store import Store
from tests.support.judged_suites import make_judged_suite, run_and_judge


@pytest.mark.parametrize(
    ("name", "message"),
    [("Silent", "there is no verdict"), ("Generous", r"rating 9 is outside 0\.\.3")],
)
def test_what_is_no_verdict_fails_the_judgement(explainers, tmp_path, name, message):
    result = run_and_judge(make_judged_suite(judge=name), tmp_path)["Explains"]
    assert result.manifest.status == "failed"
    assert message.replace("\\", "") in result.manifest.error
    results = collect_results(Store(tmp_path / "runs"), "small")
    assert "failed" in text_table.render_markdown(list(grade_tables("Small", results.grades)))


def test_a_judge_of_the_methods_own_model_is_pointed_out(explainers, tmp_path):
    judged = run_and_judge(make_judged_suite("Backbone"), tmp_path)["Backbone"]
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
