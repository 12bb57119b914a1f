"""The openai engine against a server that fails, refuses, or answers wrongly."""

import logging
import time
import tomllib
import traceback
from email.utils import formatdate

import numpy as np
import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.engine import OpenAIEngine
from benchkit.lm.types import Completion, Message, Prompt
from tests.support.openai_engine import GREEDY, KEY, SAMPLED, edit, make, prompts, texts
from tests.support.openai_server import Cut, Edit, Hang, Raw, Status, TestServer
from tests.support.server_backends import EchoBackend

pytestmark = pytest.mark.usefixtures("environment")


# What goes wrong on the way

TRANSPORT = [
    Status(429, {"Retry-After": "2"}),
    Status(500),
    Status(503, body=b"<html>"),
    Status(408),
    Cut(0),
    Cut(0.5),
    Raw(b'{"choices": [{'),
    Raw(b""),
]


@pytest.mark.parametrize("fault", TRANSPORT, ids=repr)
def test_a_request_that_fails_on_the_way_is_asked_again(echo, tmp_path, fault):
    echo.faults.extend([None, fault, fault])
    waits = []
    answers = list(make(echo, tmp_path, waits).generate(prompts(6), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(6)]
    assert (len(echo.seen), len(waits)) == (8, 2)
    assert all(0 <= wait <= 2.5 for wait in waits)


@pytest.mark.parametrize("fault", TRANSPORT, ids=repr)
def test_a_server_that_stays_away_ends_the_run_and_a_second_one_goes_on(echo, tmp_path, fault):
    echo.faults.extend([None] * 7)
    echo.always = fault
    got = []
    with pytest.raises(EngineError) as raised:
        for answer in make(echo, tmp_path, retries=2).generate(prompts(20), GREEDY):
            got.append(answer)
    said = str(raised.value)
    assert echo.url in said and "run again: what was answered is cached" in said
    assert texts(got) == [[f"w{i}-0-None"] for i in range(len(got))]
    assert len(got) <= 7
    assert len(echo.seen) <= 7 + 3 * 4  # nothing new is begun once one has failed for good
    echo.always = None
    echo.seen.clear()
    answers = list(make(echo, tmp_path).generate(prompts(20), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(20)]
    assert len(echo.seen) == 13
    assert sum(a.usage["cached"] for a in answers) == 7


def test_a_hanging_server_is_left(echo, tmp_path):
    echo.faults.append(Hang(30))
    start = time.monotonic()
    answers = list(make(echo, tmp_path, timeout_s=0.3).generate(prompts(3), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(3)]
    assert time.monotonic() - start < 5
    assert len(echo.seen) == 4


def test_no_server_at_all(tmp_path):
    with TestServer(EchoBackend()) as server:
        pass
    with pytest.raises(EngineError, match=r"127\.0\.0\.1.*no connection"):
        list(make(server, tmp_path).generate(prompts(1), GREEDY))


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_honoured(echo, tmp_path, date):
    now = 1_700_000_000.0
    value = formatdate(now + 40, usegmt=True) if date else "40"
    echo.faults.append(Status(429, {"Retry-After": value}))
    waits = []
    list(make(echo, tmp_path, waits, now=lambda: now).generate(prompts(1), GREEDY))
    assert len(waits) == 1
    assert 40 <= waits[0] <= 41


def test_a_used_up_account_is_not_asked_again(echo, tmp_path):
    said = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    echo.always = Status(429, body=said)
    with pytest.raises(EngineError, match="used up"):
        list(make(echo, tmp_path, concurrency=1).generate(prompts(1), GREEDY))
    assert len(echo.seen) == 1


# Answers that are none


def content(value, **more):
    return edit(lambda c: c["message"].update(content=value, **more))


# What a server sends with status 200 -> the fault, what the cause says.
UNUSABLE = {
    "empty choices": (Edit(lambda r: r | {"choices": []}), "no choices (choices is [])"),
    "error": (
        Edit(lambda r: {"error": {"message": "upstream", "code": 503}}),
        "answered with an error: upstream (503)",
    ),
    "error in words": (Edit(lambda r: {"error": "busy"}), "answered with an error: busy"),
    "error beside choices": (Edit(lambda r: r | {"error": {"code": 7}}), 'error: {"code": 7} (7)'),
    "message alone": (
        Edit(lambda r: {"message": "no GPU"}),
        'no choices but {"message": "no GPU"}',
    ),
    "null choices": (Edit(lambda r: r | {"choices": None}), "no choices (choices is null)"),
    "no object": (Edit(lambda r: []), "answered with a list"),
    "a word": (Edit(lambda r: "ok"), "answered with a str"),
    "choices of text": (Edit(lambda r: r | {"choices": ["w0"]}), "not objects"),
    "error in a choice": (edit(lambda c: c.update(error={"message": "moderated"})), "moderated"),
    "no message": (edit(lambda c: c.pop("message")), "no message"),
    "null content": (content(None), "the content is null; if an empty answer"),
    "no content": (content(""), "the content is empty; if an empty answer"),
    "blank content": (content(" \n"), "the content is empty"),
    "null beside reasoning": (
        content(None, reasoning_content="w0"),
        "the content is null, and the text stands in reasoning_content",
    ),
    "empty beside reasoning": (content("", reasoning="w0"), "the text stands in reasoning:"),
    "only thinking": (
        content([{"type": "thinking", "thinking": [{"type": "text", "text": "w"}]}]),
        "the content is null",
    ),
    "picture": (content([{"type": "image_url", "image_url": "x"}]), "part of type 'image_url'"),
    "number as content": (content(7), "of type int"),
    "tool call": (edit(lambda c: c.update(finish_reason="tool_calls")), '"tool_calls"'),
    "only a tool call": (
        edit(
            lambda c: c.update(
                finish_reason="tool_calls", message={"content": None, "tool_calls": [{"id": "1"}]}
            )
        ),
        "it calls a tool (tool_calls) and has no text",
    ),
    "a tool call that ended by itself": (
        content("", tool_calls=[{"id": "1"}]),
        "it calls a tool (tool_calls) and has no text",
    ),
    "a function call": (content(None, function_call={"name": "f"}), "a tool (function_call)"),
    "empty finish reason": (
        edit(lambda c: c.update(finish_reason="")),
        'finish_reasons = { "" = "stop" }',
    ),
    "unfinished": (
        edit(lambda c: c.update(finish_reason=None)),
        'finish_reasons = { null = "stop" }',
    ),
    "no finish reason": (edit(lambda c: c.pop("finish_reason")), "finish_reason null"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_answer_is_asked_again_then_given_up(echo, tmp_path, name):
    fault, cause = UNUSABLE[name]
    engine = make(echo, tmp_path, retries=2, concurrency=1)
    echo.faults.append(fault)
    assert texts(engine.generate(prompts(1), GREEDY)) == [["w0-0-None"]]
    assert len(echo.seen) == 2
    # The second of three prompts never gets a usable answer.
    echo.faults.extend([None, *[fault] * 3])
    asked = [Prompt(k, (Message("user", k),)) for k in ("x", "y", "z")]
    answers = list(engine.generate(asked, SAMPLED))
    assert [a.completions[0].finish for a in answers] == ["stop", "error", "stop"]
    assert {c[:3] for c in answers[1].completions} == {("", "error", 0)}
    assert cause in answers[1].completions[2].fault
    assert not any(c.fault for a in (answers[0], answers[2]) for c in a.completions)
    assert len(echo.seen) == 2 + 1 + 3 + 1
    # It is not in the cache: another run asks for it, and for nothing else.
    echo.seen.clear()
    again = list(make(echo, tmp_path).generate(asked, SAMPLED))
    assert [a.completions[0].finish for a in again] == ["stop"] * 3
    assert [s.body["messages"][0]["content"] for s in echo.seen] == ["y"]


def test_usable_choices_among_others_are_kept(echo, tmp_path):
    echo.faults.append(Edit(lambda r: r["choices"][0]["message"].clear() or r))
    [answer] = make(echo, tmp_path).generate(prompts(1), SAMPLED)
    assert [c.finish for c in answer.completions] == ["stop"] * 3
    assert [s.body["n"] for s in echo.seen] == [3, 1]


@pytest.mark.parametrize(
    ("change", "text", "finish"),
    [
        (lambda c: c.update(finish_reason="content_filter"), "w0-0-None", "refused"),
        (lambda c: c["message"].update(content=None, refusal="I cannot"), "I cannot", "refused"),
        (lambda c: c.update(finish_reason="length"), "w0-0-None", "length"),
        (
            lambda c: c.update(finish_reason="length", message={"content": None}),
            "",
            "length",
        ),
        (lambda c: c.update(finish_reason="STOP"), "w0-0-None", "stop"),
        (lambda c: c.update(finish_reason="MAX_TOKENS"), "w0-0-None", "length"),
        (lambda c: c.update(finish_reason="SAFETY", message=None), "", "refused"),
        (
            lambda c: c["message"].update(
                content=[
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "w0"},
                    {"type": "output_text", "text": "-0"},
                ]
            ),
            "w0-0",
            "stop",
        ),
        (
            lambda c: c["message"].update(content=[{"type": "refusal", "refusal": "No."}]),
            "No.",
            "refused",
        ),
        (lambda c: c["message"].update(reasoning_content="hm"), "w0-0-None", "stop"),
        (lambda c: c["message"].update(content="\ud83d"), "\ufffd", "stop"),
    ],
)
def test_how_an_answer_ended(echo, tmp_path, change, text, finish):
    echo.faults.append(edit(change))
    [answer] = make(echo, tmp_path).generate(prompts(1), GREEDY)
    assert answer.completions[0][:2] == (text, finish)
    assert len(echo.seen) == 1
    assert texts(make(echo, tmp_path).generate(prompts(1), GREEDY)) == [[text]]
    assert len(echo.seen) == 1


def test_a_filtered_prompt_is_refused(echo, tmp_path):
    said = {"error": {"message": "filtered", "code": "content_filter"}}
    echo.faults.append(Status(400, body=said))
    [answer] = make(echo, tmp_path).generate(prompts(1), SAMPLED)
    assert answer.completions == (Completion("", "refused", 0),) * 3


def logprobs(change):
    return edit(lambda c: change(c["logprobs"]))


def second_last(value):
    def change(log):
        log["token_logprobs"][-2] = value

    return logprobs(change)


WRONG_SCORES = {
    "none": edit(lambda c: c.update(logprobs=None)),
    "empty": logprobs(lambda log: log.update(token_logprobs=[], tokens=[])),
    "short": logprobs(lambda log: log["token_logprobs"].pop()),
    "short both": logprobs(lambda log: [log[k].__delitem__(slice(-2, None)) for k in log]),
    "long": logprobs(lambda log: [log[k].extend([log[k][-1]] * 3) for k in log]),
    "null": second_last(None),
    "nan": second_last(float("nan")),
    "minus infinity": second_last(float("-inf")),
    "positive": second_last(0.5),
    "text": second_last("-1"),
    "true": second_last(True),
    "other token": logprobs(lambda log: log["tokens"].__setitem__(-2, "zzz")),
    "other prompt": Edit(lambda r: r | {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
    "no choices": Edit(lambda r: r | {"choices": []}),
}


@pytest.mark.parametrize("name", WRONG_SCORES)
def test_no_number_is_made_of_wrong_scores(echo, tmp_path, folder, name):
    echo.backend.reply = lambda text, number, seed: "w"
    engine = make(echo, tmp_path, retries=1, concurrency=1, tokenizer=str(folder))
    echo.faults.append(WRONG_SCORES[name])
    [right] = engine.score(prompts(1), [["cab"]])
    assert right.finish == "stop" and len(echo.seen) == 2
    echo.faults.extend([None, WRONG_SCORES[name], WRONG_SCORES[name]])
    first, second, third = engine.score(prompts(3), [["ab"], ["ab", "in"], ["ab"]])
    assert (first.finish, second.finish, third.finish) == ("stop", "error", "stop")
    assert (second.logprobs, second.token_counts) == (None, None)
    assert np.isfinite(first.logprobs).all() and np.isfinite(third.logprobs).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("prompt_logprobs"),
        lambda c: c["prompt_logprobs"].pop(),
        lambda c: c["prompt_logprobs"].__setitem__(-1, None),
        lambda c: c["prompt_logprobs"].__setitem__(-1, {"1": {"logprob": -1.0}}),
        lambda c: next(iter(c["prompt_logprobs"][-1].values())).update(logprob=None),
        lambda c: next(iter(c["prompt_logprobs"][-1].values())).update(logprob=float("nan")),
    ],
)
def test_no_number_is_made_of_wrong_prompt_logprobs(echo, tmp_path, folder, change):
    engine = make(echo, tmp_path, retries=1, server="vllm", tokenizer=str(folder))
    echo.always = edit(change)
    [scored] = engine.score(prompts(1), [["cab"]])
    assert (scored.logprobs, scored.finish) == (None, "error")


# Errors that asking again does not mend


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, EngineError, "OPENAI_API_KEY"),
        (403, EngineError, "OPENAI_API_KEY"),
        (404, ConfigError, "no model 'tiny'"),
        (405, ConfigError, "does not take this request"),
    ],
)
def test_errors_that_stay_are_raised_at_once(echo, tmp_path, status, kind, words):
    echo.faults.append(Status(status, body={"error": {"message": f"your key {KEY} is bad"}}))
    with pytest.raises(kind, match=words) as raised:
        list(make(echo, tmp_path, concurrency=1).generate(prompts(3), GREEDY))
    assert type(raised.value) is kind
    assert raised.value.hint and "made" not in raised.value.hint
    assert len(echo.seen) == 1
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None


@pytest.mark.parametrize("reading", [{"finish_reasons": {"NULL": "stop"}}, {}])
def test_a_setting_says_what_an_unknown_end_means(echo, tmp_path, reading):
    echo.always = edit(lambda c: c.update(finish_reason=None))
    [answer] = make(echo, tmp_path, retries=0, **reading).generate(prompts(1), GREEDY)
    assert answer.completions[0].finish == ("stop" if reading else "error")
    # Read in another way, it is another answer.
    echo.always = None
    [answer] = make(echo, tmp_path, finish_reasons={"null": "length"}).generate(prompts(1), GREEDY)
    assert (answer.completions[0].finish, answer.usage["cached"]) == ("stop", 0)


@pytest.mark.parametrize("reason", [None, "", "Eos Token", 7, 'say "x"', "é\n."])
def test_the_hint_for_an_unknown_end_can_be_copied_into_a_suite(echo, tmp_path, reason):
    echo.always = edit(lambda c: c.update(finish_reason=reason))
    [answer] = make(echo, tmp_path, retries=0).generate(prompts(1), GREEDY)
    hint = answer.completions[0].fault.partition("; if it is, set ")[2]
    [answer] = make(echo, tmp_path, **tomllib.loads(hint)).generate(prompts(1), GREEDY)
    assert answer.completions[0][:2] == ("w0-0-None", "stop")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'data: {"choices": []}\n\n', r"""JSON: 'data: {"choices": []}\n\n'; it streams"""),
        (b"<!DOCTYPE html>\n<title>Log in</title>", r"<title>Log in</title>'; it is a page"),
        (b"\x1b[2J\xff" + b"x" * 200, f"JSON: '\\x1b[2J\ufffd{'x' * 73}'"),
        (b"", "JSON: it is empty"),
        (f"the key {KEY} is wrong".encode(), "JSON: 'the key [key] is wrong'"),
    ],
)  # fmt: skip
def test_what_an_answer_that_is_no_json_begins_with_is_shown(echo, tmp_path, body, words):
    echo.always = Raw(body)
    with pytest.raises(EngineError) as raised:
        list(make(echo, tmp_path, retries=0).generate(prompts(1), GREEDY))
    assert words in raised.value.cause and KEY not in str(raised.value)


