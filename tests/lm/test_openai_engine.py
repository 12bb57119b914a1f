"""The openai engine against a server that answers rightly."""

import threading
import time

import pytest
from pydantic import ValidationError

from benchkit.errors import ConfigError, EngineError
from benchkit.lm import tokens
from benchkit.lm.engine import Completion, Decoding, Message, Prompt
from benchkit.lm.engines.budget import Cost
from benchkit.lm.engines.openai import OpenAIConfig

from lm.asking_server import GREEDY, KEY, SAMPLED, edit, make, prompts, texts
from lm.model_server import EchoBackend, ModelBackend
from lm.server import Slow, TestServer
from lm.tiny_server import tiny_model, tiny_tokenizer


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture
def echo():
    with TestServer(EchoBackend(tiny_tokenizer())) as server:
        yield server


# What comes back


def test_answers_come_in_order_each_once(echo, tmp_path):
    echo.faults.extend([Slow(0.1), None, Slow(0.05), None])
    engine = make(echo, tmp_path)
    answers = list(engine.generate(prompts(20), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(20)]
    assert len(echo.seen) == 20
    assert 1 < echo.most <= 4
    assert answers[0].completions[0] == Completion("w0-0-None", "stop", 1)
    usage = {"prompt_tokens": 6, "completion_tokens": 1, "requests": 1, "cached": 0}
    assert answers[0].usage == usage


def test_a_request_says_what_decoding_says(echo, tmp_path):
    decoding = Decoding(n=2, temperature=0.7, top_p=0.9, max_tokens=5, stop=("\n",), seed=3)
    list(make(echo, tmp_path).generate(prompts(1), decoding))
    body = dict(echo.seen[0].body)
    assert isinstance(body.pop("seed"), int)
    assert body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "say w0"}],
        "max_tokens": 5,
        "temperature": 0.7,
        "top_p": 0.9,
        "n": 2,
        "stop": ["\n"],
    }
    assert echo.seen[0].headers["authorization"] == f"Bearer {KEY}"


def test_seeds_follow_the_prompt_and_the_decoding(echo, tmp_path):
    def seeds(which, seed):
        start = len(echo.seen)
        decoding = SAMPLED.model_copy(update={"seed": seed})
        list(make(echo, tmp_path / str(start)).generate(which, decoding))
        return {s.body["messages"][0]["content"]: s.body["seed"] for s in echo.seen[start:]}

    first = seeds(prompts(5), 1)
    assert len(set(first.values())) == 5
    assert all(0 <= seed < 2**31 for seed in first.values())
    assert seeds(prompts(5)[::-1], 1) == first
    assert not set(seeds(prompts(5), 2).values()) & set(first.values())


def test_a_server_without_seeds_is_not_sent_one_and_samples_stay_apart(echo, tmp_path):
    same = [Prompt("a", (Message("user", "x"),)), Prompt("b", (Message("user", "x"),))]
    engine = make(echo, tmp_path, send_seed=False)
    list(engine.generate(same, SAMPLED))
    assert len(echo.seen) == 2  # not one answer for both
    assert all("seed" not in s.body for s in echo.seen)


def test_missing_samples_are_asked_for_with_a_seed_of_their_own(tmp_path):
    with TestServer(EchoBackend(), choices=1) as server:
        [answer] = make(server, tmp_path).generate(prompts(1), SAMPLED)
        assert len({c.text for c in answer.completions}) == 3
        assert [s.body["n"] for s in server.seen] == [3, 2, 1]
        assert answer.usage["requests"] == 3


def test_greedy_samples_are_asked_for_once(echo, tmp_path):
    [answer] = make(echo, tmp_path).generate(prompts(1), Decoding(n=3))
    assert [c.text for c in answer.completions] == ["w0-0-None"] * 3
    assert [s.body["n"] for s in echo.seen] == [1]


