"""Suites on servers that answer badly, through the command line: nothing is wrong in silence."""

import json
import re
from collections import Counter

import pytest

from benchkit.runs.store import Store
from tests.support.command_line import invoked
from tests.support.openai_engine import edit
from tests.support.openai_server import Edit, Status, TestServer
from tests.support.server_backends import EchoBackend
from tests.support.server_suites import (
    OVERLOADED,
    TOO_LONG,
    USERS,
    list_candidates,
    manifest,
    write_suite,
    zero_shot,
)
from tests.support.tiny_chat_model import tiny_tokenizer

pytestmark = pytest.mark.usefixtures("environment")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (OVERLOADED, "it answered with an error: model overloaded (503)"),
        (Edit(lambda r: r | {"choices": None}), "it gave no choices"),
        (edit(lambda c: c.update(finish_reason=None)), "finish_reason null"),
        (edit(lambda c: c.update(finish_reason="weird")), 'finish_reasons = { weird = "stop" }'),
        (edit(lambda c: c["message"].update(content="")), "the content is empty"),
        (
            edit(lambda c: c.update(message={"content": "", "reasoning_content": "1. Thing"})),
            "the text stands in reasoning_content",
        ),
        (
            edit(lambda c: c.update(message={"content": None, "reasoning_content": "1. Thing"})),
            "the content is null, and the text stands in reasoning_content",
        ),
        (TOO_LONG, "does not take the request (HTTP 400: "),
    ],
)
def test_a_server_that_answers_badly_fails_the_run_until_it_is_well(
    tmp_path, server, benchkit, fault, cause
):
    suite = write_suite(tmp_path, server.url)
    server.always = fault
    code, screen = benchkit("run", suite)
    assert code == 1
    assert screen.count(cause) >= 2  # where it happens, and below the table
    assert "max_fault_share" in screen and "hint: mend what the server does" in screen
    assert "HR@1" in screen and "failed: see below" in screen
    asked = len(server.seen)
    assert asked < USERS  # it ends once too many cases have faults
    record = manifest(tmp_path)
    assert (record.status, record.resumable) == ("failed", True)
    assert cause in record.error
    server.always = None
    code, screen = benchkit("run", suite)  # without --overwrite
    assert (code, manifest(tmp_path).status) == (0, "complete")
    assert "1 computed now" in screen
    assert len(server.seen) - asked == USERS


