"""Supervised fine-tuning on each user's next item, with or without a rationale before it."""

from typing import Any

from pydantic import PositiveFloat

from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers import build_training_questions
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.types import RunContext, TrainView


class SFT(FineTunedRecommender):
    """Cross-entropy on the response to a prompt of what came before.

    Without rationales this is the reference model of S-DPO and RecPO. With them it is rationale
    integration (Park et al.): the response is the teacher's rationale, then the item. The
    four cells of train and infer, each with and without rationale, tell apart what a rationale
    gives as supervision from what it gives while answering; the paper has three of them.
    """

    class Config(FineTunedConfig):
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
    def trains_rationales(self) -> bool:
        return self.config.train_rationale

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from benchkit.training.core.cached_stages import load_or_train_sft

        config = self.config
        questions = build_training_questions(
            data, candidates=config.candidates, seed=run.seed, limit=config.limit_users
        )
        return load_or_train_sft(
            backbone.model,
            self.supervised_examples(questions, builder, data, run, config.item_weight),
            self.training_config(run),
            run,
            validation=self.validation_examples(builder, data, run, config.item_weight),
        )
