"""A language model judges the runs of a suite, by a real server on loopback."""

import json

import pytest

from benchkit.faults import NO_TEXT
from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.judging.runner import estimate_judge_costs, judge_runs
from benchkit.runs.store import Store
from tests.support.judge_inputs import grade_of
from tests.support.openai_engine import KEY, edit
from tests.support.openai_server import Status
from tests.support.samplers import SAMPLERS
from tests.support.suites import make_suite, run_all
from tests.support.toy_judges import EXPLAINERS

pytestmark = pytest.mark.usefixtures("environment")


def suite(url, **engine):
    engine_settings = {
        "kind": "openai",
        "base_url": url,
        "model": "tiny",
        "max_retries": 0,
        **engine,
    }
    config = {"engine": engine_settings | {"concurrency": 1}, "rubric": "rationale-quality"}
    judge = {"judge": "judges.llm_judge:LLMJudge", "label": "model", "config": config}
    toy = {"source": "toy", "options": {"users": 30, "items": 50}, "candidates": {"count": 4}}
    return make_suite(
        "Explains",
        datasets=[{"name": "toy", **toy}],
        decoding={"n": 1},
        protocols=["scored", "sampled"],
        judging={"cases": 20, "judges": [judge]},
    )


def reply(text, number, seed):
    """Four grades, by the prompt."""
    names = ("grounding", "specificity", "faithfulness", "persuasiveness")
    return f"<eval>{' '.join(f'{name}-{1 + grade_of(text)}' for name in names)}</eval>"


def test_an_interrupted_judgement_is_resumed_and_paid_for_once(methods, tmp_path, echo):
    methods.write_text(methods.read_text() + SAMPLERS + EXPLAINERS)
    echo.backend.reply = reply
    echo.faults.extend([None] * 7 + [Status(500)])
    small = suite(echo.url)
    run_all(small, tmp_path)
    store = Store(tmp_path / "runs")
    result = find_judgeable_runs(store, small, small.name, tmp_path / "data")
    (before,) = estimate_judge_costs(store, result, small.judging)
    assert (len(echo.seen), before.cost.n_cached, before.judged) == (0, 0, False)
    (broken,) = judge_runs(store, result, small.judging, lambda _: None)
    assert broken.manifest.status == "failed"
    assert "run again" in broken.manifest.error
    assert len(echo.seen) == 8

    # Another limit of the budget is no other judge: what was answered stays.
    richer = suite(echo.url, max_tokens_total=10**7)
    (done,) = judge_runs(store, result, richer.judging, lambda _: None)
    assert done.manifest.status == "complete"
    (after,) = estimate_judge_costs(store, result, richer.judging)
    assert after.judged and not after.cost.calls
    assert done.manifest.judge_id == broken.manifest.judge_id
    judged = done.manifest.counts["judged"]
    assert len(echo.seen) == judged + 1  # but for the one that failed, each was asked once
    assert done.manifest.models == ("tiny",)
    table = done.judgeable_run.run.verdicts(done.manifest)
    for row in table.filter(stage="judged").iter_rows(named=True):
        assert (row["status"], len(row["grades"])) == ("scored", 4)
        assert row["text"].startswith("<eval>")
    assert sum("cached" in json.loads(usage) for usage in table["usage"]) == judged
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


def test_a_judge_that_only_thinks_until_max_tokens_fails_and_says_so(methods, tmp_path, echo):
    methods.write_text(methods.read_text() + SAMPLERS + EXPLAINERS)
    echo.backend.reply = reply
    small = suite(echo.url)
    run_all(small, tmp_path)
    store = Store(tmp_path / "runs")
    result = find_judgeable_runs(store, small, small.name, tmp_path / "data")
    message = {"content": None, "reasoning_content": "Let me see."}
    echo.always = edit(lambda c: c.update(message=message, finish_reason="length"))
    (failed,) = judge_runs(store, result, small.judging, lambda _: None)
    assert failed.manifest.status == "failed"
    assert (
        f"1 of 12 judgements without a readable answer (.083): {NO_TEXT}" in failed.manifest.error
    )
