"""How long a language model takes: 30 candidates under one prompt, and 5 samples of it.

Scoring: one forward pass a candidate, against one pass for all. Sampling: transformers' `generate`
with `num_return_sequences`, against computing the prompt once. Each pair on the same small model,
in the same process, turn by turn; the ratio of the medians is printed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.lm import shared_prefix as sp
from benchkit.lm.sampling.completions import sample_completions
from benchkit.lm.sampling.token_draws import UniformStreams
from tests.lm.sampling.test_completions import Inverted
from tests.support.timing import in_turns
from tests.support.tiny_models import tiny_model

ROUNDS = 9
SHAPE = {
    "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
    "num_attention_heads": 4, "vocab_size": 4096,
}  # fmt: skip


def scoring(model: Any, length: int, candidates: int, tokens: int) -> dict[str, Any]:
    """Seconds of both ways, and the largest difference between their scores."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda n: torch.randint(3, 4096, (n,), generator=generator).tolist()  # noqa: E731
    prompt, answers = draw(length), [draw(tokens) for _ in range(candidates)]
    device = next(model.parameters()).device

    def separate() -> list[float]:
        found = []
        for answer in answers:
            row = torch.tensor([prompt + answer], device=device)
            logits = model(row, logits_to_keep=tokens + 1).logits[0, :-1]
            at = torch.tensor(answer, device=device)[:, None]
            found.append(logits.float().log_softmax(-1).gather(1, at).sum().item())
        return found

    def shared() -> list[float]:
        with sp.use_shared_prefix(model):
            batch = sp.pack_batch([prompt], [answers], device=device)
            return sp.sum_per_response(batch, sp.response_token_logprobs(model, batch))[0].tolist()

    with torch.inference_mode():
        seconds, results = in_turns({"separate": separate, "shared": shared}, ROUNDS)
    pairs = zip(results["separate"], results["shared"], strict=True)
    return {**compared(seconds), "largest_difference": max(abs(a - b) for a, b in pairs)}


def sampling(model: Any, length: int, n: int, tokens: int) -> dict[str, Any]:
    """Seconds of both ways, and whether they gave the same tokens."""
    generator = torch.Generator().manual_seed(0)
    prompt = torch.randint(3, 4096, (length,), generator=generator).tolist()
    device = next(model.parameters()).device

    def expanded() -> list[list[int]]:
        out = model.generate(
            torch.tensor([prompt], device=device),
            attention_mask=torch.ones(1, length, dtype=torch.long, device=device),
            do_sample=True,
            num_return_sequences=n,
            max_new_tokens=tokens,
            top_k=0,
            logits_processor=[Inverted(UniformStreams.for_prompts(["x"], n, seed=0), length, 0.7)],
        )
        return [row[length:].tolist() for row in out]

    def once() -> list[list[int]]:
        draws = UniformStreams.for_prompts(["x"], n, seed=0)
        return [
            d.tokens
            for d in sample_completions(model, [prompt], draws, temperature=0.7, max_tokens=tokens)[
                0
            ]
        ]

    with torch.inference_mode():
        seconds, results = in_turns({"num_return_sequences": expanded, "prompt_once": once}, ROUNDS)
    return {
        **compared(seconds),
        "same_tokens": results["num_return_sequences"] == results["prompt_once"],
    }


def compared(seconds: dict[str, float]) -> dict[str, float]:
    """The seconds of two ways, and their ratio."""
    first, second = seconds.values()
    return {**seconds, "ratio": first / second}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--candidates", type=int, default=30)
    parser.add_argument("--kinds", nargs="+", default=["qwen3", "gemma3"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    figures = []
    for kind in args.kinds:
        model = tiny_model(kind, **SHAPE).to(args.device)
        model.generation_config.eos_token_id = None  # all answers have the same length
        for length in args.prompt:
            for name, figure in (
                ("scoring", scoring(model, length, args.candidates, tokens=8)),
                ("sampling", sampling(model, length, n=5, tokens=32)),
            ):
                figures.append({"what": name, "model": kind, "prompt": length, **figure})
                print(json.dumps(figures[-1]), flush=True)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
