"""What the measurements of one model share: the model, the texts, and what float32 gives."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from tests.benchmarks.gpu.models import build_model
from tests.benchmarks.gpu.plan import Sizes
from tests.support.peak_memory import peak_mb, reset_peak_mb

_REFERENCE_SEED = 1


@dataclass
class Bench:
    """One model on one device, built when it is first used."""

    kind: str
    toy: bool
    device: str
    sizes: Sizes

    @cached_property
    def model(self) -> Any:
        return build_model(self.kind, self.toy, self.device)

    def build_reference(self) -> Any:
        """Another model of the same shape, so that the policy has moved away from it."""
        return build_model(self.kind, self.toy, self.device, _REFERENCE_SEED)

    def drop_model(self) -> None:
        """Free the model's memory; it is built again when it is next used."""
        self.__dict__.pop("model", None)
        self.free_memory()

    def free_memory(self) -> None:
        if "model" in self.__dict__:
            self.model.zero_grad(set_to_none=True)
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()

    def ids(self, count: int, length: int, seed: int) -> list[list[int]]:
        """Texts of random tokens that are no control tokens."""
        generator = torch.Generator().manual_seed(seed)
        limit = 320 if self.toy else 150_000
        return torch.randint(3, limit, (count, length), generator=generator).tolist()

    @property
    def prompt(self) -> list[int]:
        return self.ids(1, self.sizes.prompt, 0)[0]

    @property
    def candidates(self) -> list[list[int]]:
        return self.ids(self.sizes.candidates, self.sizes.candidate, 1)

    @property
    def responses(self) -> list[list[int]]:
        return self.ids(self.sizes.responses, self.sizes.response, 2)

    @cached_property
    def exact(self) -> dict[str, torch.Tensor] | None:
        """Log-probabilities in float32 of the tokens of the first answers, the prompt repeated.

        None where there is too little memory for it.
        """
        first = {"candidates": self.candidates[:3], "responses": self.responses}
        model = None
        try:
            model = build_model(self.kind, self.toy, self.device).float()
            with torch.inference_mode():
                return {
                    name: torch.cat([repeated_logprobs(model, self.prompt, [a]) for a in answers])
                    .float()
                    .cpu()
                    for name, answers in first.items()
                }
        except torch.OutOfMemoryError:
            return None
        finally:
            del model
            self.free_memory()

    @cached_property
    def reference_logprobs(self) -> tuple[float, ...]:
        """Of each response under the reference, computed once as training does."""
        reference = self.build_reference()
        with torch.no_grad():
            logprobs = repeated_logprobs(reference, self.prompt, self.responses)
        del reference
        self.free_memory()
        return tuple(logprobs.sum(-1).tolist())

    def error(self, name: str, logprobs: torch.Tensor) -> float | None:
        """Mean absolute difference a token to float32, in nats; logprobs: [tokens] or more."""
        if self.exact is None:
            return None
        exact = self.exact[name].flatten()
        return float((logprobs.flatten().float().cpu()[: len(exact)] - exact).abs().mean())


def repeated_logprobs(model: Any, prompt: list[int], answers: list[list[int]]) -> torch.Tensor:
    """[answers, tokens] log-probabilities, the prompt repeated in front of each answer."""
    size = len(answers[0])
    rows = torch.tensor([prompt + answer for answer in answers], device=model.device)
    logits = model(rows, logits_to_keep=size + 1, use_cache=False).logits[:, :-1].float()
    return logits.log_softmax(-1).gather(-1, rows[:, -size:, None])[..., 0]


def measure(bench: Bench, step: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Median seconds and peak memory of a step, and what it gave in a first round."""
    start = time.perf_counter()
    first = step()
    _wait(bench.device)
    first_seconds = time.perf_counter() - start
    _reset_peak(bench.device)
    seconds = []
    for _ in range(bench.sizes.rounds):
        start = time.perf_counter()
        step()
        _wait(bench.device)
        seconds.append(time.perf_counter() - start)
    figures = {
        "seconds": round(statistics.median(seconds), 5),
        "first_seconds": round(first_seconds, 3),
        "peak_memory_mb": round(_peak(bench.device), 1),
    }
    return figures, first


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def _reset_peak(device: str) -> None:
    if device == "cpu":
        reset_peak_mb()
    else:
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> float:
    return peak_mb() if device == "cpu" else torch.cuda.max_memory_allocated() / 2**20
