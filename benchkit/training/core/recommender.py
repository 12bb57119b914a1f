"""The base class of all methods that train a language model."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError
from benchkit.evaluation.validation_ndcg import mean_validation_ndcg
from benchkit.lm.backbones import Backbone, make_engine_from_settings
from benchkit.lm.engines.hf import HFConfig, HFEngine
from benchkit.lm.recommender import LMRecommender
from benchkit.lm.teachers import make_teacher
from benchkit.lm.teachers.base import NoRationaleError, Rationale, TeacherQuestion
from benchkit.lm.teachers.questions import (
    build_earlier_questions,
    build_training_questions,
    training_users,
)
from benchkit.lm.teachers.sentence_encoder import check_encoder
from benchkit.lm.teachers.template import TemplateTeacherConfig
from benchkit.training.core.config import TrainConfig, merge_training_settings
from benchkit.training.core.defaults import (
    NANO_RATIONALE_DEFAULTS,
    NANO_RATIONALE_TARGETS,
    NANO_TRAINING_DEFAULTS,
    TRAINING_DEFAULTS,
)
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.fine_tuning_config import FineTunedConfig, NextItemConfig
from benchkit.training.core.preflight import check_training_config
from benchkit.types import RunContext, TrainView


class FineTunedRecommender(LMRecommender):
    """Load the backbone, train it by `train_model`, and ask the result in this process.

    A method implements `train_model`. It may override `explains` (answers carry rationales),
    `trains_rationales` and `caveats`.
    """

    Config: type[FineTunedConfig] = FineTunedConfig
    config: FineTunedConfig

    def __init__(self, config: FineTunedConfig | None = None) -> None:
        super().__init__(config)
        if not isinstance(self.config.engine, HFConfig):
            raise ConfigError(
                f"engine {self.config.engine.kind!r} cannot train a model",
                'set engine = { kind = "hf" }, or ask the trained model by zero-shot',
            )

    @property
    def dtype(self) -> str:
        """Number format of the backbone's weights.

        Weights that are trained without an adapter are float32 by default: in bfloat16, most of a
        small step would be rounded away.
        """
        trainings = [value for _, value in self.config if isinstance(value, TrainConfig)]
        without_adapter = [
            training.lora is None if "lora" in training.model_fields_set else self.config.is_nano
            for training in trainings
        ]
        return "float32" if super().dtype == "auto" and any(without_adapter) else super().dtype

    @property
    def trains_rationales(self) -> bool:
        """Whether the model is trained on rationales."""
        return self.explains

    @property
    def caveats(self) -> tuple[str, ...]:
        return (*super().caveats, *self.teacher_caveats)

    @property
    def teacher_caveats(self) -> tuple[str, ...]:
        """Origin of the training examples, as caveats, if it is not the data alone."""
        if not self.trains_rationales:
            return ()
        return (make_teacher(self.config.teacher, None, _no_engine).caveat,)

    @property
    def encoders(self) -> tuple[str, ...]:
        """Sentence encoders that the training needs."""
        teacher = self.config.teacher
        if self.trains_rationales and isinstance(teacher, TemplateTeacherConfig):
            return (teacher.encoder,)
        return ()

    def fit(self, data: TrainView, run: RunContext) -> None:
        for encoder in dict.fromkeys(self.encoders):
            check_encoder(encoder, run.device)
        backbone = self.load_backbone(data, run)
        model = self.train_backbone(backbone, data, run)
        self.predictor = self.make_predictor(self.engine(model, backbone))

    def train_backbone(self, backbone: Backbone, data: TrainView, run: RunContext) -> Any:
        """Train the backbone's model by `train_model` and return it.

        The run's catalogue becomes that of the training data: in a transfer task the items that
        are asked about later are other ones, and neither experts nor validation cases know them.
        """
        training_run = replace(run, catalog=data.catalog)
        return self.train_model(backbone, self.builder(backbone, data), data, training_run)

    @abstractmethod
    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        """Train the backbone's model and return it.

        Args:
            backbone: The model with its tokenizer and context length.
            builder: Writes prompts and responses as the method is asked later.
            data: Training interactions and validation cases.
            run: Seed, device, folders, progress, and the catalogue of `data`.
        """

    def engine(self, model: Any, backbone: Backbone) -> HFEngine:
        """Return an engine that asks `model`, which is the backbone or derived from it."""
        engine = self.config.engine
        config = engine if isinstance(engine, HFConfig) else None
        return HFEngine(model, backbone.tokenizer, config, backbone.context)

    def builder(self, backbone: Backbone, data: TrainView) -> ExampleBuilder:
        """Return a builder that writes examples as this method is asked later."""
        template = self.config.prompt_template
        return ExampleBuilder(
            template, backbone.tokenizer, data.catalog, self.prompt_budget(backbone.context)
        )

    def training_config(self, run: RunContext, **method: Any) -> TrainConfig:
        """Resolve `train`: the suite's settings, else the method's, else the backbone's."""
        return self.resolve_training_config(self.config.train, run, **method)

    def resolve_training_config(
        self, config: TrainConfig, run: RunContext, data: TrainView | None = None, **method: Any
    ) -> TrainConfig:
        """Fill in the settings that a suite has left out.

        Args:
            config: The suite's settings.
            run: Its device decides the precision.
            data: What is learnt, where several items of a user are: epochs are then fewer.
            method: The method's defaults; they take precedence over the backbone's.

        Raises:
            ConfigError: The result contradicts itself or does not fit the machine.
        """
        start = dict(NANO_TRAINING_DEFAULTS if self.config.is_nano else TRAINING_DEFAULTS)
        if self.config.is_nano and self.trains_rationales and "epochs" not in method:
            start |= NANO_RATIONALE_DEFAULTS
            if data is not None:
                start["epochs"] /= self.examples_per_user(data)
        if run.device == "cpu":
            start["precision"] = "float32"  # half precision saves nothing there
        explicit = {name: getattr(config, name) for name in config.model_fields_set}
        settings = validate_model(
            TrainConfig,
            merge_training_settings({**start, **method}, explicit),
            "training",
            hint="correct train or sft of the method",
        )
        check_training_config(settings, run.device)
        return settings

    def training_questions(
        self, data: TrainView, run: RunContext, negatives: int = 0
    ) -> list[TeacherQuestion]:
        """Return for each user in a row a question about the last item, then about negatives."""
        config = self.config
        return build_training_questions(
            data,
            negatives=negatives,
            candidates=config.candidates,
            seed=run.seed,
            limit=config.limit_users,
        )

    @property
    def targets_per_user(self) -> int:
        """Most training items of each user that fine-tuning learns to choose."""
        config = self.config
        if not isinstance(config, NextItemConfig):
            return 1
        if config.targets is not None:
            return config.targets
        free = self.trains_rationales and isinstance(config.teacher, TemplateTeacherConfig)
        return NANO_RATIONALE_TARGETS if free and config.is_nano else 1

    def examples_per_user(self, data: TrainView) -> float:
        """Return how many items fine-tuning learns to choose, of a user on average."""
        lengths = np.diff(data.interactions.offsets)[training_users(data, self.config.limit_users)]
        return float(np.minimum(lengths - 1, self.targets_per_user).mean()) if len(lengths) else 1.0

    def earlier_questions(self, data: TrainView, run: RunContext) -> list[TeacherQuestion]:
        """Return questions about the items before each user's last one, as `targets` has it."""
        count, limit = self.targets_per_user - 1, self.config.limit_users
        return build_earlier_questions(
            data, count, candidates=self.config.candidates, seed=run.seed, limit=limit
        )

    def supervised_examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
        item_weight: float = 1.0,
    ) -> list[Example]:
        """Return one example per question, without those the teacher cannot explain.

        Args:
            questions: What to train on.
            builder: Writes the examples.
            data: Its catalogue is shown to the teacher.
            run: Seed, device, cache and progress.
            item_weight: Of the item's tokens in the loss, relative to the rationale's.
        """
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
        """Return the validation cases as examples; their loss decides when fine-tuning stops.

        None if there are no cases or the teacher has no rationale for them; then all epochs are
        trained and the last weights are kept.
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
        """Return a function that computes NDCG@5 of a model on the validation cases.

        Candidates are scored as the method scores them later. None without validation cases.
        """
        cases = data.validation[: self.config.validation_cases]
        if not cases:
            return None

        def ndcg(model: Any) -> float:
            predictor = self.make_predictor(self.engine(model, backbone))
            answers = predictor.predict([case.request for case in cases], run)
            return mean_validation_ndcg(answers, cases, 5)

        return ndcg

    def write_rationales(
        self, questions: Sequence[TeacherQuestion], data: TrainView, run: RunContext
    ) -> list[Rationale]:
        """Let the teacher explain each question's item; returns usable and unusable rationales.

        Raises:
            NoRationaleError: No rationale is usable.
        """
        config = self.config.teacher
        if isinstance(config, TemplateTeacherConfig) and config.names_item is None:
            candidates_shown = self.config.prompt_template.show_candidates
            config = config.model_copy(update={"names_item": candidates_shown})
        teacher = make_teacher(
            config,
            run.cache,
            lambda settings: make_engine_from_settings(settings, data, run),
            run.device,
        )
        run.progress.start("rationales", len(questions))
        rationales = []
        for rationale in teacher.write(questions, data.catalog):
            rationales.append(rationale)
            run.progress.advance()
        unusable = sum(rationale.text is None for rationale in rationales)
        if unusable == len(rationales):
            raise NoRationaleError(
                f"the teacher wrote no usable rationale for {len(rationales)} questions",
                "look at the raw answers in the cache, or use another teacher",
            )
        run.progress.advance(0, note=f"{unusable} of {len(rationales)} unusable")
        return rationales


def _no_engine(_: Mapping[str, Any]) -> Any:
    raise AssertionError("a caveat needs no engine")
