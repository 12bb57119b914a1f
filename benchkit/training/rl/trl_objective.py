"""What TRL's trainer trains on: our tasks and rewards, as GRPO's objective, and TRL's settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchkit.lm.sampling.completions import TokenSample
from benchkit.lm.tokenization import end_of_turn
from benchkit.training.rl.objective import GRPOObjective
from benchkit.training.rl.rollouts import Rollout, RolloutTask
from benchkit.training.rl.trl_settings import TRLSettings


@dataclass
class TRLObjective(GRPOObjective):
    """GRPO's objective where TRL samples answers and computes the loss."""

    trl: TRLSettings = field(default_factory=TRLSettings)

    @property
    def distributed_trainer(self) -> Callable[..., Any]:
        """The trainer of one of several processes."""
        from benchkit.training.distributed.trl_trainer import DistributedTRLTrainer

        return DistributedTRLTrainer

    def parse(self, task: RolloutTask, tokens: Sequence[int]) -> Rollout:
        """Return the answer of which `tokens` are the ids, up to the end of turn."""
        (end,) = end_of_turn(self.sampler.builder.tokenizer)
        ended = end in tokens
        text = list(tokens[: tokens.index(end)] if ended else tokens)
        return self.sampler.parse_rollout(TokenSample(text, ended), task)

    def reward_answers(
        self,
        model: Any,
        tasks: Sequence[RolloutTask],
        answers: Sequence[Sequence[int]],
        at_once: int,
    ) -> tuple[list[float], list[Rollout]]:
        """Return rewards and parsed answers.

        Args:
            model: The policy that has written them.
            tasks: The question of each answer; those of a group follow each other.
            answers: Token ids.
            at_once: Groups whose certainty is computed at once.
        """
        rollouts = [self.parse(*pair) for pair in zip(tasks, answers, strict=True)]
        if self.sampler.settings.needs_certainty:
            size = self.sampler.settings.group
            groups = [rollouts[start : start + size] for start in range(0, len(rollouts), size)]
            questions = tasks[::size]
            rollouts = [
                rollout
                for start in range(0, len(groups), at_once)
                for group in self.set_certainty(
                    model, questions[start : start + at_once], groups[start : start + at_once]
                )
                for rollout in group
            ]
        pairs = zip(tasks, rollouts, strict=True)
        return [self.reward(task, rollout) for task, rollout in pairs], rollouts
