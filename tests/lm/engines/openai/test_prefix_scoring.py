"""Scoring with each prompt computed once, against a stand-in for `vllm serve`."""

import threading
import warnings

import pytest

from benchkit.lm import tokenization
from benchkit.lm.engines.openai.scoring_replies import read_next_logprobs
from benchkit.lm.types import Message, Prompt
from tests.support.openai_engine import edit, make, prompts
from tests.support.openai_server import Edit, Slow, Status
from tests.support.tiny_chat_model import tiny_tokenizer

pytestmark = pytest.mark.usefixtures("environment")
TEXTS = ["title one", "title two", "né", "", "a rather long title", "title one and more"]
LONG = Prompt("long", (Message("user", "say " * 60),))


def expected(texts):
    ids = [tokenization.continuation_ids(tiny_tokenizer(), text, True) for text in texts]
    return pytest.approx([-sum(i) / 100 for i in ids], abs=1e-4)


@pytest.fixture
def vllm(echo, folder, tmp_path):
    """Build an engine for a server that was started in some way."""

    engines = []

    def build(place="cache", **changes):
        values = {"server": "vllm", "tokenizer": str(folder), "retries": 1} | changes
        engines.append(make(echo, tmp_path / place, **values))
        return engines[-1]

    yield build
    for engine in engines:
        engine.close()


def paths(echo, since=0):
    return [s.path for s in echo.seen[since:]]


@pytest.mark.parametrize("runner", ["rows", "passages"])
def test_a_prompt_is_computed_once(echo, vllm, runner):
    echo.generates = runner
    engine = vllm()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [first] = engine.score(prompts(1), [["x"]])  # the ways are compared
        since, echo.computed = len(echo.seen), 0
        [scored] = engine.score([LONG], [TEXTS])
    assert scored.logprobs == expected(TEXTS) and first.finish == "stop"
    needed = len(tokenization.prompt_ids(tiny_tokenizer(), LONG)) + scored.token_counts.sum()
    assert echo.computed <= needed + 4 * (len(TEXTS) + 2)
    sent = paths(echo, since)
    assert sent[0] == "/v1/completions" and sent[1:6] == ["/inference/v1/generate"] * 5
    assert scored.usage["requests"] == len(sent)
    # In the server's cache, but not in ours: asked for token by token, and right again.
    [again] = vllm("other").score([LONG], [TEXTS[::-1]])
    assert again.logprobs == expected(TEXTS[::-1])


def wait_for_two():
    """Answer passages once two are under way at the same time, or will not be."""
    under_way, both = [], threading.Event()

    def change(reply):
        if "token_ids" in reply["choices"][0]:
            under_way.append(reply)
            if len(under_way) == 2:
                both.set()
            both.wait(5)
        return reply

    return Edit(change)


def test_the_passages_of_a_prompt_are_asked_for_at_once(echo, vllm, monkeypatch):
    echo.generates = "rows"
    engine = vllm(concurrency=2)
    list(engine.score(prompts(1), [["x"]]))
    under_way, most, lock, post = set(), [0], threading.Lock(), engine._client._client.post

    def count(*args):
        with lock:
            under_way.add(threading.get_ident())
            most[0] = max(most[0], len(under_way))
        try:
            return post(*args)
        finally:
            with lock:
                under_way.remove(threading.get_ident())

    monkeypatch.setattr(engine._client._client, "post", count)
    echo.always, since = wait_for_two(), len(echo.seen)
    [alone] = engine.score([LONG], [TEXTS])
    assert most == [2]
    results = [alone, *engine.score(prompts(3), [TEXTS] * 3)]
    assert [r.logprobs.tolist() for r in results] == [expected(TEXTS)] * 4
    assert most == [2]  # no more than `concurrency`, though there are three prompts
    # Each prompt is computed before its passages are asked for.
    sent = [s.body.get("token_ids") or s.body["prompt"][0] for s in echo.seen[since:]]
    for prompt in (LONG, *prompts(3)):
        ids = tokenization.prompt_ids(tiny_tokenizer(), prompt)
        first = next(i for i in sent if i[: len(ids)] == ids)
        assert first == ids


def test_an_error_of_one_passage_drops_those_that_wait(echo, vllm):
    echo.generates = "rows"
    engine = vllm(concurrency=1)
    list(engine.score(prompts(1), [["x"]]))
    faults = [Status(400, body={"error": {"message": "made up"}})]

    def refuse_first(body):
        return (faults.pop() if faults else Slow(0.2)) if "token_ids" in body else None

    echo.judge, since = refuse_first, len(echo.seen)
    [scored] = engine.score([LONG], [TEXTS])
    assert scored.finish == "error" and "made up" in scored.fault
    assert paths(echo, since).count("/inference/v1/generate") < 5


def test_no_thread_is_left_where_a_caller_stops_early(echo, vllm):
    echo.generates = "rows"
    results = vllm().score([LONG, *prompts(8)], [TEXTS] * 9)
    assert next(results).logprobs == expected(TEXTS)
    results.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(("passages", "engine"))]


def test_a_server_without_its_own_endpoint_is_asked_token_by_token_and_the_user_is_told(echo, vllm):
    engine = vllm()
    with pytest.warns(UserWarning, match=r"anew for each token.*--enable-scale-out"):
        [scored] = engine.score([LONG], [TEXTS])
    assert scored.logprobs == expected(TEXTS)
    separate = len(tokenization.prompt_ids(tiny_tokenizer(), LONG)) * len(TEXTS)
    assert echo.computed < separate / 2
    assert len(echo.seen) < 12  # many prompts a request


