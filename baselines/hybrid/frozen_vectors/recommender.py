"""The base class of methods whose language model gives item vectors to a sequential model.

A method implements `train_model`, which fine-tunes the backbone on the texts of items, and
`make_vectors`. The language model is not needed to answer: item vectors are computed once.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from baselines.hybrid.frozen_vectors.attribute_texts import ItemTexts, tokenize_items
from baselines.hybrid.frozen_vectors.sasrec import Alignment, FrozenSASRec, SequentialConfig
from benchkit.lm.backbones import Backbone
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core.fine_tuning_config import FineTunedConfig
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView


class ItemVectorConfig(FineTunedConfig):
    """Settings of these methods. Those of prompts, of candidates and of the teacher are not used,
    nor limit_users: the language model reads items, never users, and the sequential model learns
    from all of them. validation_cases is the sequential model's own setting."""

    text_tokens: PositiveInt = 1024
    """Longest text of an item; for nano at most its training window."""
    adapter_layers: tuple[PositiveInt, ...] | None = None
    """Sizes of hidden layers between the item vectors and the sequential model; None for the
    method's own."""
    sequential: SequentialConfig = Field(default_factory=SequentialConfig)
    """The sequential model on the item vectors."""


class ItemVectorRecommender(FineTunedRecommender):
    """Fine-tune the backbone, compute item vectors, and train a SASRec on them, frozen."""

    Config: type[ItemVectorConfig] = ItemVectorConfig
    config: ItemVectorConfig
    sasrec: FrozenSASRec

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Scores alone: also for items that nobody has interacted with, as they have a text."""
        return frozenset({"scores", "cold_users", "cold_items"})

    def fit(self, data: TrainView, run: RunContext) -> None:
        alignment = self.make_alignment(data, run)
        backbone = self.load_backbone(data, run)
        with record_stage_cost(run, "sft"):
            model = self.train_backbone(backbone, data, run)
            run.progress.start("item vectors", 1)
            vectors = self.make_vectors(model, backbone, data, run)
            run.progress.advance()
        config = self.config
        adapter = self.adapter_sizes(vectors.shape[1])
        self.sasrec = FrozenSASRec(config.sequential, vectors, adapter, alignment)
        self.sasrec.fit(data, run)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self.sasrec.predict(requests, run)

    @abstractmethod
    def make_vectors(
        self, model: Any, backbone: Backbone, data: TrainView, run: RunContext
    ) -> NDArray[np.float32]:
        """Return [n_items, d] vectors of the items of `data`, from the trained model."""

    def make_alignment(self, data: TrainView, run: RunContext) -> Alignment | None:
        """Return what the adapted vectors are aligned with; by default nothing."""
        return None

    def adapter_sizes(self, width: int) -> tuple[int, ...]:
        """Return the sizes of the adapter's hidden layers for vectors of a width; by default none.

        Without a hidden layer the adapter is one linear layer.
        """
        return self.config.adapter_layers or ()

    def item_texts(self, backbone: Backbone, data: TrainView, instruction: str = "") -> ItemTexts:
        """Return the texts of the items as token ids that the backbone can read."""
        config = self.config
        limits = [config.text_tokens, backbone.context, self.config.train.max_length]
        if config.is_nano:
            limits.append(config.nano.context)
        limit = min(limit for limit in limits if limit is not None)
        template = config.prompt_template
        return tokenize_items(data.catalog, template, backbone.tokenizer, limit, instruction)
