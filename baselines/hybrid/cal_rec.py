"""CALRec: a language model that writes the next item, with users and items aligned by contrast.

Li et al., CALRec: Contrastive Alignment of Generative LLMs for Sequential Recommendation, RecSys
2024.
"""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from baselines.hybrid.cal.alignment import AlignmentObjective
from baselines.hybrid.cal.item_texts import item_text_examples, start_ids
from baselines.hybrid.cal.predictor import CALRecPredictor
from benchkit.errors import ConfigError
from benchkit.lm.backbones import Backbone
from benchkit.lm.timing import record_stage_cost
from benchkit.lm.tokenization import end_of_turn
from benchkit.lm.types import Engine
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import check_lengths
from benchkit.training.core.fine_tuning_config import FineTunedConfig
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.types import RunContext, TrainView

# Negatives are those of a micro-batch, so that it is as large as memory allows.
NANO_ALIGNMENT_DEFAULTS = {"epochs": 3}
ALIGNMENT_DEFAULTS = {"epochs": 2, "micro_batch": 32, "learning_rate": 1e-4}


class CALRec(FineTunedRecommender):
    """Cross-entropy on the next item's text and two contrasts, in two stages.

    The first stage trains on the last interactions of all users, whatever their items are; the
    second on the last one of each user, in the target domain. The teacher is not used, and
    `candidates` neither: prompts list none.
    """

    class Config(FineTunedConfig):
        """Settings of CALRec; `train` is the second stage."""

        joint: TrainConfig = TrainConfig()
        """The first stage, on all categories."""
        per_user: PositiveInt = 4
        """Examples per user in the first stage: the last so many interactions of training."""
        domain: tuple[str, str] | None = None
        """Column of the catalogue and a text in it; the second stage trains on items with it alone,
        as ["genres", "Drama"]. None: on all."""
        alpha: NonNegativeFloat = 0.125
        """Weight of the contrast between an item's text alone and the same text after a history."""
        beta: NonNegativeFloat = 0.025
        """Weight of the contrast between histories and items."""
        tau: PositiveFloat = 0.5
        """Temperature of both contrasts."""
        score: Literal["cosine", "logprob"] = "logprob"
        """Candidates are scored by the cosine of their vector with the history's, or by the
        log-probability of their text."""
        texts: PositiveInt = 32
        """Texts drawn for a list, from which BM25 finds the items."""
        text_temperature: float = Field(default=0.5, ge=0)
        """Temperature of these texts."""

        templates: ClassVar[tuple[str, str]] = ("purchases", "compact")

        @model_validator(mode="after")
        def _generation_counts(self) -> Self:
            if self.alpha + self.beta >= 1:
                raise ValueError(
                    "alpha + beta must be below 1: the rest is the generation's weight"
                )
            return self

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        template = self.config.prompt_template
        if template.show_candidates or template.response.item != "title":
            raise ConfigError(
                f"template {self.config.template_name!r} lists candidates, or asks for more than an"
                " item's text",
                "use purchases or compact, or a template like them",
            )

    @property
    def caveats(self) -> tuple[str, ...]:
        drawn = f"{self.config.texts} texts at temperature {self.config.text_temperature:g}"
        return (*super().caveats, f"sampled: the ranking by BM25 of {drawn}, whatever the suite's")

    def make_predictor(self, engine: Engine) -> CALRecPredictor:
        config, base = self.config, super().make_predictor(engine)
        return CALRecPredictor(
            **{name: getattr(base, name) for name in type(base).__dataclass_fields__},
            score=config.score,
            texts=config.texts,
            temperature=config.text_temperature,
        )

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from benchkit.training.core.lora import check_adapters, merge_adapter
        from benchkit.training.core.training_context import training_context
        from benchkit.training.train import train_on_objective

        config, tokenizer = self.config, backbone.tokenizer
        defaults = NANO_ALIGNMENT_DEFAULTS if config.is_nano else ALIGNMENT_DEFAULTS
        joint = self.resolve_training_config(config.joint, run, **defaults, purpose="joint")
        target = self.training_config(run, **defaults, purpose="target")
        check_adapters(backbone.model, joint, target)
        limit = config.limit_users
        stages = [
            (joint, item_text_examples(builder, data, config.per_user, limit)),
            (target, item_text_examples(builder, data, 1, limit, config.domain)),
        ]
        for settings, examples in stages:
            check_lengths(examples, settings.max_length)
        objective = AlignmentObjective(
            config.alpha, config.beta, config.tau, start_ids(tokenizer), len(end_of_turn(tokenizer))
        )
        validate = self.make_validation_metric(backbone, data, run)
        model = backbone.model
        for settings, examples in stages:
            with training_context(run.device), record_stage_cost(run, "sft"):
                model = train_on_objective(
                    merge_adapter(model), examples, objective, settings, run, validate,
                    identity=repr(objective),
                )  # fmt: skip
        return model
