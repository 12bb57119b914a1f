"""RecLM: lists learnt from an expert, then PPO on rewards of items and lists (RecLM-gen).

Lu et al., Aligning Large Language Models for Controllable Recommendations, ACL 2024.
"""

from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from baselines.experts import ExpertConfig
from baselines.rl.list_predictor import ListPredictor
from baselines.rl.list_prompts import LONG_LISTS, SHORT_LISTS, ListWording, list_template
from baselines.rl.list_rollouts import ListSampler, ListSettings, teacher_ranks
from baselines.rl.list_tasks import ListMixture, ListTasks
from benchkit.lm.backbones import Backbone
from benchkit.lm.prompts import Template
from benchkit.lm.types import Engine
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.fine_tuning_config import FineTunedConfig
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.training.rl.ppo_settings import PPOSettings
from benchkit.training.rl.rollouts import RolloutTask, check_rollout_lengths, require_one_process
from benchkit.types import RunContext, TrainView

NANO_LIST_DEFAULTS = {"epochs": 3, "min_steps": 500}
NANO_PPO_DEFAULTS = {
    "purpose": "reinforce", "epochs": 0.5, "batch_size": 32, "learning_rate": 1e-4,
    "max_grad_norm": 0.5, "evaluate_every": 0.25,
}  # fmt: skip
# RecLM-gen's, but for epochs and the size of a step.
LIST_DEFAULTS = {"epochs": 3, "learning_rate": 1e-4, "lora": LoRAConfig(r=16, alpha=8)}
PPO_DEFAULTS = {
    "purpose": "reinforce", "epochs": 2, "batch_size": 16, "micro_batch": 2, "learning_rate": 5e-6,
    "max_grad_norm": 0.5, "evaluate_every": 0.25, "lora": LoRAConfig(r=4, alpha=2),
}  # fmt: skip


class RecLM(FineTunedRecommender):
    """Fine-tuning on lists, the target first and an expert's favourites after it, then PPO.

    The teacher is not used: the expert is.
    """

    class Config(FineTunedConfig):
        """Settings of RecLM; `train` is PPO, a step of which is a round of answers."""

        sft: TrainConfig = TrainConfig()
        """Fine-tuning on lists that comes first; its result is the reference."""
        expert: ExpertConfig = ExpertConfig()
        """Recommender whose ranking fills the lists and rewards items."""
        tasks: ListMixture | None = None
        """Lists of the fine-tuning; None: the paper's, for nano without listed candidates."""
        lists: ListSettings = ListSettings()
        """Lists that PPO draws and evaluation asks for."""
        listed: bool | None = None
        """Whether their prompts list the candidates; None: as the template does."""
        share: float = Field(default=1.0, gt=0, le=1)
        """Share of users whose prompts PPO uses, the first of them."""
        ppo: PPOSettings = PPOSettings()
        """The loss of PPO; kl is its divergence's coefficient."""

        templates: ClassVar[tuple[str, str]] = ("titles", "compact")

    config: Config

    @property
    def wording(self) -> ListWording:
        """The words of the prompts."""
        return SHORT_LISTS if self.config.is_nano else LONG_LISTS

    @property
    def template(self) -> Template:
        """The prompt that PPO and evaluation ask by."""
        base = self.config.prompt_template
        listed = base.show_candidates if self.config.listed is None else self.config.listed
        return list_template(base, self.wording, self.config.lists.count, listed)

    @property
    def constrained(self) -> bool:
        """Whether the entries of PPO's lists are drawn among the candidates."""
        choice = self.config.lists.constrained
        return self.config.is_nano if choice is None else choice

    @property
    def caveats(self) -> tuple[str, ...]:
        name = self.config.expert.name
        return (
            *super().caveats,
            f"lists are filled and items are rewarded as {name} ranks them",
            "sampled: one list is drawn, whose entries are the samples in order",
        )

    def make_predictor(self, engine: Engine) -> ListPredictor:
        base = super().make_predictor(engine)
        values = {name: getattr(base, name) for name in type(base).__dataclass_fields__}
        return ListPredictor(**{**values, "template": self.template})

    def prompt_budget(self, context: int | None) -> int:
        """Leave room for a list."""
        limit = super().prompt_budget(context)
        room = self.config.lists.max_tokens
        return limit if context is None else min(limit, max(1, context - room))

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from benchkit.training.core.lora import check_adapters, merge_adapter
        from benchkit.training.rl.ppo_trainer import train_ppo
        from benchkit.training.sft import load_or_train_sft

        config, nano = self.config, self.config.is_nano
        settings = self.training_config(run, **(NANO_PPO_DEFAULTS if nano else PPO_DEFAULTS))
        require_one_process(settings)
        supervised = self.resolve_training_config(
            config.sft, run, **(NANO_LIST_DEFAULTS if nano else LIST_DEFAULTS), purpose="sft"
        )
        check_adapters(backbone.model, supervised, settings)
        questions = self.training_questions(data, run)
        asking = replace(builder, template=self.template)
        tasks = [
            RolloutTask(to_request(q), q.item, asking.prompt(to_request(q)))
            for q in questions[: max(1, round(config.share * len(questions)))]
        ]
        check_rollout_lengths(tasks, config.lists.max_tokens, settings.max_length)
        expert = config.expert.fit_expert(data, run)
        mixture = config.tasks or (ListMixture(listed=0.0) if nano else ListMixture())
        lists = ListTasks(expert, builder, self.wording, mixture, run)
        cases = validation_questions(data.validation, config.validation_cases)
        model = load_or_train_sft(
            backbone.model,
            list(lists.examples(questions, data)),
            supervised,
            run,
            validation=lists.validation(cases) or None,
        )
        bounded = self.constrained or self.template.show_candidates
        sampler = ListSampler(
            asking,
            lambda policy: self.make_predictor(self.engine(policy, backbone)),
            teacher_ranks(expert, tasks, data.catalog, run, bounded),
            config.lists.model_copy(update={"constrained": self.constrained}),
            run,
        )
        return train_ppo(
            merge_adapter(model), tasks, sampler.draw, config.ppo, settings, run,
            self.make_validation_metric(backbone, data, run),
            log=(run.artifacts or run.scratch) / "rewards.jsonl",
        )  # fmt: skip
