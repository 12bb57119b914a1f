"""RecExplainer: a language model learns to answer like another recommender.

Lei et al., RecExplainer: Aligning Large Language Models for Explaining Recommendation Models, KDD
2024.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from baselines.sft.explainer.agreement import expert_agreement
from baselines.sft.explainer.expert_examples import make_tasks, training_examples
from baselines.sft.explainer.expert_vectors import ExplainerPredictor
from baselines.sft.explainer.explanations import explain_best
from baselines.sft.explainer.settings import RecExplainerConfig, check_vectors
from baselines.sft.explainer.user_vectors import UserVectors
from benchkit.lm.backbones import Backbone
from benchkit.lm.engines.hf import HFConfig, HFEngine
from benchkit.lm.injection.soft_prompts import SoftPromptEngine, add_placeholder
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.types import Engine
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import check_lengths
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.training.sft import train_sft
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView


class RecExplainer(FineTunedRecommender):
    """Cross-entropy on the answers of a trained expert, and on what items and users are.

    The expert's answers are its favourite item, its ranking of a few items, and whether it would
    recommend an item. The user's own next item is never a label, so accuracy is bounded by the
    expert's. By `behaviour` alignment the history is text; by `intention` it is the vector that
    the expert has of the user, which a connector maps into the model's input; `hybrid` has both.
    The teacher is not used.
    """

    Config = RecExplainerConfig
    config: RecExplainerConfig
    expert: Any
    table: Any = None
    """The expert's vectors in the model; None for behaviour alignment."""
    agreement: float | None = None
    """Share of validation cases in which the model's best candidate is the expert's; set by `fit`,
    None without validation cases."""

    def __init__(self, config: RecExplainerConfig | None = None) -> None:
        super().__init__(config)
        check_vectors(self.config)

    @property
    def capabilities(self) -> frozenset[Capability]:
        explains: set[Capability] = {"explains"} if self.config.explain else set()
        return super().capabilities | explains

    @property
    def caveats(self) -> tuple[str, ...]:
        name = self.config.expert.name
        return (*super().caveats, f"trained on the answers of {name}, not on the users' choices")

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.expert = self.config.expert.fit_expert(data, run)
        self.training_ids = data.catalog.ids
        super().fit(data, run)
        # In a transfer task, the run's catalogue is another one.
        training_run = replace(run, catalog=data.catalog)
        requests = [case.request for case in data.validation[: self.config.validation_cases]]
        run.progress.start("agreement with the expert", len(requests))
        self.agreement = expert_agreement(self._rank, self.expert, requests, training_run)
        note = "" if self.agreement is None else f"{self.agreement:.1%} of {len(requests)} cases"
        run.progress.advance(len(requests), note=note)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        predictions = self._rank(requests, run)
        if self.config.explain:
            predictor = self._predictor_of(requests, run)
            tokens = self.config.max_rationale_tokens
            # At once: the vectors of other users may take the place of these.
            predictions = list(explain_best(predictor, requests, predictions, run.catalog, tokens))
        return iter(predictions)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        # At once: the vectors of other users may take the place of these.
        return iter(list(self._predictor_of(requests, run).sample(requests, run)))

    def _rank(self, requests: Sequence[Request], run: RunContext) -> list[Prediction]:
        return list(self._predictor_of(requests, run).predict(requests, run))

    def _predictor_of(self, requests: Sequence[Request], run: RunContext) -> LMPredictor:
        """Return what asks about these users, whose vectors are loaded."""
        if self.table is None or not isinstance(self.predictor, ExplainerPredictor):
            return self.predictor
        same = run.catalog.ids == self.training_ids
        users = UserVectors(run.catalog.index if same else {}, len(self.training_ids))
        for request in requests:
            users.code(request)
        self.table.load_users(users.histories)
        return replace(self.predictor, users=users)

    def engine(self, model: Any, backbone: Backbone) -> HFEngine:
        """Return an engine that fills in vectors, if prompts have any."""
        if self.config.alignment == "behaviour":
            return super().engine(model, backbone)
        engine = self.config.engine
        config = engine if isinstance(engine, HFConfig) else None
        return SoftPromptEngine(model, backbone.tokenizer, config, backbone.context)

    def make_predictor(self, engine: Engine) -> LMPredictor:
        """Build what asks `engine` in the way of this method."""
        config = self.config
        return ExplainerPredictor.from_predictor(
            super().make_predictor(engine), config.alignment, config.max_history
        )

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config, model = self.config, backbone.model
        settings = self.training_config(run, **config.training_defaults)
        users = UserVectors(data.catalog.index, len(data.catalog))
        if config.alignment != "behaviour":
            add_placeholder(backbone.tokenizer)
        tasks = make_tasks(self.expert, builder, config.alignment, config.max_history, users, run)
        questions = self.training_questions(data, run)
        examples = training_examples(tasks, questions, config.tasks, settings.max_length)
        validation = tasks.next_items(data.validation[: config.validation_cases])
        if config.alignment == "behaviour":
            return train_sft(model, examples, settings, run, validation=validation or None)
        from baselines.sft.explainer.connectors import VectorTable, train_with_connectors

        check_lengths(examples, settings.max_length)
        check_lengths(validation, settings.max_length, "validation example")
        self.table = VectorTable(self.expert, model, run)
        self.table.load_users(users.histories)
        identity = config.model_dump(mode="json")
        return train_with_connectors(
            model, examples, self.table, settings, run, validation, identity
        )
