"""The engine in this process: scores, samples and constrained choices against plain passes."""

import itertools

import numpy as np
import pytest
import torch

from benchkit.lm.engines.hf import HFConfig, HFEngine
from benchkit.lm.tokenization import continuation_ids, prompt_ids
from benchkit.lm.tokens.trie import Trie, draw_option
from benchkit.lm.types import Decoding, Message, Prompt
from tests.support.other_architectures import KINDS, other_model
from tests.support.tiny_models import tiny_model, tiny_tokenizer

TITLES = ["Blue", "Blue Moon", "Heat (1995)", "Alien", "Toy Story", "Speed", "Aliens"]


def ask(key: str, text: str, begun: tuple[str, ...] = ()) -> Prompt:
    return Prompt(key, (Message("user", text),), begun)


PROMPTS = [
    ask("a", "Heat (1995)\nSpeed\n"),
    ask("b", "Toy Story\n" * 9, ("<think>", "it is blue", "</think><item>")),
    ask("c", ""),
]
OPTIONS = [TITLES, TITLES[:4], TITLES[1:3]]


@pytest.fixture(params=["qwen3", "llama", "gemma3", *KINDS])
def engine(request):
    tokenizer = tiny_tokenizer()
    if request.param in KINDS:
        return HFEngine(other_model(request.param, len(tokenizer)), tokenizer)
    return HFEngine(tiny_model(request.param, vocab_size=len(tokenizer)), tokenizer)


def plain(engine: HFEngine, prompt: Prompt, text: str, end: bool) -> float:
    start = prompt_ids(engine.tokenizer, prompt) or [engine.tokenizer.bos_token_id]
    answer = continuation_ids(engine.tokenizer, text, end)
    with torch.no_grad():
        logprobs = engine.model(torch.tensor([start + answer])).logits[0].log_softmax(-1)
    return sum(logprobs[len(start) - 1 + i, token].item() for i, token in enumerate(answer))


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("batch_tokens", [1, 8192])
def test_scores_equal_plain_passes(engine, end, batch_tokens):
    engine.config = HFConfig(batch_tokens=batch_tokens)
    for prompt, options, found in zip(
        PROMPTS, OPTIONS, engine.score(PROMPTS, OPTIONS, end), strict=True
    ):
        expected = [plain(engine, prompt, text, end) for text in options]
        np.testing.assert_allclose(found.logprobs, expected, atol=1e-4)
        sizes = [len(continuation_ids(engine.tokenizer, text, end)) for text in options]
        assert found.token_counts.tolist() == sizes


def beam_order(engine: HFEngine, prompt: Prompt, options: list[str], width: int) -> list[int]:
    """The options that a beam search with probabilities of all tokens ends in, the best first."""
    start = prompt_ids(engine.tokenizer, prompt) or [engine.tokenizer.bos_token_id]
    root = Trie.from_options([continuation_ids(engine.tokenizer, o, end=True) for o in options])
    beam = [(0.0, (), root)]
    while any(node.children for _, _, node in beam):
        longer = []
        for total, prefix, node in beam:
            if not node.children:
                longer.append((total, prefix, node))
                continue
            with torch.no_grad():
                logits = engine.model(torch.tensor([[*start, *prefix]])).logits[0, -1]
            logprobs = logits.log_softmax(-1)
            longer += [
                (total + logprobs[token].item(), (*prefix, token), child)
                for token, child in node.children.items()
            ]
        beam = sorted(longer, key=lambda hypothesis: -hypothesis[0])[:width]
    return [node.ends[0] for _, _, node in beam]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_scores_rank_as_a_beam_as_wide_as_there_are_candidates(prompt):
    """EAPO ranks by a beam search; with a narrow one, what falls out of it is not ranked."""
    tokenizer = tiny_tokenizer()
    engine = HFEngine(tiny_model("qwen3", vocab_size=len(tokenizer)), tokenizer)
    (scores,) = engine.score([prompt], [TITLES])
    ranking = np.argsort(-scores.logprobs).tolist()
    assert beam_order(engine, prompt, TITLES, len(TITLES)) == ranking
    assert beam_order(engine, prompt, TITLES, 10 * len(TITLES)) == ranking
    narrow = beam_order(engine, prompt, TITLES, 2)
    assert len(narrow) == 2
    assert narrow == [number for number in ranking if number in narrow]


