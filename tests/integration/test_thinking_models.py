"""Suites on models that think until max_tokens, through the command line."""

import json

import pytest

from benchkit.runs.store import Store
from tests.support.openai_engine import edit
from tests.support.openai_server import Edit
from tests.support.server_suites import (
    write_suite,
    zero_shot,
)

pytestmark = pytest.mark.usefixtures("environment")


THINKS = {"content": "", "reasoning_content": "Let me see. " * 9}


def ask_for_samples(suite, decoding=""):
    head = 'protocols = ["scored", "sampled"]\n'
    text = suite.read_text().replace('protocols = ["scored"]\n', head + decoding)
    suite.write_text(zero_shot(text))


@pytest.mark.parametrize("method", ["chat-rec", "zero-shot"])
@pytest.mark.parametrize("message", [THINKS, {"content": None}, {"content": " \n"}], ids=str)
def test_a_model_that_only_thinks_until_max_tokens_fails_the_run(
    tmp_path, server, benchkit, method, message
):
    suite = write_suite(tmp_path, server.url)
    if method == "zero-shot":
        text = suite.read_text().replace('["scored"]', '["scored", "sampled"]')
        suite.write_text(zero_shot(text))
    server.always = edit(lambda c: c.update(message=message, finish_reason="length"))
    code, screen = benchkit("run", suite)
    assert code == 1
    assert "the answer ended at max_tokens without any text" in screen
    assert "raise max_tokens in [decoding], or turn the model's thinking off" in screen
    assert benchkit("run", suite)[0] == 1
    bodies = [json.dumps(seen.body) for seen in server.seen]
    assert len(set(bodies)) == len(bodies)  # the same request would bring the same


def test_a_few_answers_without_text_stay_truncated_and_are_named(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    text = suite.read_text().replace('["scored"]', '["scored", "sampled"]')
    suite.write_text(zero_shot(text))
    cut = edit(lambda c: c.update(message=THINKS, finish_reason="length"))
    server.faults.extend([None, cut])
    code, screen = benchkit("run", suite)
    assert code == 0
    note = "1 of 60 cases without a readable answer (.017): the answer ended at max_tokens without"
    assert note in screen
    (run,) = Store(tmp_path / "runs").runs()
    statuses = [
        sample["status"] for row in run.predictions()["samples"].to_list() for sample in row
    ]
    assert statuses.count("truncated") >= 1
    assert "error" not in statuses


def test_one_sample_without_text_among_others_is_no_fault(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    ask_for_samples(suite, "[decoding]\nn = 2\ntemperature = 0.7\n")

    def cut_first(reply):
        first, *rest = reply["choices"]
        cut = {**first, "message": THINKS, "finish_reason": "length"}
        return {**reply, "choices": [cut, *rest]}

    server.always = Edit(cut_first)
    code, screen = benchkit("run", suite)
    assert code == 0
    assert "without a readable answer" not in screen
