"""What is measured, in order of importance, and the sizes of it; imports no framework."""

from dataclasses import dataclass
from typing import NamedTuple

KINDS = ("qwen3", "gemma3")


@dataclass(frozen=True)
class Sizes:
    """Sizes in tokens, unless they count something else."""

    prompt: int
    """Of scoring, sampling and training."""
    candidates: int
    """How many answers are scored."""
    candidate: int
    """Tokens of each."""
    rows_at_once: int
    """Candidates scored at a time where the prompt is repeated."""
    responses: int
    """Responses of a preference example, or examples of a step of fine-tuning."""
    response: int
    """Tokens of each."""
    samples: int
    """Answers sampled to one prompt."""
    sample: int
    """Tokens of each."""
    rollout_prompts: int
    rollout_prompt: int
    group: int
    """Answers to each of the prompts of a GRPO step."""
    rollout: int
    """Most tokens of each."""
    rounds: int
    """Timed repetitions after a first one, which is not timed; the median counts."""


SIZES = Sizes(
    prompt=4096, candidates=30, candidate=8, rows_at_once=10, responses=3, response=200,
    samples=5, sample=128, rollout_prompts=4, rollout_prompt=1024, group=8, rollout=200, rounds=3,
)  # fmt: skip
TOY_SIZES = Sizes(
    prompt=40, candidates=5, candidate=3, rows_at_once=3, responses=3, response=6,
    samples=3, sample=4, rollout_prompts=2, rollout_prompt=12, group=2, rollout=4, rounds=1,
)  # fmt: skip


class Measurement(NamedTuple):
    """One way of doing one task with one model."""

    kind: str
    task: str
    way: str

    @property
    def name(self) -> str:
        return "/".join(self)

    @classmethod
    def from_name(cls, name: str) -> "Measurement":
        return cls(*name.split("/"))

    @property
    def needed_seconds(self) -> int:
        """About how long it takes at full size, with warm-up: it is not begun with less left."""
        return _SLOW_WAYS.get(self.way, 15)


BASES = {
    "scoring": "repeated", "preference": "concatenated", "sampling": "generate",
    "rollouts": "generate", "sft": "all logits",
}  # fmt: skip
"""The usual way of each task: what others are compared with."""

_SLOW_WAYS = {"flex": 60, "trl": 30, "trl with liger": 45, "vllm": 120}
_TIERS: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (
        ("scoring", ("repeated", "padded", "grouped", "flex")),
        ("preference", ("concatenated", "padded", "grouped", "flex", "trl")),
    ),
    (
        ("sampling", ("generate", "own")),
        ("rollouts", ("generate", "own")),
        ("sft", ("all logits", "own")),
    ),
    (("preference", ("concatenated with reference", "trl with liger")),),
    (("rollouts", ("vllm",)),),
)

PLAN = tuple(
    Measurement(kind, task, way)
    for tier in _TIERS
    for kind in KINDS
    for task, ways in tier
    for way in ways
)
