"""What methods that learn from rewards share: the fine-tuned start, prompts, GRPO, validation."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit import seeds
from benchkit.lm.backbones import Backbone
from benchkit.lm.prompts import load_template
from benchkit.lm.teachers import build_training_questions
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import (
    GRPOSettings,
    RewardFunction,
    RolloutSampler,
    RolloutTask,
    check_rollout_lengths,
    require_one_process,
)
from benchkit.types import RunContext, TrainView

# What training on rewards starts from: small steps from the fine-tuned model.
NANO_GRPO_DEFAULTS = {
    "purpose": "reinforce", "epochs": 1, "batch_size": 16, "learning_rate": 1e-4,
    "evaluate_every": 0.25, "checkpoint_every": 0.25,
}  # fmt: skip
GRPO_DEFAULTS = {
    "purpose": "reinforce", "epochs": 2, "batch_size": 16, "micro_batch": 2, "learning_rate": 2e-5,
    "schedule": "cosine", "evaluate_every": 0.25, "checkpoint_every": 0.25,
}  # fmt: skip
_ITEM_TOKENS = 64  # of an answer, beside its rationale


class RewardConfig(FineTunedConfig):
    """Settings of a method that learns from rewards.

    sft: the training that comes first; its result is the reference. train: of the training on
    rewards. share: of the users that it draws prompts from, chosen by a hash. rationale: answers
    are rationale and item. constrained: the item is drawn among the candidates by their trie, a
    rationale before it freely; by default for nano only. group: answers a prompt. temperature: at
    which they are drawn. answer_tokens: of a free answer. kl: coefficient of the divergence from
    the reference (k3). clip: of the probability ratio. iterations: steps that the same answers are
    used for. reduction: how tokens' losses are averaged. eps: added to a group's deviation.
    """

    sft: TrainConfig = TrainConfig()
    share: float = Field(default=1.0, gt=0, le=1)
    rationale: bool = False
    constrained: bool | None = None
    group: int = Field(default=8, ge=2)
    temperature: PositiveFloat = 0.9
    answer_tokens: PositiveInt | None = None
    kl: NonNegativeFloat = 0.04
    clip: float = Field(default=0.2, gt=0, lt=1)
    iterations: PositiveInt = 1
    reduction: Literal["sequence", "token", "fixed"] = "sequence"
    eps: PositiveFloat = 1e-4


class RewardRecommender(FineTunedRecommender):
    """A method is its Config and what `reward` says of an answer; the rest is here.

    needs_certainty: whether rewards need the model's self-certainty.
    """

    Config: type[RewardConfig] = RewardConfig
    config: RewardConfig
    needs_certainty = False

    @property
    def explains(self) -> bool:
        return self.config.rationale

    @property
    def answer_tags(self) -> tuple[str, ...]:
        """The tags that an answer is to have."""
        return rewards.format_tags(
            load_template(self.config.template_name).response_format(self.explains)
        )

    @property
    def grpo_settings(self) -> GRPOSettings:
        """How answers are drawn and followed."""
        config = self.config
        room = (config.max_rationale_tokens if config.rationale else 0) + _ITEM_TOKENS
        return GRPOSettings(
            group=config.group,
            temperature=config.temperature,
            max_tokens=config.answer_tokens or room,
            constrained=config.is_nano if config.constrained is None else config.constrained,
            clip=config.clip,
            kl=config.kl,
            iterations=config.iterations,
            reduction=config.reduction,
            eps=config.eps,
            needs_certainty=self.needs_certainty,
        )

    @abstractmethod
    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        """What an answer to a task is worth."""

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from benchkit.training.core.cached_stages import load_or_train_sft
        from benchkit.training.core.lora import check_adapters, merge_adapter
        from benchkit.training.rl.grpo import train_grpo

        config, policy = self.config, self.grpo_settings
        start = NANO_GRPO_DEFAULTS if config.is_nano else GRPO_DEFAULTS
        settings = self.training_config(run, **start)
        require_one_process(settings)
        supervised = self.resolve_training_config(config.sft, run, purpose="sft")
        check_adapters(backbone.model, supervised, settings)
        questions = build_training_questions(
            data, candidates=config.candidates, seed=run.seed, limit=config.limit_users
        )
        tasks = [
            RolloutTask(to_request(q), q.item, builder.prompt(to_request(q), config.rationale))
            for q in _chosen(questions, config.share, run)
        ]
        check_rollout_lengths(tasks, policy.max_tokens, settings.max_length)
        examples = self.supervised_examples(questions, builder, data, run)
        reward = self.make_reward(tasks, data, run)
        model = load_or_train_sft(
            backbone.model,
            examples,
            supervised,
            run,
            validation=self.validation_examples(builder, data, run),
        )
        training = replace(run, catalog=data.catalog)
        return train_grpo(
            merge_adapter(model),
            tasks,
            RolloutSampler(
                builder,
                lambda own: self.make_predictor(self.engine(own, backbone)),
                policy,
                training,
                config.rationale,
            ),
            reward,
            settings,
            run,
            self.make_validation_metric(backbone, data, training),
            log=(run.artifacts or run.scratch) / "rewards.jsonl",
            about=(type(self).__name__, config.model_dump(mode="json")),
        )


def _chosen(
    questions: Sequence[TeacherQuestion], share: float, run: RunContext
) -> list[TeacherQuestion]:
    """So many of the questions, at least one, chosen by a hash of their users; in their order."""
    if share == 1:
        return list(questions)
    keys = seeds.derive_each([q.key for q in questions], "reinforce", run.seed)
    count = max(1, round(share * len(questions)))
    return [questions[place] for place in np.sort(np.argsort(keys, kind="stable")[:count])]