def test_fields_can_be_added_and_left_out(echo, tmp_path):
    extra = {"temperature": None, "reasoning": {"effort": "low"}}
    engine = make(echo, tmp_path, extra_body=extra, max_tokens_field="max_completion_tokens")
    list(engine.generate(prompts(1), GREEDY))
    body = echo.seen[0].body
    assert "temperature" not in body and "max_tokens" not in body
    assert body["reasoning"] == {"effort": "low"} and body["max_completion_tokens"] == 6


def test_vllm_is_told_all_that_its_defaults_could_change(echo, tmp_path, folder):
    engine = make(echo, tmp_path, server="vllm", api="completions", tokenizer=str(folder))
    list(engine.generate(prompts(1), Decoding(temperature=1, top_k=5)))
    body = echo.seen[0].body
    expected = {"top_k": 5, "min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True}
    assert expected.items() <= body.items()
    assert body["stop_token_ids"] == list(tokens.end_of_turn(tiny_tokenizer()))


def test_a_begun_answer(echo, tmp_path, folder):
    [prompt] = prompts(1, begun=("a", "b"))
    with pytest.raises(ConfigError, match="begun"):
        list(make(echo, tmp_path).generate([prompt], GREEDY))
    list(make(echo, tmp_path, server="vllm").generate([prompt], GREEDY))
    body = echo.seen[-1].body
    assert body["messages"][-1] == {"role": "assistant", "content": "ab"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    engine = make(echo, tmp_path, api="completions", tokenizer=str(folder))
    list(engine.generate([prompt], GREEDY))
    assert echo.seen[-1].body["prompt"] == tokens.prompt_ids(tiny_tokenizer(), prompt)


def test_what_cannot_be_done_is_said(echo, tmp_path):
    engine = make(echo, tmp_path)
    assert (engine.can_score, engine.can_choose) == (False, False)
    with pytest.raises(ConfigError, match="cannot score"):
        engine.score(prompts(1), [["a"]])
    with pytest.raises(ConfigError, match="cannot choose"):
        engine.choose(prompts(1), [["a"]], GREEDY)
    with pytest.raises(ConfigError, match="top_k"):
        list(engine.generate(prompts(1), Decoding(temperature=1, top_k=5)))
    assert engine.count_tokens("né") == 3


@pytest.mark.parametrize(
    "values",
    [
        {"api": "completions"},
        {"max_cost": 1.0},
        {"extra_body": {"n": 3}},
        {"extra_body": {"stream": True}},
        {"base_url": "https://user:pw@host/v1"},
        {"base_url": "https://host/v1?key=1"},
        {"base_url": "host"},
        {"api_key": "sk"},
    ],
)
def test_settings_that_make_no_sense(values):
    with pytest.raises(ValidationError):
        OpenAIConfig(**({"model": "m"} | values))


# The same as in process


@pytest.fixture(scope="module")
def served():
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    with TestServer(ModelBackend(model, tokenizer)) as server:
        yield server, model, tokenizer


def greedy_here(model, tokenizer, prompt, count):
    import torch

    ids = torch.tensor([tokens.prompt_ids(tokenizer, prompt)])
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False
    )
    return tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)


def logprob_here(model, tokenizer, prompt, text):
    import torch

    before = tokens.prompt_ids(tokenizer, prompt)
    after = tokens.continuation_ids(tokenizer, text, True)
    with torch.inference_mode():
        table = model(torch.tensor([before + after])).logits[0].double().log_softmax(-1)
    return sum(float(table[len(before) + t - 1, i]) for t, i in enumerate(after)), len(after)


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("server", ["openai", "vllm"])
def test_greedy_texts_equal_the_model_in_process(served, tmp_path, folder, api, server):
    running, model, tokenizer = served
    asked = prompts(3, begun=() if api == "chat" else ("the ", "a"))
    engine = make(running, tmp_path, api=api, server=server, tokenizer=str(folder))
    answers = list(engine.generate(asked, Decoding(max_tokens=12)))
    assert texts(answers) == [[greedy_here(model, tokenizer, p, 12)] for p in asked]


