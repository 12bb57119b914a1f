"""Supervised fine-tuning on each user's next item, with or without a rationale before it."""

from typing import Any

from pydantic import PositiveFloat

from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers import training_questions
from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.builders import Builder
from benchkit.tuning.recommender import TunedConfig, TunedRecommender


class SFT(TunedRecommender):
    """Cross-entropy on the response to a prompt of what came before.

    Without rationales this is the reference model of S-DPO and RecPO. With them it is rationale
    integration (Park et al.): the response is the teacher's rationale, then the item. The
    four cells of train and infer, each with and without rationale, tell apart what a rationale
    gives as supervision from what it gives while answering; the paper has three of them.
    """

    class Config(TunedConfig):
        """train_rationale, infer_rationale: the cell. item_weight: of the item's tokens in the
        loss, where the rationale's tokens would outnumber them."""

        train_rationale: bool = False
        infer_rationale: bool = False
        item_weight: PositiveFloat = 1.0

    config: Config

    @property
    def explains(self) -> bool:
        return self.config.infer_rationale

    @property
    def writes(self) -> bool:
        return self.config.train_rationale

    def tuned(self, backbone: Backbone, builder: Builder, data: TrainView, run: RunContext) -> Any:
        from benchkit.tuning.stages import shared_sft

        config = self.config
        questions = training_questions(
            data, candidates=config.candidates, seed=run.seed, limit=config.limit_users
        )
        return shared_sft(
            backbone.model,
            self.supervised(questions, builder, data, run, config.item_weight),
            self.training(run),
            run,
            validation=self.validation_examples(builder, data, run, config.item_weight),
        )