def test_a_budget_is_not_spent_on_a_prompt_for_each_token(echo, vllm):
    engine = vllm(max_tokens_total=100_000)
    with pytest.warns(UserWarning, match="tokens: it would take more of the budget"):
        [scored] = engine.score([LONG], [TEXTS])
    assert scored.logprobs == expected(TEXTS)
    shared = [s.body["prompt"] for s in echo.seen if "logprob_token_ids" in s.body]
    assert all(len(sent) == 1 for sent in shared)  # those with which the ways were tried


def test_rows_are_read_only_where_the_server_says_which_were_cached(echo, vllm):
    echo.generates, echo.says_cached = "rows", False
    with pytest.warns(UserWarning, match="rows: it does not say how many"):
        [scored] = vllm().score([LONG], [TEXTS])
    assert scored.logprobs == expected(TEXTS)


def test_rows_that_a_server_cannot_write_are_asked_for_token_by_token(echo, vllm):
    echo.generates = "rows"
    engine = vllm()
    list(engine.score(prompts(1), [["x"]]))
    cause = {"error": {"message": "Out of range float values are not JSON compliant"}}
    echo.judge = lambda body: Status(400, body=cause) if "token_ids" in body else None
    [scored] = engine.score([LONG], [TEXTS])
    assert scored.logprobs == expected(TEXTS)


def shift(reply):
    for row in [
        r for c in reply["choices"] for r in (c.get("logprobs") or {}).get("top_logprobs", [])
    ]:
        row.update({name: value - 5 for name, value in row.items()})
    return reply


@pytest.mark.parametrize("fault", ["ignored", "wrong"])
def test_a_server_that_shares_nothing_is_asked_for_each_continuation(echo, vllm, fault):
    echo.takes_token_ids = fault == "wrong"
    if fault == "wrong":
        echo.always = Edit(shift)
    with pytest.warns(UserWarning, match="each prompt anew for each of its cont") as caught:
        results = list(vllm(concurrency=1).score(prompts(3), [TEXTS] * 3))
    assert len(caught) == 1
    assert [r.logprobs.tolist() for r in results] == [expected(TEXTS)] * 3
    assert sum("prompt_logprobs" in s.body for s in echo.seen) >= 3 * (len(TEXTS) - 1)


def test_what_was_scored_is_stored_whatever_the_way(echo, vllm):
    echo.generates = "passages"
    [first] = vllm().score([LONG], [TEXTS])
    since = len(echo.seen)
    [again] = vllm(scoring="prompt_logprobs").score([LONG], [TEXTS])
    assert len(echo.seen) == since
    assert again.logprobs.tolist() == first.logprobs.tolist()
    [more] = vllm().score([LONG], [[*TEXTS, "new"]])
    assert more.logprobs == expected([*TEXTS, "new"])
    sent = [s.body["token_ids"] for s in echo.seen[since:] if s.path.endswith("generate")]
    tail = tokenization.continuation_ids(tiny_tokenizer(), "new", True)
    assert sent and all(ids[-len(tail) :] == tail for ids in sent)


@pytest.mark.parametrize(
    "change",
    [
        lambda reply: reply | {"prompt_token_id_logprobs": "nonsense"},
        lambda reply: reply | {"prompt_token_id_logprobs": 7},
        lambda reply: reply | {"prompt_token_id_logprobs": ""},
    ],
)
def test_no_number_is_made_of_a_wrong_passage(echo, vllm, change):
    echo.generates = "passages"
    engine = vllm()
    list(engine.score(prompts(1), [["x"]]))
    echo.always = Edit(lambda reply: change(reply) if "token_ids" in reply["choices"][0] else reply)
    first, second = engine.score([LONG, *prompts(1)], [TEXTS, [""]])
    assert (first.logprobs, first.finish) == (None, "error")
    assert second.logprobs == expected([""])


def test_a_prompt_that_is_too_long_is_its_own_fault(echo, vllm):
    echo.generates = "passages"
    refusal = Status(400, body={"error": {"message": "longer than max_model_len"}})
    echo.judge = lambda body: refusal if len(body.get("prompt", ())) > 50 else None
    first, second = vllm(concurrency=1).score([LONG, *prompts(1)], [TEXTS, TEXTS])
    assert first.finish == "error" and "max_model_len" in first.fault
    assert second.logprobs == expected(TEXTS)


def test_wrong_log_probabilities_of_the_next_token(echo, vllm):
    engine = vllm()
    with pytest.warns(UserWarning, match="token of its"):
        list(engine.score(prompts(1), [["x"]]))
    for change in (
        lambda c: c.update(logprobs=None),
        lambda c: c["logprobs"].update(top_logprobs=[]),
        lambda c: c["logprobs"]["top_logprobs"][0].clear(),
    ):
        echo.always = edit(change)
        [scored] = engine.score([LONG], [["cab"]])
        assert (scored.logprobs, scored.finish) == (None, "error")


@pytest.mark.parametrize("way", ["prefix_cache", "prompt_logprobs"])
def test_equal_prompts_at_once_are_paid_for_once(echo, vllm, way):
    echo.generates = "passages"
    engine = vllm(concurrency=8, scoring=way)
    list(engine.score(prompts(1), [["x", "one more"]]))  # the ways are compared
    since = len(echo.seen)
    results = list(engine.score([LONG] * 6, [TEXTS] * 6))
    assert [r.logprobs.tolist() for r in results] == [expected(TEXTS)] * 6
    assert len(echo.seen) - since <= len(TEXTS) + 1


def test_texts_are_not_taken_for_the_numbers_of_tokens():
    row = {"7": -1.0, "token_id:8": -2.0, "say token_id:9": -3.0, "token_id:x": -4.0}
    reply = {"choices": [{"logprobs": {"top_logprobs": [row]}}]}
    assert read_next_logprobs(reply, 1) == [{8: -2.0}]