def test_content_in_parts_is_read(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    benchkit("run", suite, "--out", "plain")
    server.always = edit(
        lambda c: c["message"].update(content=[{"type": "text", "text": c["message"]["content"]}])
    )
    assert benchkit("run", suite)[0] == 0
    (plain,) = Store(tmp_path / "plain").runs()
    assert manifest(tmp_path).summary == plain.manifest().summary


def test_a_resumed_run_asks_only_what_had_no_answer(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    server.faults.extend([*[None] * 10, OVERLOADED, *[None] * 9, OVERLOADED])
    code, screen = benchkit("run", suite)
    assert code == 1 and "2 of 60 cases without a readable answer (.033)" in screen
    unanswered = {json.dumps(server.seen[number].body) for number in (10, 20)}
    server.faults.clear()
    assert benchkit("run", suite)[0] == 0
    times_asked = Counter(json.dumps(seen.body) for seen in server.seen)
    assert len(times_asked) == USERS
    again = {body for body, times in times_asked.items() if times > 1}
    # The second fault ends the run, while the request after it may be under way.
    assert unanswered <= again and len(again) <= 3
    assert max(times_asked.values()) == 2


@pytest.mark.parametrize("fault", [OVERLOADED, TOO_LONG])
def test_a_few_faults_are_counted_and_named(tmp_path, server, benchkit, fault):
    suite = write_suite(tmp_path, server.url)
    server.faults.extend([None, fault])
    code, screen = benchkit("run", suite)
    assert code == 0
    assert "1 of 60 cases have faults" in screen
    note = "faults of the engine, counted as misses (scored): 1 of 60 cases"
    assert note in screen and note in (tmp_path / "leaderboards/shop/table.md").read_text()
    (record,) = manifest(tmp_path).faults
    assert (record.stage, record.faults, record.total) == ("scored", 1, USERS)
    (run,) = Store(tmp_path / "runs").runs()
    assert run.predictions()["status"].to_list().count("error") == 1
    assert re.search(r'"note": "case [^"]+: it (answered|does not take)', run.log.read_text())
    # A complete run stays, unless the suite allows fewer; then only that case is asked.
    server.seen.clear()
    assert "0 computed now" in benchkit("run", suite)[1]
    strict = write_suite(tmp_path, server.url, head="max_fault_share = 0.0")
    assert benchkit("run", strict)[0] == 0
    assert (len(server.seen), manifest(tmp_path).faults) == (1, [])


def test_the_share_is_a_setting_and_no_part_of_the_run_id(tmp_path, server, benchkit):
    server.judge = lambda body: OVERLOADED if "Thing 3" in str(body) else None
    strict = write_suite(tmp_path, server.url)
    assert benchkit("run", strict)[0] == 1
    before = manifest(tmp_path)
    lenient = write_suite(tmp_path, server.url, head="max_fault_share = 1.0")
    code, screen = benchkit("run", lenient)
    assert (code, manifest(tmp_path).status) == (0, "complete")
    assert manifest(tmp_path).run_id == before.run_id
    assert "faults of the engine" in screen


def test_overwrite_always_asks_a_server_again(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    benchkit("run", suite)
    first = manifest(tmp_path).summary
    server.backend.reply = lambda *question: list_candidates(*question, backwards=True)
    server.seen.clear()
    # It breaks off, and goes on without asking again what it has asked since.
    server.faults.extend([*[None] * 20, Status(500)])
    assert benchkit("run", suite, "--overwrite", "always")[0] == 1
    assert len(server.seen) == 21
    assert benchkit("run", suite)[0] == 0
    assert len(server.seen) == USERS + 1
    assert manifest(tmp_path).summary != first
    benchkit("run", suite, "--out", "fresh")
    (fresh,) = Store(tmp_path / "fresh").runs()
    assert manifest(tmp_path).summary == fresh.manifest().summary


def test_another_address_is_another_server(tmp_path, server, benchkit):
    benchkit("run", write_suite(tmp_path, server.url))
    backend = EchoBackend(reply=lambda *question: list_candidates(*question, backwards=True))
    with TestServer(backend, model="m") as other:
        benchkit("run", write_suite(tmp_path, other.url))
        assert len(other.seen) == USERS
    means = [run.manifest().summary[0].mean for run in Store(tmp_path / "runs").runs()]
    assert len(set(means)) == 2


def refuse_parameters(body):
    """As a reasoning model does."""
    for name in ("max_tokens", "temperature", "top_p", "seed"):
        if name in body:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            return Status(400, body={"error": {"message": message, "param": name}})
    return None


def test_hints_lead_to_a_suite_that_a_reasoning_model_takes(tmp_path, server, benchkit):
    server.judge = refuse_parameters
    suite = write_suite(tmp_path, server.url)
    code, screen = benchkit("run", suite)
    assert code == 1
    assert 'hint: give its new name: rename_fields = { max_tokens = "max_compl' in screen
    assert '(hint: give its new name: rename_fields = { max_tokens = "max_compl' in screen
    code, screen = benchkit("run", suite)  # it failed for its settings, so it is not done again
    assert code == 1 and "earlier: " in screen and "rename_fields" in screen
    assert "--overwrite failed" in screen
    table = (tmp_path / "leaderboards/shop/table.md").read_text()
    assert "rename\\_fields" in table
    settings = (
        'rename_fields = { max_tokens = "max_completion_tokens" },'
        ' omit_fields = ["temperature", "top_p", "seed"]'
    )
    code, screen = benchkit("run", write_suite(tmp_path, server.url, settings))
    assert code == 0
    assert "the server's own temperature and top_p" in screen
    assert set(server.seen[-1].body) == {"model", "messages", "max_completion_tokens", "n"}


def test_a_server_that_refuses_several_answers_gives_them_one_by_one(tmp_path, server, benchkit):
    several = Status(400, body={"error": {"message": "n > 1 is not supported", "param": "n"}})
    server.judge = lambda body: several if body["n"] > 1 else None
    head = "decoding = { n = 3, temperature = 1.0 }"
    suite = write_suite(tmp_path, server.url, head=head)
    suite.write_text(suite.read_text().replace('["scored"]', '["scored", "sampled"]'))
    assert benchkit("run", suite)[0] == 0
    assert sum(seen.body["n"] > 1 for seen in server.seen) == 1
    assert len(server.seen) == USERS + 1 + 3 * USERS


def test_dry_runs_ask_nothing(tmp_path, server):
    suite = write_suite(tmp_path, server.url)
    invoked("run", "--suite", suite, "--dry-run", "--out", tmp_path / "runs")
    assert not server.seen


@pytest.mark.parametrize(
    ("scoring", "fault", "cause"),
    [
        ("echo", edit(lambda c: c.update(logprobs=None)), "no log-probabilities of the prompt"),
        ("prompt_logprobs", edit(lambda c: c.pop("prompt_logprobs")), "no log-probabilities for"),
        ("echo", OVERLOADED, "model overloaded (503)"),
        ("echo", TOO_LONG, "maximum context length"),
    ],
)
def test_a_server_without_log_probabilities_fails_the_run(
    tmp_path, benchkit, scoring, fault, cause
):
    tiny_tokenizer().save_pretrained(tmp_path / "tokenizer")
    with TestServer(EchoBackend(tiny_tokenizer()), model="m") as server:
        engine = f'tokenizer = "{tmp_path / "tokenizer"}", scoring = "{scoring}"'
        suite = write_suite(tmp_path, server.url, engine + ', api = "completions"')
        suite.write_text(zero_shot(suite.read_text()))
        server.always = fault
        code, screen = benchkit("run", suite)
        assert code == 1 and cause in screen
        server.always = None
        assert benchkit("run", suite)[0] == 0


def test_answers_of_a_method_that_fail_are_faults_as_well(tmp_path, methods, benchkit):
    methods.write_text(
        methods.read_text()
        + """
class Faulty(Base):
    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, None, status="error", fault="no answer from my own")
"""
    )
    suite = write_suite(tmp_path, "http://127.0.0.1:9/v1")
    suite.write_text(suite.read_text().partition("[[methods]]")[0])
    suite.write_text(suite.read_text() + '[[methods]]\nmethod = "recs.py:Faulty"\n')
    code, screen = benchkit("run", suite)
    assert code == 1
    assert "1 of 60 cases without a readable answer (.017): no answer from my own" not in screen
    assert "2 of 60 cases without a readable answer (.033): no answer from my own" in screen
