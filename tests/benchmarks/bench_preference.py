"""How long a step of preference training takes, forward, reference and backward.

One prompt, three responses: concatenated with the prompt repeated (three rows), or after one
shared prompt, with the reference computed or cached; and TRL's DPOTrainer on the two pairs of the
same triplet (its own `training_step`, without the optimizer). Same small model, same process, turn
by turn; medians and ratios are printed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchkit.lm import shared_prefix as sp
from benchkit.process_state import isolate_process
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import (
    PairTerms,
    PreferenceExample,
    PreferenceLoss,
    constant_beta,
)
from benchkit.training.preference.objective import PreferenceObjective
from tests.support.timing import in_turns
from tests.support.tiny_models import tiny_model, tiny_tokenizer

SHAPE = {
    "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
    "num_attention_heads": 4, "vocab_size": 4096,
}  # fmt: skip


class Step:
    """The ways of one step on one triplet."""

    def __init__(self, kind: str, prompt: int, response: int, device: str) -> None:
        self.device, self.kind = device, kind
        self.model, self.reference = (tiny_model(kind, **SHAPE).to(device) for _ in range(2))
        self.model.train()
        generator = torch.Generator().manual_seed(0)
        draw = lambda n: torch.randint(3, 4096, (n,), generator=generator).tolist()  # noqa: E731
        self.prompt, self.responses = draw(prompt), [draw(response) for _ in range(3)]
        self.rows = torch.tensor([self.prompt + r for r in self.responses], device=device)
        self.cached = self._rows(self.reference).detach()
        example = PreferenceExample(
            "", tuple(self.prompt), tuple(map(tuple, self.responses)), (1, 1, 1),
            tuple(self.cached.tolist()),
        )  # fmt: skip
        self.objective = PreferenceObjective(PreferenceLoss("plackett-luce", constant_beta(0.1)))
        batch = self.objective.collate([example])
        self.batch = {name: value.to(device) for name, value in batch.items()}

    def _rows(self, model: Any) -> torch.Tensor:
        """[3] log-probabilities, the prompt repeated; logits of the responses alone."""
        size = len(self.responses[0])
        logits = model(self.rows, logits_to_keep=size + 1).logits[:, :-1].float()
        target = self.rows[:, -size:]
        return logits.log_softmax(-1).gather(-1, target[..., None])[..., 0].sum(-1)

    def concatenated(self, cached: bool) -> float:
        self.model.zero_grad(set_to_none=True)
        reference = self.cached
        if not cached:
            with torch.no_grad():
                reference = self._rows(self.reference)
        d = (self._rows(self.model) - reference)[None]
        here = torch.ones_like(d, dtype=torch.bool)
        loss = preference_loss(d, here, "plackett-luce", PairTerms(beta=0.1)).sum()
        loss.backward()
        return loss.item()

    def shared(self, cached: bool) -> float:
        self.model.zero_grad(set_to_none=True)
        batch = self.batch
        if not cached:
            with torch.no_grad(), sp.use_shared_prefix(self.reference):
                said = self.objective.responses(self.reference, batch).policy
            batch = {**batch, "reference": said}
        with self.objective.context(self.model):
            loss = self.objective.loss(self.model, batch)
            loss.backward()
        return loss.item()

    def trl(self, folder: str) -> Callable[[], float]:
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        model = tiny_model(self.kind, **SHAPE)
        words = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
        trainer = DPOTrainer(
            model, ref_model=tiny_model(self.kind, **SHAPE), train_dataset=words,
            processing_class=tiny_tokenizer(),
            args=DPOConfig(
                folder, beta=0.1, max_length=None, use_cpu=self.device == "cpu", report_to=[],
                bf16=False, gradient_checkpointing=False,
            ),
        )  # fmt: skip
        trainer.current_gradient_accumulation_steps = 1  # what train() sets
        first, *others = self.responses
        rows = [{"prompt_ids": self.prompt, "chosen_ids": first, "rejected_ids": r} for r in others]
        batch = trainer.data_collator(rows)

        def step() -> float:
            model.zero_grad(set_to_none=True)
            return float(trainer.training_step(trainer.model, dict(batch)))

        return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", type=int, nargs="+", default=[2048])
    parser.add_argument("--response", type=int, default=128)
    parser.add_argument("--kinds", nargs="+", default=["qwen3", "gemma3"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    figures = []
    for kind in args.kinds:
        for prompt in args.prompt:
            step = Step(kind, prompt, args.response, args.device)
            losses = [step.concatenated(cached=False), step.shared(cached=True)]
            with (
                isolate_process(args.device, "transformers", "accelerate", "peft"),
                tempfile.TemporaryDirectory() as folder,
            ):
                ways = {
                    "concatenated": lambda: step.concatenated(cached=False),  # noqa: B023
                    "concatenated, cached": lambda: step.concatenated(cached=True),  # noqa: B023
                    "shared": lambda: step.shared(cached=False),  # noqa: B023
                    "shared, cached": lambda: step.shared(cached=True),  # noqa: B023
                    "trl": step.trl(folder),
                }
                seconds, _ = in_turns(ways, args.rounds)
            ratios = {
                f"{way} / {ours}": round(seconds[way] / seconds[ours], 2)
                for way, ours in (
                    ("concatenated", "shared"),
                    ("concatenated", "shared, cached"),
                    ("concatenated, cached", "shared, cached"),
                    ("trl", "shared, cached"),
                )
            }
            figures.append(
                {
                    "model": kind, "prompt": prompt, "response": args.response,
                    "seconds": {name: round(value, 4) for name, value in seconds.items()},
                    "ratios": ratios, "difference_of_loss": abs(losses[0] - losses[1]),
                }
            )  # fmt: skip
            print(json.dumps(figures[-1], indent=1), flush=True)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
