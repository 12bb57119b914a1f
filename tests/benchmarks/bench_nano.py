"""The nano backbone on MovieLens 100K: how long it trains, and how well it ranks.

On one thread, from nothing. Candidates of the validation cases are ranked by the log-likelihood of
their title with the end of line, after the titles that the user took last; no test case is asked.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchkit.data import sources
from benchkit.data.preparation.pipeline import prepare_dataset as prepare
from benchkit.data.spec import DatasetSpec
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.lm.engines.hf import HFEngine
from benchkit.lm.nano import corpus as nano
from benchkit.lm.nano.build import build_nano
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.types import Message, Prompt
from benchkit.types import TrainView

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


def ranking(folder: Path, view: TrainView, shown: int) -> dict[str, float]:
    """Metrics over the validation cases, with the last `shown` titles as prompt."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    engine = HFEngine(model, AutoTokenizer.from_pretrained(folder))
    titles = dict(zip(view.catalog.ids, nano.nano_item_titles(view), strict=True))
    cases = [case.request for case in view.validation]
    histories = ["".join(titles[e.item] + "\n" for e in c.history[-shown:]) for c in cases]
    prompts = [
        Prompt(c.case_id, (Message("user", h),)) for c, h in zip(cases, histories, strict=True)
    ]
    answers = engine.score(prompts, [[titles[item] for item in c.candidates] for c in cases])
    target = [case.request.candidates.index(case.target) for case in view.validation]
    ranks = ranks_from_scores([answer.logprobs for answer in answers], target)
    return {name: round(float(find_metric(name).values(ranks).mean()), 4) for name in METRICS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="ml-100k", choices=["ml-100k", "toy"])
    parser.add_argument("--shown", type=int, default=50, help="titles in a prompt")
    parser.add_argument("--config", default="{}", help="settings of NanoConfig, as JSON")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()

    view = prepare(
        sources.read_source(options.dataset, {}),
        DatasetSpec(name=options.dataset, source=options.dataset),
    ).train_view()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as cache, threadpool_limits(1):
        config = NanoConfig.model_validate_json(options.config)
        processor = time.process_time()
        folder = build_nano(view, config, Path(cache), Steps())
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
