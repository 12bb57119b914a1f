"""LLaRA: prompts with a vector of a sequential recommender behind the title of each item.

Liao et al., LLaRA: Large Language-Recommendation Assistant, SIGIR 2024.
"""

from dataclasses import fields
from typing import Any, ClassVar

from pydantic import PositiveFloat, PositiveInt

from baselines.experts import ExpertConfig
from baselines.hybrid.item_vectors import check_item_vectors, fit_item_vectors
from baselines.hybrid.next_items import known_items, next_items, to_training_requests
from baselines.hybrid.soft_prompts.curriculum import CurriculumObjective, draw_hybrid_steps
from baselines.hybrid.soft_prompts.examples import SoftExampleBuilder
from benchkit.lm.backbones import Backbone
from benchkit.lm.engines.hf import HFConfig
from benchkit.lm.injection.soft_prompts import (
    SoftPromptEngine,
    SoftPromptPredictor,
    add_placeholder,
    with_placeholders,
)
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import Template
from benchkit.lm.types import Engine
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import check_lengths
from benchkit.training.core.fine_tuning_config import FineTunedConfig
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.types import RunContext, TrainView

# The official code's for MovieLens. The curriculum ends with the training, so nothing stops it.
_LARGE = {
    "epochs": 5, "batch_size": 128, "micro_batch": 8, "learning_rate": 8e-4, "min_lr": 0.01,
    "schedule": "cosine_with_min_lr", "lora": LoRAConfig(r=8, alpha=32, dropout=0.1),
    "patience": None,
}  # fmt: skip
_NANO = {"epochs": 2, "patience": None}


class LLaRA(FineTunedRecommender):
    """Cross-entropy on the next title, by a curriculum from plain to hybrid prompts.

    Behind each title of a prompt stands a projection of the item's vector in a SASRec trained on
    the same data, which stays as it is. At step t of T a batch has these vectors with probability
    t / T, and else a vector that is the same for all items. Candidates are scored by the
    log-probability of their titles after hybrid prompts; items unknown in training have the
    common vector. The teacher is not used.
    """

    class Config(FineTunedConfig):
        """Settings of LLaRA."""

        templates: ClassVar[tuple[str, str]] = ("titles", "compact")
        expert: ExpertConfig = ExpertConfig()
        """Whose item vectors are put into prompts; it needs `item_embeddings`."""
        curriculum: bool = True
        """Begin with plain prompts; without it, all prompts are hybrid."""
        projector_lr: PositiveFloat | None = None
        """Learning rate of the projector; None: that of the model."""
        max_history: PositiveInt = 10
        """Newest items of a history that are read."""
        per_user: PositiveInt = 10
        """Newest training items of each user that are a response, each after what came before."""

        @property
        def soft_template(self) -> Template:
            """Return the template with a placeholder behind each item."""
            return with_placeholders(self.prompt_template, self.max_history)

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        check_item_vectors(self.config.expert)

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.items, self.index = data.catalog.ids, known_items(data)
        self.vectors = fit_item_vectors(self.config.expert, data, run)
        super().fit(data, run)

    def builder(self, backbone: Backbone, data: TrainView) -> SoftExampleBuilder:
        """Return a builder that writes hybrid prompts."""
        template = self.config.soft_template
        placeholder = add_placeholder(backbone.tokenizer)
        budget = self.prompt_budget(backbone.context)
        return SoftExampleBuilder(
            template, backbone.tokenizer, data.catalog, budget, placeholder, known_items(data)
        )

    def engine(self, model: Any, backbone: Backbone) -> SoftPromptEngine:
        """Return an engine that fills in the ids of items."""
        engine = self.config.engine
        config = engine if isinstance(engine, HFConfig) else None
        return SoftPromptEngine(model, backbone.tokenizer, config, backbone.context)

    def make_predictor(self, engine: Engine) -> LMPredictor:
        """Build what asks `engine` with hybrid prompts."""
        plain = super().make_predictor(engine)
        values = {field.name: getattr(plain, field.name) for field in fields(plain)}
        values["template"] = self.config.soft_template
        return SoftPromptPredictor(**values, index=self.index, items=self.items)

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from baselines.hybrid.soft_prompts.projector import make_soft_embeddings
        from benchkit.training.core.batch_sampler import StepPlan
        from benchkit.training.core.training_context import training_context
        from benchkit.training.train import train_on_objective

        config, model = self.config, backbone.model
        settings = self.training_config(run, **(_NANO if config.is_nano else _LARGE))
        items = next_items(data, config.per_user, config.max_history, config.limit_users)
        listed = config.candidates if builder.template.show_candidates else 1
        requests = to_training_requests(items, data, listed, run)
        examples = [builder.example(request, item) for request, item in requests]
        cases = data.validation[: config.validation_cases]
        validation = [builder.example(case.request, case.target) for case in cases]
        check_lengths(examples, settings.max_length)
        check_lengths(validation, settings.max_length, "validation example")
        soft = make_soft_embeddings(self.vectors, model, run)
        steps = StepPlan.from_config(settings, len(examples)).total_steps
        hybrid = draw_hybrid_steps(steps, run.generator("llara", "curriculum"))
        objective = CurriculumObjective(
            settings.train_on_prompt,
            module=soft,
            module_lr=config.projector_lr or settings.learning_rate,
            hybrid_steps=hybrid if config.curriculum else None,
        )
        identity = (config.model_dump(mode="json"), self.vectors.double().sum().item())
        with training_context(run.device):
            return train_on_objective(
                model, examples, objective, settings, run,
                validation=validation or None, identity=identity,
            )  # fmt: skip
