"""RosePO (Liao et al., 2024): one rejected item, chosen for a purpose, and smoothed labels.

With M the lead of the chosen response and eps the probability that the rejected item is in truth
the better one,
    L = (1 - eps) softplus(-beta M) + eps softplus(beta M)
(the form is inferred, METHODS: 3.7; no code is public). Its gradient is zero where
beta M = ln((1 - eps) / eps), so a doubtful pair is not pushed apart indefinitely. Some secondary
descriptions have eps as a margin instead, L = softplus(eps - beta M): `uncertainty = "margin"`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from baselines.experts import ExpertConfig, expert_scores
from baselines.preference.hard_negatives import (
    best_wrong_candidate,
    draw_popular_negatives,
    draw_similar_negatives,
    insert_negative,
)
from baselines.preference.label_smoothing import MAX_SMOOTHING, label_smoothing
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import Recommender, RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor


class RosePO(PreferenceRecommender):
    """Conservative DPO with a smoothing of its own for each pair.

    The rejected item is always among the prompt's candidates: it takes the position of a random
    one if it was not.
    """

    class Config(PreferenceConfig):
        """Settings of RosePO."""

        negatives: PositiveInt = Field(default=1, le=1)
        rejected: Literal["self_hard", "similar", "popular"] = "self_hard"
        """The fine-tuned model's best wrong candidate, an item similar to the history, or one
        drawn by popularity; always one that the user did not have."""
        nearest: PositiveInt = 10
        """Number of most similar items from which `similar` draws."""
        similarity: ExpertConfig = ExpertConfig(name="item-knn")
        """Recommender whose scores are the similarity to the history."""
        eps: float | None = Field(default=None, ge=0, le=MAX_SMOOTHING)
        """Smoothing of all pairs; None takes it from the expert's scores of the two items."""
        uncertainty: Literal["labels", "margin"] = "labels"
        """Whether eps smooths the labels, or is the lead that the chosen response must have."""
        expert: ExpertConfig = ExpertConfig()
        """Recommender whose scores give the smoothing."""
        beta: PositiveFloat = 0.1
        """Strength beta of the pull towards the reference."""

    config: Config
    max_rejected = 1
    expert: Recommender | None = None  # fitted once for preferences before and after rewriting

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.expert = None
        super().fit(data, run)

    def questions(self, data: TrainView, run: RunContext) -> list[TeacherQuestion]:
        config = self.config
        if config.rejected == "self_hard":  # a random one until the model can be asked
            return super().questions(data, run)
        chosen = self.training_questions(data, run)
        if config.rejected == "popular":
            rejected = draw_popular_negatives(chosen, data, run)
        else:
            expert = config.similarity.fit_expert(data, run)
            rejected = draw_similar_negatives(chosen, expert, config.nearest, data, run)
        questions: list[TeacherQuestion] = []
        for question, item in zip(chosen, rejected, strict=True):
            questions += insert_negative(question, item, run)
        return questions

    def rewrite_preferences(
        self,
        preferences: list[Preference],
        model: Any,
        backbone: Backbone,
        data: TrainView,
        run: RunContext,
    ) -> list[Preference]:
        config = self.config
        if config.rejected != "self_hard" or config.preferences is not None:
            return preferences
        run.progress.start("own mistakes", len(preferences))
        predictor = self.make_predictor(self.engine(model, backbone))
        answers = predictor.predict([p.request for p in preferences], run)
        questions = []
        for preference, answer in zip(preferences, answers, strict=True):
            item = preference.rejected[0].item  # remains if the model gives no usable answer
            if answer.scores is not None:
                item = best_wrong_candidate(preference, answer.scores)
            chosen = TeacherQuestion(
                preference.key, preference.history, preference.candidates, preference.chosen.item
            )
            questions += [chosen, replace(chosen, item=item)]
            run.progress.advance()
        return self.filter_preferences(self.build_preferences(questions, data, run), run)

    def fields(
        self, preferences: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        config = self.config
        if config.eps is not None:
            return [{"eps": (config.eps,) * 2} for _ in preferences]
        if self.expert is None:
            self.expert = config.expert.fit_expert(data, run)
        requests = [
            replace(p.request, candidates=(p.chosen.item, p.rejected[0].item, *p.candidates))
            for p in preferences
        ]
        return [
            {"eps": (label_smoothing(row, config.expert.gives_logits),) * 2}
            for row in expert_scores(self.expert, requests, run)
        ]

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        beta, is_margin = self.config.beta, self.config.uncertainty == "margin"

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            eps = fields["eps"][:, 0]
            if is_margin:
                return PairTerms(beta=beta, margin=eps[:, None])
            return PairTerms(beta=beta, smoothing=eps)

        return PreferenceLoss("logistic", pairs, **self.loss_options)
