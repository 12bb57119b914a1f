"""Tiny language models with random weights, and what training one needs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.training.core.examples import Example
from benchkit.types import Catalog, RunContext

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VOCABULARY = 300
FAST = {"learning_rate": 1e-2, "warmup": 0.0, "batch_size": 4}


def model(kind: str = "Qwen3", seed: int = 0, **changes: Any) -> Any:
    """Two layers of width 32."""
    config = getattr(transformers, f"{kind}Config")(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            **changes,
        }
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


def examples(count: int = 8, seed: int = 0, prompt: int = 9, response: int = 5) -> list[Example]:
    """Random token ids of random lengths, up to those given."""
    rng = np.random.default_rng(seed)

    def ids(longest: int) -> tuple[int, ...]:
        return tuple(rng.integers(0, VOCABULARY, rng.integers(1, longest + 1)).tolist())

    return [Example(ids(prompt), ids(response)) for _ in range(count)]


class Interrupted(Exception):
    pass


@dataclass
class Stages:
    """A Progress that remembers what it was told, and can end a run.

    stop_at: the step at which it raises.
    """

    stop_at: int | None = None
    stages: list[tuple[str, int | None]] = field(default_factory=list)
    done: int = 0
    notes: list[str] = field(default_factory=list)

    def start(self, what: str, total: int | None = None) -> None:
        self.stages.append((what, total))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.done += steps
        if note:
            self.notes.append(note)
        if self.stop_at is not None and self.done >= self.stop_at:
            raise Interrupted


def context(scratch: Path, seed: int = 0, stop_at: int | None = None) -> RunContext:
    return RunContext(
        seed=seed,
        catalog=Catalog((), {}),
        scratch=scratch,
        progress=Stages(stop_at),
        cache=scratch / "cache",
    )


def weights(model: Any) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def same(first: Any, second: Any) -> bool:
    """Whether two models have the same weights, bit for bit."""
    one, two = weights(first), weights(second)
    return one.keys() == two.keys() and all(one[name].equal(two[name]) for name in one)


def scripted(scores):
    """A `validate` that gives `scores` and remembers the weights that it saw."""
    given, seen = iter(scores), []

    def validate(network):
        assert not network.training
        torch.rand(3)  # it may draw numbers: training must not notice
        seen.append(weights(network))
        return next(given)

    return validate, seen
