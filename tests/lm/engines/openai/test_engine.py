"""The openai engine against a server that answers rightly."""

import pytest
from pydantic import ValidationError

from benchkit.errors import ConfigError
from benchkit.lm import tokenization
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.types import Completion, Decoding, Message, Prompt
from tests.support.openai_engine import GREEDY, KEY, SAMPLED, make, prompts, texts
from tests.support.openai_server import Edit, Slow, TestServer
from tests.support.server_backends import EchoBackend, ModelBackend
from tests.support.tiny_chat_model import tiny_model, tiny_tokenizer

pytestmark = pytest.mark.usefixtures("environment")


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


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_what_a_model_does_not_take_is_renamed_or_left_out(echo, tmp_path, folder, api):
    engine = make(
        echo, tmp_path, api=api, tokenizer=str(folder), rename_fields={"max_tokens": "max_len"},
        omit_fields=["temperature", "top_p", "seed"],
    )  # fmt: skip
    list(engine.generate(prompts(1), SAMPLED))
    left = set(echo.seen[0].body) - {"model", "messages", "prompt", "n"}
    assert left == {"max_len"} and echo.seen[0].body["max_len"] == 6
    assert engine.config.caveats == (
        "the server's own temperature and top_p",
        "asked without a seed: what is drawn cannot be drawn again",
    )


def reasoning(message, tokens):
    """A reply of a model that has thought."""

    def apply(reply):
        reply["choices"][0]["message"].update(message)
        reply["usage"]["completion_tokens_details"] = {"reasoning_tokens": tokens}
        return reply

    return Edit(apply)


def test_a_reasoning_model(echo, tmp_path):
    """Its thinking is kept apart and counted; its parameters go out under their names."""
    echo.always = reasoning({"reasoning_content": "So many things to weigh."}, 40)
    settings = {
        "reasoning_effort": "low", "max_tokens_field": "max_completion_tokens",
        "omit_fields": ["temperature", "top_p", "seed"],
    }  # fmt: skip
    engine = make(echo, tmp_path, **settings)
    [answer] = engine.generate(prompts(1), GREEDY)
    assert texts([answer]) == [["w0-0-None"]] and answer.usage["reasoning_tokens"] == 40
    body = echo.seen[0].body
    assert (body["reasoning_effort"], body["max_completion_tokens"]) == ("low", 6)
    assert not {"max_tokens", "temperature", "top_p", "seed"} & set(body)
    assert "reasoning effort low" in engine.config.caveats
    with_more = make(echo, tmp_path, **{**settings, "reasoning_effort": "high"})
    list(with_more.generate(prompts(1), GREEDY))
    assert len(echo.seen) == 2  # another answer
    assert "reasoning_effort" not in OpenAIConfig(model="m").model_dump()


@pytest.mark.parametrize("details", [None, {}, {"reasoning_tokens": None}, {"reasoning_tokens": 0}])
def test_a_server_that_counts_no_thinking(echo, tmp_path, details):
    echo.always = Edit(lambda r: r | {"usage": r["usage"] | {"completion_tokens_details": details}})
    [answer] = make(echo, tmp_path).generate(prompts(1), GREEDY)
    assert "reasoning_tokens" not in answer.usage and answer.usage["completion_tokens"] == 1


def test_a_seed_can_have_another_name(echo, tmp_path):
    list(make(echo, tmp_path, rename_fields={"seed": "random_seed"}).generate(prompts(1), SAMPLED))
    assert "seed" not in echo.seen[0].body and echo.seen[0].body["random_seed"] >= 0


@pytest.mark.parametrize(
    "changes", [{"omit_fields": ["temperature"]}, {"extra_body": {"temperature": 1}}]
)
def test_a_temperature_that_is_not_0_draws_n_answers_each_its_own(echo, tmp_path, changes):
    echo.choices = 1
    greedy = Decoding(n=3, max_tokens=6)
    [answer] = make(echo, tmp_path, **changes).generate(prompts(1), greedy)
    assert len({c.text for c in answer.completions}) == 3  # not one answer three times
    assert len({s.body["seed"] for s in echo.seen}) == 3


