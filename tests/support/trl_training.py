"""Training on rewards by TRL, on four small questions."""

import json

from benchkit.training.core.batch_sampler import StepPlan
from benchkit.training.core.config import TrainConfig
from benchkit.training.rl.grpo import train_grpo
from benchkit.training.rl.trl_objective import TRLObjective
from benchkit.training.rl.trl_settings import TRLSettings
from tests.support.rollouts import FREE, context, drawing_of, network, tasks_of

FAST = {"learning_rate": 1e-2, "warmup": 0.0, "batch_size": 2, "purpose": "reinforce"}


def letters(task, answer):
    """A reward that random answers differ in."""
    return float(sum(map(ord, answer.text)) % 7)


def share_of_letters(task, answer):
    """A reward that tokens have by themselves: a fifth of them are letters."""
    return sum(c.isascii() and c.isalpha() for c in answer.text) / max(1, len(answer.text))


def trainer_of(tmp_path, model=None, reward=letters, settings=None, trl=None, **policy):
    """A trainer of TRL on the four tasks that has not begun yet."""
    from benchkit.training.rl.trl_trainer import TRLTrainer

    drawing = drawing_of(context(tmp_path), **{**FREE, **policy})
    config = TrainConfig(**{**FAST, **(settings or {})})
    tasks = tasks_of(drawing.builder)
    objective = TRLObjective(tasks, drawing, reward, trl=trl or TRLSettings())
    if objective.sampler.settings.kl:
        objective.reference = network().requires_grad_(False)
    plan = StepPlan.from_config(config, len(tasks))
    return TRLTrainer(
        model or network(), tasks, objective, config, drawing.run, plan, tmp_path / "out"
    )


def rolled_out(trainer, numbers):
    """What TRL computes of a round of answers to the tasks of these numbers."""
    trainer.current_gradient_accumulation_steps = trainer.args.gradient_accumulation_steps
    rows = [{"prompt": str(n)} for n in numbers for _ in range(trainer.group)]
    return trainer._generate_and_score_completions(rows)


def trained(folder, reward=letters, stop_at=None, settings=None, trl=None, model=None, **policy):
    folder.mkdir(exist_ok=True)
    run = context(folder, stop_at=stop_at)
    drawing = drawing_of(run, **{**FREE, **policy})
    config = TrainConfig(**{**FAST, **(settings or {})})
    log = folder / "rewards.jsonl"
    result = train_grpo(
        model or network(), tasks_of(drawing.builder), drawing, reward, config, run,
        log=log, trl=trl or TRLSettings(),
    )  # fmt: skip
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return result, run, lines
