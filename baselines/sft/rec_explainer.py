"""RecExplainer: a language model learns to answer like another recommender.

Lei et al., RecExplainer: Aligning Large Language Models for Explaining Recommendation Models, KDD
2024; its behaviour alignment, with histories as text.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from baselines import experts
from baselines.experts import ExpertConfig
from baselines.sft.expert_tasks import RANK_TASK_ITEMS, ExpertTasks, TaskMixture
from benchkit.lm.backbones import Backbone
from benchkit.lm.prompts import load_template
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.sft import train_sft
from benchkit.types import Prediction, Recommender, Request, RunContext, TrainView

_TITLE_TOKENS = 64  # room for each title in an answer that is a list
PredictFunction = Callable[[Sequence[Request], RunContext], Iterable[Prediction]]


class RecExplainer(FineTunedRecommender):
    """Cross-entropy on the answers of a trained expert, and on descriptions of items.

    The expert's answers are its favourite item, its ranking of a few items, and whether it would
    recommend an item. The user's own next item is never a label, so accuracy is bounded by the
    expert's. The teacher is not used.
    """

    class Config(FineTunedConfig):
        """Settings of RecExplainer."""

        expert: ExpertConfig = ExpertConfig()
        """The recommender to learn from, trained on the same data."""
        tasks: TaskMixture = TaskMixture()
        """Number of examples of each task."""

    config: Config
    expert: Recommender
    agreement: float | None = None
    """Share of validation cases in which the model's best candidate is the expert's; set by `fit`,
    None without validation cases."""

    @property
    def caveats(self) -> tuple[str, ...]:
        name = self.config.expert.name
        return (*super().caveats, f"trained on the answers of {name}, not on the users' choices")

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.expert = self.config.expert.fit_expert(data, run)
        super().fit(data, run)
        # In a transfer task, the run's catalogue is another one.
        training_run = replace(run, catalog=data.catalog)
        requests = [case.request for case in data.validation[: self.config.validation_cases]]
        run.progress.start("agreement with the expert", len(requests))
        self.agreement = expert_agreement(self.predict, self.expert, requests, training_run)
        note = "" if self.agreement is None else f"{self.agreement:.1%} of {len(requests)} cases"
        run.progress.advance(len(requests), note=note)

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        questions = self.training_questions(data, run)
        tasks = self.tasks(builder, data, run)
        cases = validation_questions(data.validation, config.validation_cases)
        requests = [to_request(case) for case in cases if case.history]
        validation = [
            tasks.next_item_example(request, scores)
            for request, scores in zip(requests, tasks.unseen_scores(requests), strict=True)
        ]
        examples = list(tasks.examples(questions, config.tasks))
        return train_sft(
            backbone.model, examples, self.training_config(run), run, validation=validation or None
        )

    def tasks(self, builder: ExampleBuilder, data: TrainView, run: RunContext) -> ExpertTasks:
        """Return the tasks of the fitted expert, with prompts that leave room for their answers."""
        limit = list_limit = builder.prompt_tokens
        if limit is not None:
            # A model with a short context has short titles; it gets half of it for the prompt.
            list_limit = max(limit // 2, limit - (RANK_TASK_ITEMS - 1) * _TITLE_TOKENS)
        return ExpertTasks(
            self.expert,
            builder,
            replace(builder, template=load_template("compact-list"), prompt_tokens=list_limit),
            replace(builder, template=load_template("compact-interest")),
            run,
        )


def expert_agreement(
    predict: PredictFunction, expert: Recommender, requests: Sequence[Request], run: RunContext
) -> float | None:
    """Compute the share of requests in which the top candidate of `predict` is the expert's.

    Of t candidates that tie at the top, each counts 1 / t. None without requests.
    """
    if not requests:
        return None
    hits = 0.0
    rows = experts.expert_scores(expert, requests, run)
    for prediction, expert_row in zip(predict(requests, run), rows, strict=True):
        if prediction.scores is None:
            continue
        scores = np.asarray(prediction.scores)
        top = scores == scores.max()
        hits += float(top[expert_row.argmax()] / top.sum())
    return hits / len(requests)