def test_an_empty_answer_may_be_the_models_own(echo, tmp_path):
    echo.always = content("")
    [answer] = make(echo, tmp_path, empty_content="answer").generate(prompts(1), GREEDY)
    assert answer.completions[0][:2] == ("", "stop")
    [answer] = make(echo, tmp_path, retries=0).generate(prompts(1), GREEDY)
    assert answer.completions[0].finish == "error"  # not the stored one


def words(message, **fields):
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, words("This model's maximum context length is 8 tokens.", param="messages")),
        (400, words("'max_tokens' is too large: maximum context length is 8", param="max_tokens")),
        (413, words("request too large")),
        (422, {"detail": "prompt is too long"}),
        (400, words("I do not like this one")),
    ],
)
def test_a_request_that_is_rejected_is_a_fault_of_its_case_alone(echo, tmp_path, status, body):
    engine = make(echo, tmp_path, concurrency=1)
    echo.faults.extend([None, Status(status, body=body)])
    answers = list(engine.generate(prompts(3), GREEDY))
    assert [a.completions[0].finish for a in answers] == ["stop", "error", "stop"]
    assert f"does not take the request (HTTP {status}" in answers[1].completions[0].fault
    assert len(echo.seen) == 3  # asking again would not help
    assert engine.budget.spent.prompt == 12


