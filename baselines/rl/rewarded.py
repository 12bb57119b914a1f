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
from benchkit.lm.teachers import training_questions
from benchkit.lm.teachers.base import Question
from benchkit.protocols import RunContext, TrainView
from benchkit.tuning import rewards
from benchkit.tuning.builders import Builder, as_request
from benchkit.tuning.config import TrainConfig
from benchkit.tuning.recommender import TunedConfig, TunedRecommender
from benchkit.tuning.rollouts import Drawing, Policy, Reward, Task, check_room, one_process

# What training on rewards starts from: small steps from the fine-tuned model.
NANO_REINFORCING = {
    "purpose": "reinforce", "epochs": 1, "batch_size": 16, "learning_rate": 1e-4,
    "evaluate_every": 0.25, "checkpoint_every": 0.25,
}  # fmt: skip
REINFORCING = {
    "purpose": "reinforce", "epochs": 2, "batch_size": 16, "micro_batch": 2, "learning_rate": 2e-5,
    "schedule": "cosine", "evaluate_every": 0.25, "checkpoint_every": 0.25,
}  # fmt: skip
_ITEM_TOKENS = 64  # of an answer, beside its rationale


class RewardConfig(TunedConfig):
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


class RewardRecommender(TunedRecommender):
    """A method is its Config and what `reward` says of an answer; the rest is here.

    certain: whether rewards need the model's self-certainty.
    """

    Config: type[RewardConfig] = RewardConfig
    config: RewardConfig
    certain = False

    @property
    def explains(self) -> bool:
        return self.config.rationale

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that an answer is to have."""
        return rewards.tags(load_template(self.config.template_name).format(self.explains))

    @property
    def policy(self) -> Policy:
        """How answers are drawn and followed."""
        config = self.config
        room = (config.longest_rationale if config.rationale else 0) + _ITEM_TOKENS
        return Policy(
            group=config.group,
            temperature=config.temperature,
            max_tokens=config.answer_tokens or room,
            constrained=config.small if config.constrained is None else config.constrained,
            clip=config.clip,
            kl=config.kl,
            iterations=config.iterations,
            reduction=config.reduction,
            eps=config.eps,
            certain=self.certain,
        )

    @abstractmethod
    def reward(self, tasks: Sequence[Task], data: TrainView, run: RunContext) -> Reward:
        """What an answer to a task is worth."""

    def tuned(self, backbone: Backbone, builder: Builder, data: TrainView, run: RunContext) -> Any:
        from benchkit.tuning.lora import check_adapters, merged
        from benchkit.tuning.reinforcing import reinforce
        from benchkit.tuning.stages import shared_sft

        config, policy = self.config, self.policy
        start = NANO_REINFORCING if config.small else REINFORCING
        settings = self.training(run, **start)
        one_process(settings)
        supervised = self.settings(config.sft, run, purpose="sft")
        check_adapters(backbone.model, supervised, settings)
        questions = training_questions(
            data, candidates=config.candidates, seed=run.seed, limit=config.limit_users
        )
        tasks = [
            Task(as_request(q), q.item, builder.prompt(as_request(q), config.rationale))
            for q in _chosen(questions, config.share, run)
        ]
        check_room(tasks, policy.max_tokens, settings.max_length)
        examples = self.supervised(questions, builder, data, run)
        reward = self.reward(tasks, data, run)
        model = shared_sft(
            backbone.model,
            examples,
            supervised,
            run,
            validation=self.validation_examples(builder, data, run),
        )
        training = replace(run, catalog=data.catalog)
        return reinforce(
            merged(model),
            tasks,
            Drawing(
                builder,
                lambda own: self.asked(self.engine(own, backbone)),
                policy,
                training,
                config.rationale,
            ),
            reward,
            settings,
            run,
            self.validate(backbone, data, training),
            log=(run.artifacts or run.scratch) / "rewards.jsonl",
            about=(type(self).__name__, config.model_dump(mode="json")),
        )


def _chosen(questions: Sequence[Question], share: float, run: RunContext) -> list[Question]:
    """So many of the questions, at least one, chosen by a hash of their users; in their order."""
    if share == 1:
        return list(questions)
    keys = seeds.derive_each([q.key for q in questions], "reinforce", run.seed)
    count = max(1, round(share * len(questions)))
    return [questions[place] for place in np.sort(np.argsort(keys, kind="stable")[:count])]
