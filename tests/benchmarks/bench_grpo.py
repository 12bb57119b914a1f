"""How long training on rewards takes by our loop and by TRL's GRPOTrainer, and what it earns.

The tiny Qwen3 is fine-tuned on the planted world; then three steps on the rewards of each method
start from copies of it, by one trainer and the other in turn, in this process. A last row has the
same questions behind 256 more tokens. Seconds are medians, without a first round that loads TRL;
rewards are means over answers to the trained questions, drawn by the same numbers each time.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.reward_runs import METHODS, RewardTraining, prepare_training

LONG = 256
_PACKAGES = ("torch", "transformers", "trl", "accelerate")


def measure(training: RewardTraining, rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"own": [], "trl": []}
    after = {}
    for number in range(rounds + 1):
        for trainer, times in seconds.items():
            start = time.perf_counter()
            model = training.train(trainer == "trl", f"{trainer}-{number}")
            times.append(time.perf_counter() - start)
            if not number:
                after[trainer] = round(training.mean_reward(model), 4)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    return {
        "answers_per_step": len(training.tasks) * training.sampler.settings.group,
        "prompt_tokens": statistics.median(len(task.prompt) for task in training.tasks),
        "seconds": {name: round(value, 3) for name, value in medians.items()},
        "trl_over_own": round(medians["trl"] / medians["own"], 2),
        "reward_before": round(training.mean_reward(training.model), 4),
        "reward_after": after,
    }


def behind_more_tokens(training: RewardTraining) -> RewardTraining:
    generator = torch.Generator().manual_seed(0)
    tasks = []
    for task in training.tasks:
        more = torch.randint(3, 250, (LONG,), generator=generator).tolist()
        tasks.append(replace(task, prompt=(*more, *task.prompt)))
    return replace(training, tasks=tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    figures: dict[str, Any] = {
        "model": "tiny Qwen3 (2 layers of width 32, random weights, fine-tuned)",
        "device": "cpu",
        "threads": args.threads,
        "steps": 3,
        "rounds": args.rounds,
        "versions": {name: metadata.version(name) for name in _PACKAGES},
        "rows": {},
    }

    def record(name: str, training: RewardTraining) -> None:
        figures["rows"][name] = measure(training, args.rounds)
        print(name, json.dumps(figures["rows"][name]), flush=True)
        if args.out:
            args.out.write_text(json.dumps(figures, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        trainings = {}
        for name in args.methods:
            scratch = Path(folder) / name.replace("/", "-")
            scratch.mkdir()
            trainings[name] = prepare_training(name, scratch, Path(folder) / "cache")
            record(name, trainings[name])
        first = args.methods[0]
        record(f"{first}, long prompts", behind_more_tokens(trainings[first]))


if __name__ == "__main__":
    main()