@pytest.mark.parametrize("server", ["openai", "vllm"])
def test_log_probabilities_equal_the_model_in_process(served, tmp_path, folder, server):
    running, model, tokenizer = served
    asked = prompts(2, begun=("the ", "a"))
    options = [["b cabin", "né \U0001f600", ""], ["in the end"]]
    engine = make(running, tmp_path, server=server, tokenizer=str(folder))
    for prompt, texts_, scored in zip(asked, options, engine.score(asked, options), strict=True):
        expected = [logprob_here(model, tokenizer, prompt, text) for text in texts_]
        assert scored.logprob == pytest.approx([p for p, _ in expected], abs=1e-4)
        assert scored.tokens.tolist() == [n for _, n in expected]
        assert scored.usage["requests"] == len(texts_)


def test_samples_of_a_model_differ_and_repeat(served, tmp_path, folder):
    running, *_ = served
    decoding = Decoding(n=4, temperature=1.0, max_tokens=8, seed=2)
    first = texts(make(running, tmp_path / "a").generate(prompts(2), decoding))
    again = texts(make(running, tmp_path / "b").generate(prompts(2), decoding))
    assert first == again
    assert len({*first[0], *first[1]}) > 4


def test_scoring_edges(echo, tmp_path, folder):
    engine = make(echo, tmp_path, tokenizer=str(folder))
    none, empty = engine.score(prompts(2), [[], [""]], end=False)
    assert none.logprob.shape == (0,) and none.tokens.shape == (0,)
    assert (empty.logprob.tolist(), empty.tokens.tolist()) == ([0.0], [0])
    assert not echo.seen
    [ended] = engine.score(prompts(1), [["a"]])
    ids = tokens.continuation_ids(tiny_tokenizer(), "a", True)
    assert ended.logprob == pytest.approx([-sum(ids) / 100])
    assert engine.count_tokens("the cab") == len(tiny_tokenizer().encode("the cab"))
    with pytest.raises(ValueError, match=r"longer|shorter"):
        list(engine.score(prompts(2), [["a"]]))


# Resuming, sharing, spending


def test_a_second_run_asks_nothing_and_needs_neither_server_nor_key(tmp_path, folder, monkeypatch):
    asked = prompts(5)
    with TestServer(EchoBackend(tiny_tokenizer())) as server:
        engine = make(server, tmp_path, tokenizer=str(folder))
        first = list(engine.generate(asked, SAMPLED))
        scores = list(engine.score(asked, [["ab", "in"]] * 5))
        assert len(server.seen) == 15
    monkeypatch.delenv("OPENAI_API_KEY")
    engine = make(server, tmp_path, tokenizer=str(folder), base_url="https://api.openai.com/v1")
    second = list(engine.generate(asked[::-1], SAMPLED))[::-1]
    assert [a.completions for a in second] == [a.completions for a in first]
    assert all(a.usage["cached"] == 1 and a.usage["completion_tokens"] == 3 for a in second)
    again = list(engine.score(asked, [["ab", "in"]] * 5))
    assert all((a.logprob == b.logprob).all() for a, b in zip(scores, again, strict=True))
    assert all(a.usage["cached"] == 2 for a in again)
    assert engine.budget.spent == Cost()


def test_another_model_revision_or_temperature_is_another_question(echo, tmp_path):
    for changes in ({}, {"model_revision": "2"}, {"model_revision": "3"}, {}):
        list(make(echo, tmp_path, **changes).generate(prompts(1), GREEDY))
    assert len(echo.seen) == 3
    list(make(echo, tmp_path).generate(prompts(1), Decoding(temperature=0.5, max_tokens=6)))
    assert len(echo.seen) == 4


