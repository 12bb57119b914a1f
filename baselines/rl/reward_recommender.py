"""The base class of methods that learn from rewards: fine-tuned start, prompts, GRPO."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from benchkit import seeds
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example
from benchkit.training.core.fine_tuning_config import NextItemConfig
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import (
    GRPOSettings,
    RewardFunction,
    RolloutSampler,
    RolloutTask,
    check_rollout_lengths,
    require_one_process,
)
from benchkit.training.rl.trl_settings import TRLSettings, check_trl
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


class RewardConfig(NextItemConfig):
    """Settings of a method that learns from rewards; `train` is the training on rewards."""

    fine_tune: bool | None = True
    """Fine-tune first; the result is the reference. Without it, training on rewards starts from
    the backbone as it is. None: for nano only."""
    sft: TrainConfig = TrainConfig()
    """The fine-tuning."""
    reinforce: bool = True
    """Train on rewards."""
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
    trainer: Literal["auto", "own", "trl"] = "auto"
    """What trains on rewards: the loop of this package, or TRL's GRPOTrainer, which samples by
    transformers or vLLM. `auto` is TRL where only TRL can do what is set, for a backbone other than
    nano: `trl`, or several processes. Elsewhere it is our loop, which computes a prompt once for
    all of its answers and was measured faster on a CPU (leaderboards/benchmarks/grpo.json)."""
    trl: TRLSettings = TRLSettings()
    """Settings that only TRL has: nucleus sampling, vLLM, other clipping and scaling."""

    @model_validator(mode="after")
    def _trl_is_used(self) -> Self:
        if self.trainer == "own" and self.trl != TRLSettings():
            raise ValueError("trl has settings, but trainer is 'own': leave out one of them")
        return self


class RewardRecommender(FineTunedRecommender):
    """A method that fine-tunes its backbone and then trains it by GRPO.

    A method is its `Config` and `make_reward`; the rest is here.
    """

    Config: type[RewardConfig] = RewardConfig
    config: RewardConfig
    needs_certainty = False
    """Whether rewards need the model's self-certainty."""
    grpo_defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings of the training on rewards by which the method differs from others, except with
    nano."""

    @property
    def fine_tunes(self) -> bool:
        """Whether the backbone is fine-tuned before it is trained on rewards."""
        return self.config.is_nano if self.config.fine_tune is None else self.config.fine_tune

    @property
    def trains_rationales(self) -> bool:
        return self.explains and self.fine_tunes

    @property
    def explains(self) -> bool:
        return self.config.rationale

    @property
    def trl(self) -> TRLSettings | None:
        """The settings of TRL's trainer; None where our loop trains."""
        config = self.config
        if config.trainer == "auto":
            only_trl = config.trl != TRLSettings() or config.train.processes > 1
            return config.trl if only_trl and not config.is_nano else None
        return config.trl if config.trainer == "trl" else None

    @property
    def caveats(self) -> tuple[str, ...]:
        trl = self.trl if self.config.reinforce else None
        return (*super().caveats, *(("trained on rewards by TRL",) if trl else ()))

    @property
    def answer_tags(self) -> tuple[str, ...]:
        """Names of the tags that an answer must have."""
        return rewards.format_tags(self.config.prompt_template.response_format(self.explains))

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

    def fine_tuning_examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> list[Example]:
        """Return what the backbone is fine-tuned on, for all users in `questions`."""
        return self.supervised_examples(questions, builder, data, run)

    def make_sampler(
        self, builder: ExampleBuilder, backbone: Backbone, run: RunContext
    ) -> RolloutSampler:
        """Return what samples the answers that are rewarded."""
        return RolloutSampler(
            builder,
            lambda policy: self.make_predictor(self.engine(policy, backbone)),
            self.grpo_settings,
            run,
            self.config.rationale,
        )

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        questions = self.training_questions(data, run)
        train_on_rewards = (
            self._prepare_rewards(questions, backbone, builder, data, run)
            if self.config.reinforce
            else None
        )
        model = backbone.model
        if self.fine_tunes:
            model = self._fine_tune(questions, backbone, builder, data, run)
        return model if train_on_rewards is None else train_on_rewards(model)

    def _fine_tune(
        self,
        questions: Sequence[TeacherQuestion],
        backbone: Backbone,
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> Any:
        from benchkit.training.core.lora import check_adapters
        from benchkit.training.sft import load_or_train_sft

        settings = self.resolve_training_config(self.config.sft, run, data, purpose="sft")
        check_adapters(backbone.model, settings)
        return load_or_train_sft(
            backbone.model,
            self.fine_tuning_examples(
                [*questions, *self.earlier_questions(data, run)], builder, data, run
            ),
            settings,
            run,
            validation=self.validation_examples(builder, data, run),
        )

    def _prepare_rewards(
        self,
        questions: Sequence[TeacherQuestion],
        backbone: Backbone,
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> Callable[[Any], Any]:
        """Check all that can be wrong, and return the function that trains a model on rewards."""
        from benchkit.training.core.lora import check_adapters, merge_adapter
        from benchkit.training.rl.grpo import train_grpo

        config, grpo = self.config, self.grpo_settings
        defaults = NANO_GRPO_DEFAULTS if config.is_nano else {**GRPO_DEFAULTS, **self.grpo_defaults}
        settings = self.training_config(run, **defaults)
        trl = self.trl
        if trl is None:
            require_one_process(settings)
        else:
            check_trl(trl, grpo, settings, backbone, config.is_nano)
        check_adapters(backbone.model, settings)
        tasks = [
            RolloutTask(to_request(q), q.item, builder.prompt(to_request(q), config.rationale))
            for q in _select_users(questions, config.share, run)
        ]
        check_rollout_lengths(tasks, grpo.max_tokens, settings.max_length)
        reward = self.make_reward(tasks, data, run)
        sampler = self.make_sampler(builder, backbone, run)

        def train_on_rewards(model: Any) -> Any:
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
                trl=trl,
            )

        return train_on_rewards


def _select_users(
    questions: Sequence[TeacherQuestion], share: float, run: RunContext
) -> list[TeacherQuestion]:
    """Select a share of the questions, at least one, by a hash of their users; keep the order."""
    if share == 1:
        return list(questions)
    keys = seeds.derive_each([q.key for q in questions], "reinforce", run.seed)
    count = max(1, round(share * len(questions)))
    return [questions[index] for index in np.sort(np.argsort(keys, kind="stable")[:count])]
