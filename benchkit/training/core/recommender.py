"""What all methods that train a language model share."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, PositiveInt

from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError
from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.lm.backbones import Backbone, make_engine_from_settings
from benchkit.lm.config import LMConfig
from benchkit.lm.engines.hf import HFConfig, HFEngine
from benchkit.lm.prompts import load_template
from benchkit.lm.recommender import LMRecommender
from benchkit.lm.teachers import TeacherConfig, TemplateTeacherConfig, make_teacher
from benchkit.lm.teachers.base import NoRationaleError, Rationale, TeacherQuestion
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.preflight import check_training_config
from benchkit.types import RunContext, TrainView

# What training starts from where a suite says nothing: nano is small enough to be trained as a
# whole; larger models get adapters, with C-APO's settings (section 5.1).
NANO_TRAINING_DEFAULTS: Mapping[str, Any] = {
    "epochs": 8, "batch_size": 32, "learning_rate": 1e-3, "patience": 2, "max_length": 1024,
}  # fmt: skip
# Where sentences are to be learnt, too. A higher learning rate is faster, but leaves rationales
# without an end, and results at the mercy of rounding.
NANO_RATIONALE_DEFAULTS: Mapping[str, Any] = {"epochs": 16}
TRAINING_DEFAULTS: Mapping[str, Any] = {
    "epochs": 2, "batch_size": 32, "micro_batch": 4, "learning_rate": 5e-5, "patience": 2,
    "schedule": "cosine_with_min_lr", "lora": LoRAConfig(), "gradient_checkpointing": True,
    "precision": "bfloat16", "max_length": 12_000,
}  # fmt: skip


class FineTunedConfig(LMConfig):
    """Settings of a method that trains its backbone.

    train: of the training; what is not given follows the backbone. limit_users: train on so many
    users only, chosen by a hash. candidates: in a training prompt, the target among them.
    validation_cases: how many decide when to stop. teacher: who writes rationales.
    """

    train: TrainConfig = TrainConfig()
    limit_users: PositiveInt | None = None
    candidates: int = Field(default=30, ge=2)
    validation_cases: PositiveInt = 300
    teacher: TeacherConfig = TemplateTeacherConfig()


class FineTunedRecommender(LMRecommender):
    """Loads the backbone, trains it by `tuned`, and asks the result in this process."""

    Config: type[FineTunedConfig] = FineTunedConfig
    config: FineTunedConfig

    def __init__(self, config: FineTunedConfig | None = None) -> None:
        super().__init__(config)
        if not isinstance(self.config.engine, HFConfig):
            raise ConfigError(
                f"engine {self.config.engine.kind!r} cannot train a model",
                'take engine = { kind = "hf" }, or ask the trained model by zero-shot',
            )

    @property
    def dtype(self) -> str:
        """Weights that are trained themselves, without an adapter, are float32 by default: in
        bfloat16 most of a small step would be rounded away."""
        trainings = [own for _, own in self.config if isinstance(own, TrainConfig)]
        whole = [
            own.lora is None if "lora" in own.model_fields_set else self.config.is_nano
            for own in trainings
        ]
        return "float32" if super().dtype == "auto" and any(whole) else super().dtype

    @property
    def trains_rationales(self) -> bool:
        """Whether it is trained on rationales."""
        return self.explains

    @property
    def caveats(self) -> tuple[str, ...]:
        return (*super().caveats, *self.teacher_caveats)

    @property
    def teacher_caveats(self) -> tuple[str, ...]:
        """Where the examples come from that it is trained on, if not from the data alone."""
        if not self.trains_rationales:
            return ()
        return (make_teacher(self.config.teacher, None, _no_engine).caveat,)

    def fit(self, data: TrainView, run: RunContext) -> None:
        backbone = self.load_backbone(data, run)
        model = self.train_model(backbone, self.builder(backbone, data), data, run)
        self.predictor = self.make_predictor(self.engine(model, backbone))

    @abstractmethod
    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        """The trained model."""

    def engine(self, model: Any, backbone: Backbone) -> HFEngine:
        """Asks `model`, which is the backbone or made from it."""
        settings = self.config.engine
        own = settings if isinstance(settings, HFConfig) else None
        return HFEngine(model, backbone.tokenizer, own, backbone.context)

    def builder(self, backbone: Backbone, data: TrainView) -> ExampleBuilder:
        """Writes examples as this method is asked later."""
        template = load_template(self.config.template_name)
        return ExampleBuilder(
            template, backbone.tokenizer, data.catalog, self.prompt_budget(backbone.context)
        )

    def training_config(self, run: RunContext, **method: Any) -> TrainConfig:
        """Settings of `train`: the suite's, else the method's, else the backbone's."""
        return self.resolve_training_config(self.config.train, run, **method)

    def resolve_training_config(
        self, own: TrainConfig, run: RunContext, **method: Any
    ) -> TrainConfig:
        """What a suite has left open in `own` is filled in.

        Raises ConfigError where it then contradicts itself or the machine.
        """
        start = dict(NANO_TRAINING_DEFAULTS if self.config.is_nano else TRAINING_DEFAULTS)
        if self.config.is_nano and self.trains_rationales:
            start |= NANO_RATIONALE_DEFAULTS
        if run.device == "cpu":
            start["precision"] = "float32"  # half precision saves nothing there
        given = {name: getattr(own, name) for name in own.model_fields_set}
        settings = validate_model(
            TrainConfig,
            {**start, **method, **given},
            "training",
            hint="correct train, or sft, of the method",
        )
        check_training_config(settings, run.device)
        return settings

    def supervised_examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
        item_weight: float = 1.0,
    ) -> list[Example]:
        """One example a question; without those for which the teacher has no rationale."""
        if not self.trains_rationales:
            return [builder.example(to_request(q), q.item) for q in questions]
        return [
            builder.example(to_request(q), q.item, r.text, item_weight=item_weight)
            for q, r in zip(questions, self.write_rationales(questions, data, run), strict=True)
            if r.text is not None
        ]

    def validation_examples(
        self, builder: ExampleBuilder, data: TrainView, run: RunContext, item_weight: float = 1.0
    ) -> list[Example] | None:
        """What decides when fine-tuning stops: validation targets, as training targets are.

        None without validation cases, or where the teacher has no rationale for them: all epochs
        are trained then, and the last weights are kept.
        """
        cases = validation_questions(data.validation, self.config.validation_cases)
        try:
            return (
                self.supervised_examples(cases, builder, data, run, item_weight) if cases else None
            )
        except NoRationaleError as error:
            run.progress.advance(0, note=f"{error.cause}: fine-tuning keeps its last weights")
            return None

    def make_validation_metric(
        self, backbone: Backbone, data: TrainView, run: RunContext
    ) -> Callable[[Any], float] | None:
        """NDCG@5 of the validation cases, scored as the method is; what training is stopped by."""
        cases = data.validation[: self.config.validation_cases]
        if not cases:
            return None
        target = [case.request.candidates.index(case.target) for case in cases]
        metric = NDCG(5)

        def ndcg(model: Any) -> float:
            asked = self.make_predictor(self.engine(model, backbone))
            answers = asked.predict([case.request for case in cases], run)
            scores = [p.scores for p in answers]
            answered = [s is not None for s in scores]
            blank = [0.0] * len(cases[0].request.candidates)
            ranks = ranks_from_scores([s or blank for s in scores], target, answered)
            return float(np.mean(metric.values(ranks)))

        return ndcg

    def write_rationales(
        self, questions: Sequence[TeacherQuestion], data: TrainView, run: RunContext
    ) -> list[Rationale]:
        """What the teacher says to `questions`, in their order, usable or not.

        Raises NoRationaleError when nothing of it is usable.
        """
        chosen = self.config.teacher
        if isinstance(chosen, TemplateTeacherConfig) and chosen.names_item is None:
            seen = load_template(self.config.template_name).show_candidates
            chosen = TemplateTeacherConfig(names_item=seen)
        teacher = make_teacher(
            chosen, run.cache, lambda settings: make_engine_from_settings(settings, data, run)
        )
        run.progress.start("rationales", len(questions))
        written = []
        for rationale in teacher.write(questions, data.catalog):
            written.append(rationale)
            run.progress.advance()
        unusable = sum(rationale.text is None for rationale in written)
        if unusable == len(written):
            raise NoRationaleError(
                f"the teacher wrote no usable rationale for {len(written)} questions",
                "see the raw answers in the cache, or take another teacher",
            )
        run.progress.advance(0, note=f"{unusable} of {len(written)} unusable")
        return written


def _no_engine(_: Mapping[str, Any]) -> Any:
    raise AssertionError("a remark needs no engine")