def test_a_prompt_that_cannot_be_scored_is_a_fault_of_its_case_alone(echo, tmp_path, folder):
    engine = make(echo, tmp_path, concurrency=1, tokenizer=str(folder))
    echo.faults.extend([None, Status(400, body=words("maximum context length is 8"))])
    first, second, third = engine.score(prompts(3), [["ab"]] * 3)
    assert (first.finish, second.finish, third.finish) == ("stop", "error", "stop")
    assert "maximum context length" in second.fault and not first.fault


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (words("Unsupported parameter", param="top_p"), 'omit_fields = ["top_p"]'),
        (words("Unsupported value: 'temperature' does not support 0.0"), '["temperature"]'),
        (words("use 'max_completion_tokens'", param="max_tokens"), "max_completion_tokens"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}, '["seed"]'),
        (words('Unknown name "reasoning"'), "extra_body"),
        (words("not supported", param="reasoning_effort"), "leave reasoning_effort out"),
    ],
)
def test_a_field_that_a_server_refuses_ends_the_run_with_its_setting(echo, tmp_path, body, hint):
    echo.always = Status(400, body=body)
    engine = make(
        echo,
        tmp_path,
        concurrency=1,
        extra_body={"reasoning": {"effort": "low"}},
        reasoning_effort="low",
    )
    with pytest.raises(ConfigError, match="does not take '") as raised:
        list(engine.generate(prompts(3), SAMPLED))
    assert hint in raised.value.hint
    assert len(echo.seen) == 1


