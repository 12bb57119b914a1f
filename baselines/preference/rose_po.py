"""RosePO (Liao et al., 2024): one rejected item, chosen for a purpose, and smoothed labels.

With M the lead of the chosen response and eps the chance that the rejected item is in truth the
better one,
    L = (1 - eps) softplus(-beta M) + eps softplus(beta M)
(the form is inferred, METHODS: 3.7; no code is public). Its gradient is zero where
beta M = ln((1 - eps) / eps): a doubtful pair is not pushed apart without end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from baselines.experts import ExpertConfig, expert_scores
from baselines.preference.hard_negatives import (
    draw_popular_negatives,
    draw_similar_negatives,
    insert_negative,
)
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers import build_training_questions
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceConfig, PreferenceRecommender
from benchkit.types import Recommender, RunContext, TrainView

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_MOST = 0.5  # of eps: beyond it the rejected item would be preferred


def label_smoothing(values: "NDArray[np.float64]", logits: bool) -> float:
    """eps = sigmoid(s_rejected - s_chosen), at most one half.

    values: [2 + n] expert scores of the chosen item, the rejected one and the prompt's candidates.
    Where they are no `logits`, they are standardised by mean and deviation of the candidates'.
    """
    gap = float(values[1] - values[0])
    if not logits:
        spread = float(values[2:].std())
        gap = gap / spread if spread > 0 else 0.0
    return min(_MOST, 1 / (1 + float(np.exp(min(-gap, 700.0)))))


class RosePO(PreferenceRecommender):
    """Conservative DPO with a smoothing of its own for each pair.

    The rejected item stands among the candidates of the prompt: one that was not in the list takes
    the place of one that was drawn for it.
    """

    class Config(PreferenceConfig):
        """rejected: the fine-tuned model's own best wrong candidate (`self_hard`); one of the
        `nearest` items most similar to the history (`similar`), by `similarity`; or one drawn with
        probability proportional to its popularity (`popular`); the user had none of them.
        eps: the same smoothing for all pairs; None takes it from `expert`: the sigmoid of how far
        it scores the rejected item above the chosen one, at most one half. Scores of an expert
        that are no logits (all but SASRec's) are first divided by their standard deviation over
        the prompt's candidates. beta: strength of the pull towards the reference."""

        negatives: PositiveInt = Field(default=1, le=1)
        rejected: Literal["self_hard", "similar", "popular"] = "self_hard"
        nearest: PositiveInt = 10
        similarity: ExpertConfig = ExpertConfig(name="item-knn")
        eps: float | None = Field(default=None, ge=0, le=_MOST)
        expert: ExpertConfig = ExpertConfig()
        beta: PositiveFloat = 0.1

    config: Config
    max_rejected = 1
    expert: Recommender | None = None  # fitted once for the pairs before and after the revision

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.expert = None
        super().fit(data, run)

    def questions(self, data: TrainView, run: RunContext) -> list[TeacherQuestion]:
        config = self.config
        if config.rejected == "self_hard":  # a drawn one stands in until the model can be asked
            return super().questions(data, run)
        chosen = build_training_questions(
            data, candidates=config.candidates, seed=run.seed, limit=config.limit_users
        )
        if config.rejected == "popular":
            rejected = draw_popular_negatives(chosen, data, run)
        else:
            expert = config.similarity.fit_expert(data, run)
            rejected = draw_similar_negatives(chosen, expert, config.nearest, data, run)
        return [
            own
            for question, item in zip(chosen, rejected, strict=True)
            for own in insert_negative(question, item, run)
        ]

    def rewrite_preferences(
        self,
        found: list[Preference],
        model: Any,
        backbone: Backbone,
        data: TrainView,
        run: RunContext,
    ) -> list[Preference]:
        config = self.config
        if config.rejected != "self_hard" or config.preferences is not None:
            return found
        run.progress.start("own mistakes", len(found))
        answers = self.make_predictor(self.engine(model, backbone)).predict(
            [own.request for own in found], run
        )
        questions = []
        for own, answer in zip(found, answers, strict=True):
            item = own.rejected[0].item  # stays where the model gives no usable answer
            if answer.scores is not None:
                item = best_wrong_candidate(own, answer.scores)
            chosen = TeacherQuestion(own.key, own.history, own.candidates, own.chosen.item)
            questions += [chosen, replace(chosen, item=item)]
            run.progress.advance()
        return self.filter_preferences(self.build_preferences(questions, data, run), run)

    def fields(
        self, found: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        config = self.config
        if config.eps is not None:
            return [{"eps": (config.eps,) * 2} for _ in found]
        if self.expert is None:
            self.expert = config.expert.fit_expert(data, run)
        asked = [
            replace(
                own.request, candidates=(own.chosen.item, own.rejected[0].item, *own.candidates)
            )
            for own in found
        ]
        return [
            {"eps": (label_smoothing(row, config.expert.gives_logits),) * 2}
            for row in expert_scores(self.expert, asked, run)
        ]

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        beta = self.config.beta

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            return PairTerms(beta=beta, smoothing=fields["eps"][:, 0])

        return PreferenceLoss("logistic", pairs, **self.loss_options)


def best_wrong_candidate(own: Preference, values: Sequence[float]) -> str:
    """The candidate with the highest score but the chosen one; the first of equal ones."""
    wrong = [
        (value, item)
        for value, item in zip(values, own.candidates, strict=True)
        if item != own.chosen.item
    ]
    return max(wrong, key=lambda pair: pair[0])[1]
