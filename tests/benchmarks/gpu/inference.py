"""Scoring and sampling: the ways of each task, and what shows that they agree."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from benchkit.lm import shared_prefix as sp
from benchkit.lm.packing import Kernel
from benchkit.lm.packing.kernels import force_kernel
from benchkit.lm.prompts import load_template
from benchkit.lm.sampling.completions import sample_completions
from benchkit.lm.sampling.token_draws import UniformStreams
from benchkit.testing.fixtures import run_context
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.rl.rollouts import GRPOSettings, RolloutSampler, RolloutTask
from benchkit.types import Event, Request
from tests.benchmarks.gpu.bench import Bench, measure, repeated_logprobs
from tests.benchmarks.gpu.models import local_tokenizer, model_config
from tests.support.rollouts import catalog

Figures = dict[str, Any]


def scoring(bench: Bench, way: str) -> Figures:
    """All candidates under one prompt."""
    prompt, answers, at_once = bench.prompt, bench.candidates, bench.sizes.rows_at_once
    model = bench.model

    def repeated() -> torch.Tensor:
        parts = [answers[s : s + at_once] for s in range(0, len(answers), at_once)]
        return torch.cat([repeated_logprobs(model, prompt, part) for part in parts])

    def shared() -> torch.Tensor:
        with force_kernel(cast("Kernel", way)), sp.use_shared_prefix(model):
            batch = sp.pack_batch([prompt], [answers], device=bench.device)
            return sp.response_token_logprobs(model, batch)

    with torch.inference_mode():
        figures, logprobs = measure(bench, repeated if way == "repeated" else shared)
    figures["candidates_per_second"] = round(len(answers) / figures["seconds"], 2)
    return {**figures, "error": bench.error("candidates", logprobs)}


def sampling(bench: Bench, way: str) -> Figures:
    """Several answers to one prompt."""
    size, prompt = bench.sizes, [bench.prompt]
    sampled, greedy = (
        _answers(bench, way, prompt, size.samples, size.sample, temperature)
        for temperature in (0.7, 0.0)
    )
    with torch.inference_mode():
        figures, answers = measure(bench, sampled)
        gap = _greedy_gap(bench.model, prompt[0], greedy()[:1])
    return {**_per_second(figures, answers), "gap": gap}


def rollouts(bench: Bench, way: str) -> Figures:
    """Groups of answers to the prompts of a GRPO step."""
    size = bench.sizes
    prompts = bench.ids(size.rollout_prompts, size.rollout_prompt, 3)
    if way == "vllm":
        return _vllm_rollouts(bench, prompts)
    if way == "own":
        with tempfile.TemporaryDirectory() as folder:
            figures, answers = measure(bench, _own_rollouts(bench, prompts, Path(folder)))
    else:
        step = _answers(bench, way, prompts, size.group, size.rollout, 0.9)
        with torch.inference_mode():
            figures, answers = measure(bench, step)
    return _per_second(figures, answers)


def _answers(
    bench: Bench, way: str, prompts: list[list[int]], n: int, tokens: int, temperature: float
) -> Callable[[], list[list[int]]]:
    model = bench.model

    def own() -> list[list[int]]:
        streams = UniformStreams.for_prompts([str(number) for number in range(len(prompts))], n, 0)
        samples = sample_completions(
            model, prompts, streams, temperature=temperature, max_tokens=tokens
        )
        return [sample.tokens for group in samples for sample in group]

    def generate() -> list[list[int]]:
        rows = torch.tensor(prompts, device=bench.device)
        options: dict[str, Any] = {"do_sample": False}
        if temperature:
            options = {"do_sample": True, "temperature": temperature, "top_k": 0}
            options["num_return_sequences"] = n
        out = model.generate(
            rows,
            attention_mask=torch.ones_like(rows),
            max_new_tokens=tokens,
            **options,
        )
        return out[:, rows.shape[1] :].tolist()

    return own if way == "own" else generate


def _greedy_gap(model: Any, prompt: list[int], answers: list[list[int]]) -> float:
    """How far the logit of a token is below the largest, on average, where all is read at once."""
    (answer,) = answers
    row = torch.tensor([prompt + answer], device=model.device)
    logits = model(row, logits_to_keep=len(answer) + 1, use_cache=False).logits[0, :-1].float()
    taken = logits.gather(-1, row[0, -len(answer) :, None])[:, 0]
    return float((logits.amax(-1) - taken).mean())


def _own_rollouts(
    bench: Bench, prompts: list[list[int]], folder: Path
) -> Callable[[], list[tuple[int, ...]]]:
    tokenizer = local_tokenizer(bench.model.config.vocab_size)
    items = catalog()
    settings = GRPOSettings(group=bench.sizes.group, max_tokens=bench.sizes.rollout)
    builder = ExampleBuilder(load_template("compact"), tokenizer, items)
    # Free answers need no predictor: they are sampled, then parsed.
    run = run_context(items, folder)
    sampler = RolloutSampler(builder, lambda _: None, settings, run, rationale=False)
    requests = [
        Request(f"u{n}", f"u{n}", (Event("a"),), tuple("abcd")) for n in range(len(prompts))
    ]
    tasks = [RolloutTask(r, "b", tuple(p)) for r, p in zip(requests, prompts, strict=True)]
    keys = [request.case_id for request in requests]

    def draw() -> list[tuple[int, ...]]:
        groups = sampler.draw(bench.model, tasks, keys)
        return [rollout.tokens for group in groups for rollout in group]

    return draw


def _vllm_rollouts(bench: Bench, prompts: list[list[int]]) -> Figures:
    """vLLM with weights of its own: it reports neither our numbers nor memory in PyTorch's way."""
    from vllm import LLM, SamplingParams

    bench.drop_model()
    size, config = bench.sizes, model_config(bench.kind, bench.toy)
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        local_tokenizer(config.vocab_size).save_pretrained(folder)
        engine = LLM(
            folder, load_format="dummy", dtype="bfloat16", gpu_memory_utilization=0.5,
            max_model_len=size.rollout_prompt + size.rollout,
        )  # fmt: skip
        parameters = SamplingParams(
            n=size.group, temperature=0.9, max_tokens=size.rollout, ignore_eos=True
        )

        def draw() -> list[list[int]]:
            engine.reset_prefix_cache()  # as after each step, which changes the weights
            texts = [{"prompt_token_ids": prompt} for prompt in prompts]
            results = engine.generate(texts, parameters, use_tqdm=False)
            return [list(one.token_ids) for result in results for one in result.outputs]

        figures, answers = measure(bench, draw)
    del figures["peak_memory_mb"]  # it takes half of the memory in advance
    return _per_second(figures, answers)


def _per_second(figures: Figures, answers: Sequence[Sequence[int]]) -> Figures:
    tokens = sum(map(len, answers))
    return {
        **figures, "tokens": tokens, "tokens_per_second": round(tokens / figures["seconds"], 1),
    }  # fmt: skip