def test_the_key_is_in_no_cause_of_a_fault(echo, tmp_path):
    echo.always = Edit(lambda r: {"error": {"message": f"bad key {KEY}"}})
    [answer] = make(echo, tmp_path, retries=0).generate(prompts(1), GREEDY)
    assert answer.completions[0].fault.endswith("bad key [key]")


# Several answers a request


class RefusesSeveral:
    """A server that takes one answer a request."""

    def __init__(self, status=400):
        self.status = status

    def __call__(self, body):
        several = Status(self.status, body=words("n > 1 is not supported", param="n"))
        return several if body.get("n", 1) > 1 else None


@pytest.mark.parametrize("sends_seed", [True, False])
def test_a_server_that_refuses_n_is_asked_one_by_one_and_that_is_remembered(
    echo, tmp_path, sends_seed
):
    echo.judge = RefusesSeveral()
    engine = make(echo, tmp_path, concurrency=1, send_seed=sends_seed)
    first = list(engine.generate(prompts(3), SAMPLED))
    assert [s.body["n"] for s in echo.seen] == [3, *[1] * 9]
    assert all(len(a.completions) == 3 and a.usage["requests"] == 3 for a in first)
    if sends_seed:  # the echo server answers by the seed
        assert all(len({c.text for c in a.completions}) == 3 for a in first)
    echo.seen.clear()
    assert texts(make(echo, tmp_path, send_seed=sends_seed).generate(prompts(3), SAMPLED)) == (
        texts(first)
    )
    assert not echo.seen
    assert None not in list(make(echo, tmp_path, send_seed=sends_seed).lookup(prompts(3), SAMPLED))


