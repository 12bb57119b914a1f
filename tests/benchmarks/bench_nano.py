"""The nano backbone on MovieLens 100K: how long it trains, and how well it ranks.

On one thread, from nothing. Candidates of the validation cases are ranked by the log-likelihood of
their title with the end of line, after the titles that the user took last; no test case is asked.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchkit.data import sources
from benchkit.data.prepare import build as prepare
from benchkit.data.spec import DatasetSpec
from benchkit.lm import nano
from benchkit.metrics.accuracy import RankMetric
from benchkit.metrics.ranks import from_scores
from benchkit.protocols import TrainView

METRICS = ("ndcg@5", "hr@1", "hr@5")


@dataclass
class Steps:
    """A Progress that shows each check on stderr."""

    count: int = 0
    began: float = field(default_factory=time.perf_counter)

    def start(self, what: str, total: int | None = None) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.count += steps
        if note:
            elapsed = time.perf_counter() - self.began
            print(f"step {self.count}, {elapsed:.0f} s, {note}", file=sys.stderr)


@torch.no_grad()
def log_likelihoods(
    model: Any, prompt: Sequence[int], answers: Sequence[Sequence[int]]
) -> list[float]:
    """log p(answer | prompt) of each answer; the prompt is read once."""
    first = model.base_model(input_ids=torch.tensor([prompt]), use_cache=True)
    cache = first.past_key_values
    cache.batch_repeat_interleave(len(answers))
    longest = max(map(len, answers))
    ids = torch.tensor([[*answer, *[0] * (longest - len(answer))] for answer in answers])
    hidden = first.last_hidden_state[:, -1:].expand(len(answers), 1, -1)
    if longest > 1:
        rest = model.base_model(input_ids=ids[:, :-1], past_key_values=cache).last_hidden_state
        hidden = torch.cat([hidden, rest], dim=1)
    known = torch.arange(longest) < torch.tensor([len(a) for a in answers])[:, None]
    logits = hidden @ model.get_output_embeddings().weight.T
    logs = logits.log_softmax(dim=-1).gather(-1, ids[..., None])[..., 0]
    return logs.masked_fill(~known, 0.0).sum(dim=1).double().tolist()


def ranking(folder: Path, view: TrainView, shown: int) -> dict[str, float]:
    """Metrics over the validation cases, with the last `shown` titles as prompt."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    titles = dict(zip(view.catalog.ids, nano.titles_of(view), strict=True))

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    scores, target = [], []
    for request, item in view.validation:
        history = "".join(titles[event.item] + "\n" for event in request.history[-shown:])
        answers = [[*ids(titles[own]), tokenizer.eos_token_id] for own in request.candidates]
        scores.append(log_likelihoods(model, ids(history), answers))
        target.append(request.candidates.index(item))
    ranks = from_scores(scores, np.array(target))
    return {name: round(float(RankMetric(name).values(ranks).mean()), 4) for name in METRICS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="ml-100k", choices=["ml-100k", "toy"])
    parser.add_argument("--shown", type=int, default=50, help="titles in a prompt")
    parser.add_argument("--config", default="{}", help="settings of NanoConfig, as JSON")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()

    view = prepare(
        sources.read(options.dataset, {}), DatasetSpec(name=options.dataset, source=options.dataset)
    ).train_view()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache, threadpool_limits(1):
        config = nano.NanoConfig.model_validate_json(options.config)
        processor = time.process_time()
        folder = nano.build(view, config, Path(cache), Steps())
        processor = time.process_time() - processor
        facts = json.loads((folder / "nano.json").read_text())
        facts["cpu_seconds"] = round(processor, 1)
        facts["tokens_per_second"] = round(facts["tokens"] / facts["seconds"])
        facts |= ranking(folder, view, options.shown)
    print(
        f"{facts['parameters']:,} parameters, {facts['vocabulary']} tokens in the vocabulary;"
        f" {facts['steps']} steps, {facts['tokens']:,} tokens in {facts['seconds']:.1f} s"
        f" ({facts['cpu_seconds']:.1f} s CPU, {facts['tokens_per_second']:,} tokens/s)"
    )
    print(
        f"validation: {facts['validation_loss']:.3f} nats a title, "
        + ", ".join(f"{name} {facts[name]:.4f}" for name in METRICS)
    )
    if options.out:
        options.out.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