def test_vllm_is_told_all_that_its_defaults_could_change(echo, tmp_path, folder):
    engine = make(echo, tmp_path, server="vllm", api="completions", tokenizer=str(folder))
    list(engine.generate(prompts(1), Decoding(temperature=1, top_k=5)))
    body = echo.seen[0].body
    expected = {"top_k": 5, "min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True}
    assert expected.items() <= body.items()
    assert body["stop_token_ids"] == list(tokenization.end_of_turn(tiny_tokenizer()))


def test_a_begun_answer(echo, tmp_path, folder):
    [prompt] = prompts(1, begun=("a", "b"))
    with pytest.raises(ConfigError, match="prefilled"):
        list(make(echo, tmp_path).generate([prompt], GREEDY))
    list(make(echo, tmp_path, server="vllm").generate([prompt], GREEDY))
    body = echo.seen[-1].body
    assert body["messages"][-1] == {"role": "assistant", "content": "ab"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    engine = make(echo, tmp_path, api="completions", tokenizer=str(folder))
    list(engine.generate([prompt], GREEDY))
    assert echo.seen[-1].body["prompt"] == tokenization.prompt_ids(tiny_tokenizer(), prompt)


def test_what_cannot_be_done_is_said(echo, tmp_path):
    engine = make(echo, tmp_path)
    assert (engine.can_score, engine.can_constrain) == (False, False)
    with pytest.raises(ConfigError, match="cannot score"):
        engine.score(prompts(1), [["a"]])
    with pytest.raises(ConfigError, match="cannot choose"):
        engine.constrained_choice(prompts(1), [["a"]], GREEDY)
    with pytest.raises(ConfigError, match="top_k"):
        list(engine.generate(prompts(1), Decoding(temperature=1, top_k=5)))
    assert engine.count_tokens("né") == 3


@pytest.mark.parametrize(
    "values",
    [
        {"api": "completions"},
        {"max_cost": 1.0},
        {"extra_body": {"n": 3}},
        {"extra_body": {"reasoning_effort": "low"}, "reasoning_effort": "low"},
        {"batch_lines": 50_001},
        {"extra_body": {"stream": True}},
        {"base_url": "https://user:pw@host/v1"},
        {"base_url": "https://host/v1?key=1"},
        {"base_url": "host"},
        {"api_key": "sk"},
        {"omit_fields": ["messages"]},
        {"omit_fields": ["seed"], "rename_fields": {"seed": "x"}},
        {"rename_fields": {"seed": "x", "top_p": "x"}},
        {"rename_fields": {"seed": "prompt"}},
        {"finish_reasons": {"null": "perhaps"}},
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

    ids = torch.tensor([tokenization.prompt_ids(tokenizer, prompt)])
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, do_sample=False
    )
    return tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)


def logprob_here(model, tokenizer, prompt, text):
    import torch

    before = tokenization.prompt_ids(tokenizer, prompt)
    after = tokenization.continuation_ids(tokenizer, text, True)
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


@pytest.mark.filterwarnings("ignore:.*computes the last tokens of a prompt anew")
@pytest.mark.parametrize(
    ("server", "generates"),
    [("openai", ""), ("vllm", ""), ("vllm", "rows"), ("vllm", "passages")],
)
def test_log_probabilities_equal_the_model_in_process(
    served, tmp_path, folder, monkeypatch, server, generates
):
    running, model, tokenizer = served
    monkeypatch.setattr(running, "generates", generates)
    asked = prompts(2, begun=("the ", "a"))
    options = [["b cabin", "né \U0001f600", ""], ["in the end"]]
    engine = make(running, tmp_path, server=server, tokenizer=str(folder))
    for prompt, texts_, scored in zip(asked, options, engine.score(asked, options), strict=True):
        expected = [logprob_here(model, tokenizer, prompt, text) for text in texts_]
        assert scored.logprobs == pytest.approx([p for p, _ in expected], abs=1e-4)
        assert scored.token_counts.tolist() == [n for _, n in expected]
        if server == "openai":
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
    assert none.logprobs.shape == (0,) and none.token_counts.shape == (0,)
    assert (empty.logprobs.tolist(), empty.token_counts.tolist()) == ([0.0], [0])
    assert not echo.seen
    [ended] = engine.score(prompts(1), [["a"]])
    ids = tokenization.continuation_ids(tiny_tokenizer(), "a", True)
    assert ended.logprobs == pytest.approx([-sum(ids) / 100])
    assert engine.count_tokens("the cab") == len(tiny_tokenizer().encode("the cab"))
    with pytest.raises(ValueError, match=r"longer|shorter"):
        list(engine.score(prompts(2), [["a"]]))