def test_a_prompt_that_is_rejected_says_nothing_of_n(echo, tmp_path):
    echo.faults.extend([Status(400, body=words("too long"))] * 2)
    engine = make(echo, tmp_path, concurrency=1)
    first, second = engine.generate(prompts(2), SAMPLED)
    assert (first.completions[0].finish, second.completions[0].finish) == ("error", "stop")
    assert [s.body["n"] for s in echo.seen] == [3, 1, 3]


def test_a_model_that_is_not_there(echo, tmp_path):
    with pytest.raises(ConfigError, match=r"'big'.*HTTP 404.*does not exist"):
        list(make(echo, tmp_path, model="big").generate(prompts(1), GREEDY))


@pytest.mark.parametrize(
    ("key", "words"), [("", "needs a key"), ("sk-ü", "characters"), ("a\nb", "characters")]
)
def test_a_key_that_cannot_be(tmp_path, monkeypatch, key, words):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    engine = OpenAIEngine(OpenAIConfig(model="m"), tmp_path)
    with pytest.raises(ConfigError, match=words) as raised:
        list(engine.generate(prompts(1), GREEDY))
    assert "OPENAI_API_KEY" in str(raised.value) and (not key or key not in str(raised.value))


def test_the_key_is_nowhere(echo, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    monkeypatch.setenv("BENCHKIT_ALLOW_KEYS", "MY_KEY=127.0.0.1")
    caplog.set_level(logging.DEBUG)
    engine = make(echo, tmp_path, api_key_env="MY_KEY")
    echo.faults.extend([None, Status(500, body={"error": {"message": KEY}}), Cut(0.5)])
    answers = list(engine.generate(prompts(3), GREEDY))
    assert echo.seen[0].headers["authorization"] == f"Bearer {KEY}"
    echo.always = Status(500, body={"error": {"message": f"Bearer {KEY} {KEY}"}})
    with pytest.raises(EngineError) as raised:
        list(engine.generate(prompts(5), GREEDY))
    engine.close()
    said = [caplog.text, repr(engine), repr(engine.config), repr(vars(engine)), repr(answers)]
    said += ["".join(traceback.format_exception(raised.value)), repr(vars(engine._client))]
    said += [engine.config.model_dump_json(), repr(engine._client._client)]
    assert not [text for text in said if KEY in text]
    assert caplog.records
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert files and not [f for f in files if KEY.encode() in f.read_bytes()]
