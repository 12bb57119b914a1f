"""Supervised fine-tuning on each user's next item, with or without a rationale before it."""

from typing import Any

from pydantic import PositiveFloat

from benchkit.lm.backbones import Backbone
from benchkit.lm.config import ShownHistoryConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.fine_tuning_config import NextItemConfig
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.types import RunContext, TrainView


class SFT(FineTunedRecommender):
    """Cross-entropy on the response after a history.

    Without rationales this is the reference model of S-DPO and RecPO. With them it is rationale
    integration (Park et al.): the response is the teacher's rationale, then the item. The four
    combinations of training and answering with and without rationales separate what a rationale
    contributes as supervision from what it contributes to the answer; the paper has three of them.
    """

    class Config(NextItemConfig, ShownHistoryConfig):
        """Settings of supervised fine-tuning."""

        train_rationale: bool = False
        """Train on a rationale before the item."""
        infer_rationale: bool = False
        """Answer with a rationale before the item."""
        item_weight: PositiveFloat = 1.0
        """Weight of the item's tokens in the loss, which a rationale's would outnumber."""

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
        from benchkit.training.sft import load_or_train_sft

        config = self.config
        questions = self.training_questions(data, run) + self.earlier_questions(data, run)
        return load_or_train_sft(
            backbone.model,
            self.supervised_examples(questions, builder, data, run, config.item_weight),
            self.resolve_training_config(config.train, run, data),
            run,
            validation=self.validation_examples(builder, data, run, config.item_weight),
        )
