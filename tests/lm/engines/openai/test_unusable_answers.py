"""The openai engine against a server whose answers are none."""

import tomllib

import numpy as np
import pytest

from benchkit.errors import EngineError
from benchkit.lm.types import Completion, Message, Prompt
from tests.support.openai_engine import GREEDY, KEY, SAMPLED, edit, make, prompts, texts
from tests.support.openai_server import Edit, Raw, Status

pytestmark = pytest.mark.usefixtures("environment")


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
