"""The vllm engine on a stand-in for vLLM; tests/scripts/vllm_parity.py runs it on the real one."""

from types import SimpleNamespace
from typing import ClassVar

import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.lm import tokenization
from benchkit.lm.engines.vllm import VLLMConfig, VLLMEngine
from benchkit.lm.types import Completion, Decoding, Message, Prompt
from tests.support.tiny_chat_model import tiny_tokenizer


class FakeLLM:
    """Says the number of its prompt's tokens, and scores a token by minus a hundredth of its id."""

    made: ClassVar[list] = []

    def __init__(self, **options):
        self.options, self.calls = options, []
        FakeLLM.made.append(self)

    def get_tokenizer(self):
        return tiny_tokenizer()

    def generate(self, prompts, params, use_tqdm, lora_request):
        assert use_tqdm is False and len(prompts) == len(params)
        self.calls.append((prompts, params, lora_request))
        return [self._one(p["prompt_token_ids"], s) for p, s in zip(prompts, params, strict=True)]

    def _one(self, ids, how):
        if len(ids) > 400:
            raise ValueError("the prompt is longer than the maximum model length")
        outputs = [
            SimpleNamespace(text=f"{len(ids)}-{i}", finish_reason=r, token_ids=[1, 2])
            for i, r in zip(range(how.n), ["stop", "length", "abort"], strict=False)
        ]
        rows = [None, *({i: SimpleNamespace(logprob=-i / 100)} for i in ids[1:])]
        return SimpleNamespace(outputs=outputs, prompt_logprobs=rows)


class FakeParams(SimpleNamespace):
    n = 1


@pytest.fixture
def engine(monkeypatch):
    FakeLLM.made.clear()
    made = VLLMEngine(VLLMConfig(model="m", batch=2, max_model_len=512, options={"seed": 1}))
    module = SimpleNamespace(LLM=FakeLLM, SamplingParams=FakeParams)
    monkeypatch.setitem(vars(made), "_vllm", module)
    return made


def prompts(count):
    return [Prompt(f"p{i}", (Message("user", "a" * i),), ("the",)) for i in range(count)]


def test_it_is_loaded_when_it_is_asked(engine):
    assert not FakeLLM.made
    assert engine.count_tokens("ab") == 1
    [llm] = FakeLLM.made
    expected = {"model": "m", "max_model_len": 512, "seed": 1, "dtype": "auto"}
    assert expected.items() <= llm.options.items()


def test_samples_come_in_order_with_a_seed_for_each_prompt(engine):
    asked = prompts(5)
    decoding = Decoding(n=3, temperature=0.5, top_p=0.9, max_tokens=7, stop=("x",), seed=4)
    answers = list(engine.generate(asked, decoding))
    sizes = [len(tokenization.prompt_ids(tiny_tokenizer(), p)) for p in asked]
    assert [a.completions for a in answers] == [
        (
            Completion(f"{n}-0", "stop", 2),
            Completion(f"{n}-1", "length", 2),
            Completion(f"{n}-2", "error", 2, "vLLM ended it by 'abort'"),
        )
        for n in sizes
    ]
    assert answers[0].usage == {"prompt_tokens": sizes[0], "completion_tokens": 6}
    calls = FakeLLM.made[0].calls
    assert [len(c[0]) for c in calls] == [2, 2, 1]
    params = [p for c in calls for p in c[1]]
    assert len({p.seed for p in params}) == 5
    end = list(tokenization.end_of_turn(tiny_tokenizer()))
    assert vars(params[0]) == {
        "n": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": -1,
        "max_tokens": 7,
        "stop": ["x"],
        "stop_token_ids": end,
        "seed": params[0].seed,
    }


def test_greedy_is_asked_once(engine):
    [answer] = engine.generate(prompts(1), Decoding(n=3))
    assert len(answer.completions) == 3 and len(set(answer.completions)) == 1
    [(_, [params], _)] = FakeLLM.made[0].calls
    assert (params.n, params.temperature, params.seed) == (1, 0.0, None)


def test_scores_are_sums_over_the_continuation(engine):
    options = [["ab", "", "né"], [], ["the"]]
    results = list(engine.score(prompts(3), options))
    tokenizer = tiny_tokenizer()
    for texts, scored in zip(options, results, strict=True):
        ids = [tokenization.continuation_ids(tokenizer, t, True) for t in texts]
        assert scored.logprobs == pytest.approx([-sum(i) / 100 for i in ids])
        assert scored.token_counts.tolist() == [len(i) for i in ids]
    [open_ended] = engine.score(prompts(1), [["ab", ""]], end=False)
    assert open_ended.token_counts.tolist() == [1, 0]


@pytest.mark.parametrize(
    "row", [None, {}, {0: SimpleNamespace(logprob=float("nan"))}, {0: SimpleNamespace(logprob=1.0)}]
)
def test_no_number_is_made_of_a_wrong_score(engine, monkeypatch, row):
    right = FakeLLM._one

    def wrong(self, ids, how):
        result = right(self, ids, how)
        result.prompt_logprobs[-1] = row and {ids[-1]: row[0]}
        return result

    monkeypatch.setattr(FakeLLM, "_one", wrong)
    [scored] = engine.score(prompts(1), [["ab"]])
    assert (scored.logprobs, scored.token_counts, scored.finish) == (None, None, "error")
    assert "no usable log-probabilities" in scored.fault


def test_what_cannot_be_done_is_said(engine):
    with pytest.raises(ConfigError, match="cannot choose"):
        engine.constrained_choice(prompts(1), [["a"]], Decoding())
    long = Prompt("long", (Message("user", "x " * 500),))
    with pytest.raises(EngineError, match="longer than the maximum"):
        list(engine.generate([long], Decoding()))


def test_without_vllm_the_mend_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(EngineError, match=r"benchkit\[vllm\]"):
        list(VLLMEngine(VLLMConfig(model="m")).generate(prompts(1), Decoding()))
