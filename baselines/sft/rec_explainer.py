"""RecExplainer: a language model learns to answer as another recommender does.

Lei et al., RecExplainer: Aligning Large Language Models for Explaining Recommendation Models, KDD
2024; its behaviour alignment, in which histories are texts.
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
from benchkit.lm.teachers import build_training_questions
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.core.sft import train_sft
from benchkit.types import Prediction, Recommender, Request, RunContext, TrainView

_TITLE_TOKENS = 64  # room for each title in the answer of a list
PredictFunction = Callable[[Sequence[Request], RunContext], Iterable[Prediction]]


class RecExplainer(FineTunedRecommender):
    """Cross-entropy on the answers of a trained expert: its favourite item, its ranking of a few
    items, whether it would recommend an item; and on what items are. The user's own next item is
    never a label, so that accuracy is bounded by the expert's.

    agreement: share of validation cases in which the model's best candidate is the expert's; known
    once it is fitted, None without validation cases.
    """

    class Config(FineTunedConfig):
        """Hyper-parameters, besides those of every trained language model.

        expert: who is learnt from; it is trained on the same data. tasks: how many examples of
        each. The teacher is not asked.
        """

        expert: ExpertConfig = ExpertConfig()
        tasks: TaskMixture = TaskMixture()

    config: Config
    expert: Recommender
    agreement: float | None = None

    @property
    def caveats(self) -> tuple[str, ...]:
        name = self.config.expert.name
        return (*super().caveats, f"trained on the answers of {name}, not on the users' choices")

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.expert = self.config.expert.fit_expert(data, run)
        super().fit(data, run)
        own = replace(run, catalog=data.catalog)  # in a transfer task the run's is another
        asked = [case.request for case in data.validation[: self.config.validation_cases]]
        run.progress.start("agreement with the expert", len(asked))
        self.agreement = expert_agreement(self.predict, self.expert, asked, own)
        note = "" if self.agreement is None else f"{self.agreement:.1%} of {len(asked)} cases"
        run.progress.advance(len(asked), note=note)

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        questions = build_training_questions(
            data, candidates=config.candidates, seed=run.seed, limit=config.limit_users
        )
        tasks = self.tasks(builder, data, run)
        cases = validation_questions(data.validation, config.validation_cases)
        checked = [to_request(case) for case in cases if case.history]
        validation = [
            tasks.next_item_example(request, scores)
            for request, scores in zip(checked, tasks.unseen_scores(checked), strict=True)
        ]
        examples = list(tasks.examples(questions, config.tasks))
        return train_sft(
            backbone.model, examples, self.training_config(run), run, validation=validation or None
        )

    def tasks(self, builder: ExampleBuilder, data: TrainView, run: RunContext) -> ExpertTasks:
        """The tasks of the fitted expert, with prompts that fit beside their answers."""
        limit = builder.prompt_tokens
        # Half is left to the prompt where a model reads little; its titles are short, then.
        listed = (
            None
            if limit is None
            else max(limit // 2, limit - (RANK_TASK_ITEMS - 1) * _TITLE_TOKENS)
        )
        return ExpertTasks(
            self.expert,
            builder,
            replace(builder, template=load_template("compact-list"), prompt_tokens=listed),
            replace(builder, template=load_template("compact-interest")),
            replace(run, catalog=data.catalog),
        )


def expert_agreement(
    predict: PredictFunction, expert: Recommender, requests: Sequence[Request], run: RunContext
) -> float | None:
    """Share of requests in which the candidate that `predict` scores highest is the expert's
    favourite; t candidates that tie at the top count 1 / t. None without requests."""
    if not requests:
        return None
    hits = 0.0
    ranked = experts.expert_scores(expert, requests, run)
    for prediction, own in zip(predict(requests, run), ranked, strict=True):
        if prediction.scores is None:
            continue
        scores = np.asarray(prediction.scores)
        top = scores == scores.max()
        hits += float(top[own.argmax()] / top.sum())
    return hits / len(requests)