def test_a_closed_engine_can_be_asked_again(echo, tmp_path):
    engine = make(echo, tmp_path)
    for _ in range(2):
        assert texts(engine.generate(prompts(2), GREEDY)) == [["w0-0-None"], ["w1-0-None"]]
        engine.close()
    assert len(echo.seen) == 2


def test_two_runs_at_once_share_the_cache(echo, tmp_path):
    results = {}

    def run(name):
        results[name] = texts(make(echo, tmp_path).generate(prompts(20), SAMPLED))

    threads = [threading.Thread(target=run, args=(n,)) for n in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results["a"] == results["b"]
    assert len(results["a"]) == 20


def test_the_same_question_twice_is_asked_once(echo, tmp_path):
    echo.always = Slow(0.05)
    same = [Prompt(str(i), (Message("user", "x"),)) for i in range(8)]
    answers = list(make(echo, tmp_path, concurrency=8).generate(same, GREEDY))
    assert len(answers) == 8
    assert len(echo.seen) == 1
    assert sum(a.usage["cached"] for a in answers) == 7


def test_the_token_budget_stops_the_run(echo, tmp_path):
    # A prompt takes 7 characters, one word is generated; reserved are 7 + 16 and 6 tokens.
    asked = [Prompt(str(i), (Message("user", f"say w{i}"),)) for i in range(10, 60)]
    engine = make(echo, tmp_path, max_tokens_total=100)
    got = []
    with pytest.raises(EngineError, match="budget of 100 tokens is spent") as raised:
        for answer in engine.generate(asked, GREEDY):
            got.append(answer)
    assert len(echo.seen) == 9  # 8 * 8 + 29 <= 100 < 9 * 8 + 29
    assert engine.budget.spent == Cost(63, 9)
    assert "63 prompt and 9 completion" in str(raised.value)
    assert texts(got) == [[f"w{i}-0-None"] for i in range(10, 10 + len(got))]
    # What was answered is kept, so another run of the same budget comes further.
    with pytest.raises(EngineError, match="budget"):
        list(make(echo, tmp_path, max_tokens_total=100).generate(asked, GREEDY))
    assert len({s.body["messages"][0]["content"] for s in echo.seen}) == len(echo.seen) == 18


def test_the_money_budget_stops_the_run(echo, tmp_path):
    prices = {"price_prompt": 1e5, "price_completion": 1e6, "max_cost": 20.0}
    engine = make(echo, tmp_path, concurrency=1, **prices)
    with pytest.raises(EngineError, match="a cost of 20 is spent"):
        list(engine.generate(prompts(50), GREEDY))
    # A request costs 1.6, at most 2.2 + 6 are reserved: 7 * 1.6 + 8.2 <= 20 < 8 * 1.6 + 8.2
    assert len(echo.seen) == 8
    assert engine.budget.money(engine.budget.spent) == pytest.approx(12.8)


def test_unusable_answers_cost_as_well(echo, tmp_path):
    engine = make(echo, tmp_path, retries=2)
    echo.always = edit(lambda c: c["message"].update(content=None))
    list(engine.generate(prompts(1), GREEDY))
    assert engine.budget.spent == Cost(18, 3)


def test_losing_interest_ends_the_requests(echo, tmp_path):
    answers = make(echo, tmp_path, concurrency=2).generate(prompts(500), GREEDY)
    next(answers)
    del answers
    count = len(echo.seen)
    assert count < 30
    time.sleep(0.05)
    assert len(echo.seen) == count


def test_nothing_heavy_is_imported_before_the_first_request(echo, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from benchkit.lm.engines.openai import OpenAIEngine, OpenAIConfig; "
        "from pathlib import Path; OpenAIEngine(OpenAIConfig(model='m'), Path('x')); "
        "print([m for m in ('openai', 'transformers', 'torch', 'vllm') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert out.stdout.strip() == "[]"
    assert not list(tmp_path.iterdir())
