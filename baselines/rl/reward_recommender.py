"""The base class of methods that learn from rewards: fine-tuned start, prompts, GRPO."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit import seeds
from benchkit.lm.backbones import Backbone
from benchkit.lm.prompts import load_template
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

# Settings that apply where a suite sets none: small steps from the fine-tuned model.
NANO_GRPO_DEFAULTS = {
    "purpose": "reinforce", "epochs": 1, "batch_size": 16, "learning_rate": 1e-4,
    "evaluate_every": 0.25, "checkpoint_every": 0.25,
}  # fmt: skip
GRPO_DEFAULTS = {
    "purpose": "reinforce", "epochs": 2, "batch_size": 16, "micro_batch": 2, "learning_rate": 2e-5,
    "schedule": "cosine", "evaluate_every": 0.25, "checkpoint_every": 0.25,
}  # fmt: skip
_ITEM_TOKENS = 64  # of an answer, besides its rationale


class RewardConfig(FineTunedConfig):
    """Settings of a method that learns from rewards; `train` is the training on rewards."""

    sft: TrainConfig = TrainConfig()
    """Fine-tuning that comes first; its result is the reference."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of users, chosen by a hash, whose prompts are used."""
    rationale: bool = False
    """Whether answers are a rationale and an item, or an item alone."""
    constrained: bool | None = None
    """Sample the item among the candidates by their trie, after a free rationale; None: for nano
    only."""
    group: int = Field(default=8, ge=2)
    """Answers per prompt, G."""
    temperature: PositiveFloat = 0.9
    """Sampling temperature."""
    answer_tokens: PositiveInt | None = None
    """Most tokens of a free answer; None: room for a rationale and an item."""
    kl: NonNegativeFloat = 0.04
    """Coefficient beta of the divergence from the reference (k3)."""
    clip: float = Field(default=0.2, gt=0, lt=1)
    """Clipping range epsilon of the probability ratio."""
    iterations: PositiveInt = 1
    """Steps for which the same answers are used, mu."""
    reduction: Literal["sequence", "token", "fixed"] = "sequence"
    """How token losses are averaged; see `policy_gradient.token_weights`."""
    eps: PositiveFloat = 1e-4
    """Added to the standard deviation of a group's rewards."""


class RewardRecommender(FineTunedRecommender):
    """A method that fine-tunes its backbone and then trains it by GRPO.

    A method is its `Config` and `make_reward`; the rest is here.
    """

    Config: type[RewardConfig] = RewardConfig
    config: RewardConfig
    needs_certainty = False
    """Whether rewards need the model's self-certainty."""

    @property
    def explains(self) -> bool:
        return self.config.rationale

    @property
    def answer_tags(self) -> tuple[str, ...]:
        """Names of the tags that an answer must have."""
        return rewards.format_tags(
            load_template(self.config.template_name).response_format(self.explains)
        )

    @property
    def grpo_settings(self) -> GRPOSettings:
        """How answers are sampled and followed."""
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
        """Return the function that gives the reward of an answer.

        Args:
            tasks: All questions that will be answered.
            data: Training interactions, users and catalogue.
            run: Device, folders and progress.
        """

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from benchkit.training.core.lora import check_adapters, merge_adapter
        from benchkit.training.rl.grpo import train_grpo
        from benchkit.training.sft import load_or_train_sft

        config, grpo = self.config, self.grpo_settings
        defaults = NANO_GRPO_DEFAULTS if config.is_nano else GRPO_DEFAULTS
        settings = self.training_config(run, **defaults)
        require_one_process(settings)
        supervised = self.resolve_training_config(config.sft, run, purpose="sft")
        check_adapters(backbone.model, supervised, settings)
        questions = self.training_questions(data, run)
        tasks = [
            RolloutTask(to_request(q), q.item, builder.prompt(to_request(q), config.rationale))
            for q in _select_users(questions, config.share, run)
        ]
        check_rollout_lengths(tasks, grpo.max_tokens, settings.max_length)
        examples = self.supervised_examples(questions, builder, data, run)
        reward = self.make_reward(tasks, data, run)
        model = load_or_train_sft(
            backbone.model,
            examples,
            supervised,
            run,
            validation=self.validation_examples(builder, data, run),
        )
        sampler = RolloutSampler(
            builder,
            lambda policy: self.make_predictor(self.engine(policy, backbone)),
            grpo,
            run,
            config.rationale,
        )
        return train_grpo(
            merge_adapter(model),
            tasks,
            sampler,
            reward,
            settings,
            run,
            self.make_validation_metric(backbone, data, run),
            log=(run.artifacts or run.scratch) / "rewards.jsonl",
            identity=(type(self).__name__, config.model_dump(mode="json")),
        )


def _select_users(
    questions: Sequence[TeacherQuestion], share: float, run: RunContext
) -> list[TeacherQuestion]:
    """Select a share of the questions, at least one, by a hash of their users; keep the order."""
    if share == 1:
        return list(questions)
    keys = seeds.derive_each([q.key for q in questions], "reinforce", run.seed)
    count = max(1, round(share * len(questions)))
    return [questions[index] for index in np.sort(np.argsort(keys, kind="stable")[:count])]