def chance_of(engine: HFEngine, prompt: Prompt, options: list[str], temperature: float) -> list:
    """The probability of each option under constrained decoding, by plain forward passes."""
    start = prompt_ids(engine.tokenizer, prompt) or [engine.tokenizer.bos_token_id]
    tokens = [continuation_ids(engine.tokenizer, text, True) for text in options]
    result = []
    for option in tokens:
        chance = 1.0
        for step, token in enumerate(option):
            allowed = sorted({o[step] for o in tokens if o[:step] == option[:step]})
            with torch.no_grad():
                logits = engine.model(torch.tensor([start + option[:step]])).logits[0, -1]
            share = (logits[allowed].double() / temperature).softmax(-1)
            chance *= share[allowed.index(token)].item()
        result.append(chance)
    return result


def test_choices_have_the_distribution_of_constrained_decoding(engine):
    decoding = Decoding(n=2000, temperature=1.5)
    drawn = next(engine.constrained_choice(PROMPTS[:1], OPTIONS[:1], decoding))
    expected = np.array(chance_of(engine, PROMPTS[0], TITLES, 1.5))
    assert expected.sum() == pytest.approx(1)
    shares = np.bincount(drawn, minlength=len(TITLES)) / 2000
    assert np.abs(shares - expected).max() < 4 * np.sqrt(0.25 / 2000)


def test_choices_do_not_depend_on_the_batch(engine):
    decoding = Decoding(n=9, temperature=1.0, seed=4)
    whole = list(engine.constrained_choice(PROMPTS, OPTIONS, decoding))
    single = [
        next(engine.constrained_choice([p], [o], decoding))
        for p, o in zip(PROMPTS, OPTIONS, strict=True)
    ]
    assert whole == single
    greedy = Decoding(temperature=0.0)
    likeliest = engine.constrained_choice(PROMPTS, OPTIONS, greedy)
    for prompt, options, (first,) in zip(PROMPTS, OPTIONS, likeliest, strict=True):
        cold = chance_of(engine, prompt, options, 0.01)
        assert cold[first] == pytest.approx(1, abs=0.05)


def test_options_of_the_same_tokens_are_equally_likely():
    root = Trie.from_options([[4, 2], [4, 2], [5, 2]])
    logits = {(): {4: 0.0, 5: 0.0}}
    rng = np.random.default_rng(0)
    drawn = [draw_option(root, logits, 1.0, rng.random(3)) for _ in range(4000)]
    np.testing.assert_allclose(np.bincount(drawn) / 4000, [0.25, 0.25, 0.5], atol=0.03)


def test_generation_is_greedy_at_temperature_0(engine):
    answers = engine.generate(PROMPTS, Decoding(max_tokens=8))
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = prompt_ids(engine.tokenizer, prompt) or [engine.tokenizer.bos_token_id]
        start = len(ids)
        with torch.no_grad():
            for _ in range(8):
                ids.append(engine.model(torch.tensor([ids])).logits[0, -1].argmax().item())
                if ids[-1] == engine.tokenizer.eos_token_id:
                    ids.pop()
                    break
        (completion,) = answer.completions
        assert completion.text == engine.tokenizer.decode(ids[start:])
        assert completion.tokens == len(ids) - start
        assert answer.usage["prompt_tokens"] == start


def test_samples_are_reproducible_and_differ(engine):
    decoding = Decoding(n=4, temperature=1.0, max_tokens=12, seed=3)
    first = list(engine.generate(PROMPTS, decoding))
    assert first == [a for p in PROMPTS for a in engine.generate([p], decoding)]
    assert all(len({c.text for c in answer.completions}) > 1 for answer in first)
    assert first != list(engine.generate(PROMPTS, decoding.model_copy(update={"seed": 4})))


def test_a_stop_text_ends_an_answer(engine):
    free = next(engine.generate(PROMPTS[:1], Decoding(max_tokens=20))).completions[0]
    assert free.finish in ("length", "stop")
    for stop in (free.text[3:5], free.text[4]):
        decoding = Decoding(max_tokens=20, stop=(stop,))
        cut = next(engine.generate(PROMPTS[:1], decoding)).completions[0]
        assert (cut.text, cut.finish) == (free.text[: free.text.index(stop)], "stop")


def test_the_model_keeps_its_mode(engine):
    engine.model.train()
    list(
        itertools.chain(
            engine.score(PROMPTS, OPTIONS), engine.generate(PROMPTS, Decoding(max_tokens=9))
        )
    )
    assert engine.model.training
