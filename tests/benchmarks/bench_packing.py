"""What a batch of different prompts costs, and how much memory a large vocabulary needs.

Packing: preference training (forward and backward, three responses each) on prompts of 200 to
2,000 tokens. `padded` computes micro-batches of four in the order of the set, each padded to its
longest prompt and its longest responses; `packed` fills micro-batches up to a number of tokens and
computes rows without padding. Same model, same process, turn by turn.

Memory: peak of a training step on three responses of 200 tokens, above what the process holds
before it (the weights, and gradients where all are trained), in a process of its own for each.
`stored` keeps up to 64 million logits and computes larger ones in parts of that size, through the
model's head; `chunked` is what training does.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.lm import shared_prefix as sp
from benchkit.lm.packing import Kernel, token_logprobs
from benchkit.lm.packing.bins import fill_bins
from benchkit.lm.packing.kernels import arrange_batch, force_kernel
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.lora import add_adapter
from tests.support.peak_memory import peak_mb, reset_peak_mb
from tests.support.timing import in_turns
from tests.support.tiny_models import tiny_model

SHAPE = {
    "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
    "num_attention_heads": 4, "vocab_size": 4096,
}  # fmt: skip
SMALL = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4,
}  # fmt: skip
MICRO_BATCH = 4
KERNELS: dict[str, Kernel] = {"padded": "padded", "packed": "auto"}
Batches = list[tuple[list[int], sp.PackedBatch]]


def mixed_set(
    examples: int, shortest: int, longest: int
) -> tuple[list[list[int]], list[list[list[int]]]]:
    """Prompts of any length between two, and three responses of 16 to 128 tokens for each."""
    generator = torch.Generator().manual_seed(0)

    def length(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    def ids(size: int) -> list[int]:
        return torch.randint(3, 4096, (size,), generator=generator).tolist()

    prompts = [ids(length(shortest, longest)) for _ in range(examples)]
    return prompts, [[ids(length(16, 128)) for _ in range(3)] for _ in prompts]


def packing(kind: str, args: argparse.Namespace) -> dict[str, Any]:
    """Computed tokens, seconds and losses of both ways."""
    prompts, responses = mixed_set(args.examples, *args.prompts)
    model = tiny_model(kind, **SHAPE).to(args.device).train()

    def pack(members: list[int]) -> tuple[list[int], sp.PackedBatch]:
        chosen = [prompts[m] for m in members], [responses[m] for m in members]
        return members, sp.pack_batch(*chosen, device=args.device)

    numbers = list(range(len(prompts)))
    sizes = [len(p) + sum(map(len, r)) for p, r in zip(prompts, responses, strict=True)]
    batches: dict[str, Batches] = {
        "padded": [pack(numbers[s : s + MICRO_BATCH]) for s in numbers[::MICRO_BATCH]],
        "packed": [pack(members) for members in fill_bins(sizes, args.tokens)],
    }

    def step(way: str) -> Callable[[], list[float]]:
        def run() -> list[float]:
            model.zero_grad(set_to_none=True)
            sums: dict[tuple[int, int], float] = {}
            for members, batch in batches[way]:
                with force_kernel(KERNELS[way]), sp.use_shared_prefix(model):
                    logprobs = sp.response_token_logprobs(model, batch)
                    each = sp.sum_per_response(batch, logprobs)
                    (each / len(prompts)).sum().backward()
                for member, row in zip(members, each.tolist(), strict=True):
                    sums |= {(member, number): value for number, value in enumerate(row)}
            return [sums[key] for key in sorted(sums)]

        return run

    useful = sum(batch.useful_tokens for _, batch in batches["packed"])
    computed = {}
    for way, kernel in KERNELS.items():
        with force_kernel(kernel):
            arranged = [arrange_batch(batch) for _, batch in batches[way]]
        computed[way] = sum(each.input_ids.numel() for each in arranged)
    seconds, results = in_turns({way: step(way) for way in batches}, args.rounds)
    count = sum(len(response) for each in responses for response in each)
    pairs = list(zip(results["padded"], results["packed"], strict=True))
    return {
        "what": "packing", "model": kind, "prompts": args.prompts, "examples": len(prompts),
        "useful_tokens": useful,
        "computed_per_useful": {w: round(n / useful, 4) for w, n in computed.items()},
        "seconds": {way: round(value, 3) for way, value in seconds.items()},
        "padded / packed": round(seconds["padded"] / seconds["packed"], 2),
        "difference_of_mean_loss": abs(sum(a - b for a, b in pairs)) / count,
        "largest_difference_per_response": max(abs(a - b) for a, b in pairs),
    }  # fmt: skip


@contextmanager
def stored_logits(enabled: bool) -> Iterator[None]:
    """Compute log-probabilities through the head, with 64 million logits at once."""
    if not enabled:
        yield
        return
    with (
        mock.patch.object(token_logprobs, "MOST_LOGITS", 64 << 20),
        mock.patch.object(token_logprobs, "_CHUNK", {"cpu": 64 << 20}),
        mock.patch.object(token_logprobs, "is_plain_head", lambda _: False),
    ):
        yield


def memory(vocabulary: int, trained: str, way: str) -> dict[str, Any]:
    """Peak memory and seconds of a training step in this process."""
    model = tiny_model("qwen3", vocab_size=vocabulary, **SMALL)
    if trained == "adapters":
        model = add_adapter(model, LoRAConfig())
    generator = torch.Generator().manual_seed(0)

    def ids(size: int) -> list[int]:
        return torch.randint(3, vocabulary, (size,), generator=generator).tolist()

    def step(responses: int, size: int) -> float:
        batch = sp.pack_batch([ids(256)], [[ids(size) for _ in range(responses)]])
        model.zero_grad(set_to_none=False)
        with stored_logits(way == "stored"), sp.use_shared_prefix(model):
            loss = -sp.response_token_logprobs(model, batch).sum()
            loss.backward()
        return loss.item()

    model.train()
    step(1, 2)  # gradients are there, and what is loaded once
    before = reset_peak_mb()
    seconds, losses = in_turns({way: lambda: step(3, 200)}, 1)
    return {
        "what": "memory", "vocabulary": vocabulary, "response_tokens": 600, "trained": trained,
        "logits": way, "peak_above_model_mb": round(peak_mb() - before),
        "seconds": round(seconds[way], 2), "loss_per_token": losses[way] / 600,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--prompts", type=int, nargs=2, default=[200, 2000])
    parser.add_argument("--tokens", type=int, default=8192, help="tokens of a micro-batch")
    parser.add_argument("--kinds", nargs="*", default=["qwen3", "gemma3"])
    parser.add_argument(
        "--vocabularies", type=int, nargs="*", default=[16_384, 65_536, 131_072, 262_144]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.memory:
        vocabulary, trained, way = args.memory
        print(json.dumps(memory(int(vocabulary), trained, way)))
        return
    figures = []
    for kind in args.kinds:
        figures.append(packing(kind, args))
        print(json.dumps(figures[-1]), flush=True)
    for trained in ("adapters", "all weights"):
        for vocabulary in args.vocabularies:
            for way in ("stored", "chunked"):
                command = [sys.executable, __file__, "--threads", str(args.threads)]
                command += ["--memory", str(vocabulary), trained, way]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                figures.append(json.loads(done.stdout.splitlines()[-1]))
                print(json.dumps(figures[-1]), flush=True)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
