"""The vllm engine on a stand-in for vLLM.

tests/scripts/vllm_parity.py and served_scoring.py run it on the real one.
"""

import warnings
from types import SimpleNamespace
from typing import ClassVar

import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.lm import tokenization
from benchkit.lm.engines.vllm import VLLMConfig, VLLMEngine
from benchkit.lm.types import Completion, Decoding, Message, Prompt
from tests.support.tiny_chat_model import tiny_tokenizer


class FakeLLM:
    """Says the number of its prompt's tokens, and scores a token by minus a hundredth of its id.

    Its prefix cache has blocks of four tokens. Of cached tokens, the rows of log-probabilities are
    arbitrary (as of vLLM's first model runner) or left out (`leaves_out`, its second).
    """

    made: ClassVar[list] = []
    leaves_out = False

    def __init__(self, **options):
        self.options, self.calls, self.blocks, self.computed = options, [], set(), 0
        FakeLLM.made.append(self)

    def _cached(self, ids, how):
        skips = getattr(how, "skip_reading_prefix_cache", None)
        if skips is None:
            skips = hasattr(how, "prompt_logprobs")
        ends = range(4, len(ids), 4)
        cached = 0 if skips else max((e for e in ends if tuple(ids[:e]) in self.blocks), default=0)
        self.blocks.update(tuple(ids[:e]) for e in [*ends, len(ids) // 4 * 4])
        self.computed += len(ids) - cached
        return cached

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
        rows = [None, *({i: score(i)} for i in ids[1:])]
        if tokens := getattr(how, "logprob_token_ids", None):
            outputs[0].logprobs = [{i: score(i) for i in tokens}]
        cached = self._cached(ids, how)
        hidden = [] if self.leaves_out else [{3: score(-1000)}] * cached
        rows[1 : cached + 1] = hidden
        return SimpleNamespace(outputs=outputs, prompt_logprobs=rows, num_cached_tokens=cached)


class FakeParams(SimpleNamespace):
    n = 1


class OldParams(FakeParams):
    """Of a vLLM that cannot be told to read its cache."""

    def __init__(self, skip_reading_prefix_cache=None, **values):
        if skip_reading_prefix_cache is not None:
            raise TypeError("Unexpected keyword argument 'skip_reading_prefix_cache'")
        super().__init__(**values)


def score(token):
    return SimpleNamespace(logprob=-token / 100)


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


def expected(texts, end=True):
    ids = [tokenization.continuation_ids(tiny_tokenizer(), text, end) for text in texts]
    return [-sum(i) / 100 for i in ids], [len(i) for i in ids]


@pytest.mark.parametrize("leaves_out", [False, True])
def test_scores_are_sums_over_the_continuation(engine, monkeypatch, leaves_out):
    monkeypatch.setattr(FakeLLM, "leaves_out", leaves_out)
    options = [["ab", "", "né", "a long one", "a long two"], [], ["the"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = list(engine.score(prompts(3), options))
    for texts, scored in zip(options, results, strict=True):
        sums, counts = expected(texts)
        assert scored.logprobs == pytest.approx(sums)
        assert scored.token_counts.tolist() == counts
    [open_ended] = engine.score(prompts(1), [["ab", ""]], end=False)
    assert open_ended.token_counts.tolist() == [1, 0]


def test_a_prompt_is_computed_once(engine):
    [prompt] = prompts(81)[-1:]
    texts = [f"title {i}" for i in range(20)]
    list(engine.score([prompt], [["x"]]))  # the two ways are compared
    [llm] = FakeLLM.made
    llm.computed, llm.blocks = 0, set()
    [scored] = engine.score([prompt], [texts])
    sums, counts = expected(texts)
    assert scored.logprobs == pytest.approx(sums)
    size = len(tokenization.prompt_ids(tiny_tokenizer(), prompt))
    assert scored.usage["computed_tokens"] == llm.computed
    assert llm.computed < size + sum(counts) + 4 * len(texts) < 0.3 * size * len(texts)
    # Now the cache has the continuations, too.
    [again] = engine.score([prompt], [texts[::-1]])
    assert again.logprobs == pytest.approx(sums[::-1])


def test_an_adapter_on_a_cpu_is_scored_with_one_request_at_a_time(monkeypatch):
    platforms = SimpleNamespace(current_platform=SimpleNamespace(is_cpu=lambda: True))
    module = SimpleNamespace(LLM=FakeLLM, SamplingParams=FakeParams, platforms=platforms)
    engine = VLLMEngine(VLLMConfig(model="m", lora="folder"))
    monkeypatch.setitem(vars(engine), "_vllm", module)
    monkeypatch.setitem(vars(engine), "_adapter", "the adapter")
    [scored] = engine.score(prompts(1), [["ab", "né"]])
    assert scored.logprobs == pytest.approx(expected(["ab", "né"])[0])
    calls = FakeLLM.made[-1].calls
    assert all(len(ids) == 1 and adapter == "the adapter" for ids, _, adapter in calls)


@pytest.mark.parametrize("fault", ["old", "off", "wrong", "silent"])
def test_a_vllm_that_cannot_share_a_prompt_is_asked_for_each_continuation(
    engine, monkeypatch, fault
):
    right = FakeLLM._one

    def spoil(self, ids, how):
        result = right(self, ids, how)
        if fault == "wrong" and result.num_cached_tokens:
            result.prompt_logprobs = [None, *({i: score(i + 90)} for i in ids[1:])]
        if fault == "silent" and hasattr(how, "logprob_token_ids"):
            result.outputs[0].logprobs = None
        return result

    monkeypatch.setattr(FakeLLM, "_one", spoil)
    if fault == "old":
        module = SimpleNamespace(LLM=FakeLLM, SamplingParams=OldParams)
        monkeypatch.setitem(vars(engine), "_vllm", module)
    if fault == "off":
        cache = SimpleNamespace(enable_prefix_caching=False)
        config = SimpleNamespace(vllm_config=SimpleNamespace(cache_config=cache))
        monkeypatch.setattr(FakeLLM, "llm_engine", config, raising=False)
    options = [["ab", "a longer one", "né"]] * 2
    with pytest.warns(UserWarning, match="computes each prompt anew") as caught:
        results = list(engine.score(prompts(2), options))
    assert len(caught) == 1
    assert [r.logprobs.tolist() for r in results] == [pytest.approx(expected(options[0])[0])] * 2
    assert next(iter(engine.score(prompts(1), [["ab"]]))).finish == "stop"


def test_on_a_cpu_blocks_are_small_unless_the_suite_says_otherwise(monkeypatch):
    platform = SimpleNamespace(is_cpu=lambda: True)
    platforms = SimpleNamespace(current_platform=platform)
    module = SimpleNamespace(LLM=FakeLLM, SamplingParams=FakeParams, platforms=platforms)
    for options, expected_size in (({}, 32), ({"block_size": 64}, 64)):
        made = VLLMEngine(VLLMConfig(model="m", options=options))
        monkeypatch.setitem(vars(made), "_vllm", module)
        made.count_tokens("a")
        assert FakeLLM.made[-1].options["block_size"] == expected_size


@pytest.mark.parametrize(
    "row", [None, {}, {0: SimpleNamespace(logprob=float("nan"))}, {0: SimpleNamespace(logprob=1.0)}]
)
def test_no_number_is_made_of_a_wrong_score(engine, monkeypatch, row):
    right = FakeLLM._one

    def wrong(self, ids, how):
        result = right(self, ids, how)
        result.prompt_logprobs[-1] = row and {ids[-1]: row[0]}
        result.outputs[0].logprobs = None
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
