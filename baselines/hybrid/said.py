"""SAID: an embedding per item from which a language model writes the item's text.

Hu et al., Enhancing Sequential Recommendation via LLM-based Semantic Embedding Learning, WWW 2024
(companion).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from baselines.hybrid.frozen_vectors.recommender import ItemVectorConfig, ItemVectorRecommender
from benchkit.lm.backbones import Backbone
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from baselines.hybrid.frozen_vectors.soft_token import SoftTokens

# A re-implementation by LLMEmb's authors: 4000 steps on four GPUs with 8 items each.
_LARGE: dict[str, Any] = {
    "epochs": 100_000, "max_steps": 4000, "batch_size": 32, "micro_batch": 8,
    "learning_rate": 2e-4, "schedule": "linear", "warmup": 0.0,
    "lora": LoRAConfig(r=8, alpha=32, dropout=0.1),
}  # fmt: skip
_NANO: dict[str, Any] = {"epochs": 30, "batch_size": 32, "learning_rate": 1e-3}


class SAID(ItemVectorRecommender):
    """Reconstruction of texts from soft tokens, then a sequential model on the frozen tokens.

    A learnt vector of each item goes through a projector into the language model's token space; the
    model writes the item's text behind this one soft token. The soft tokens, frozen, are the item
    vectors of a SASRec behind a linear layer.
    """

    class Config(ItemVectorConfig):
        """Settings of SAID."""

        id_size: PositiveInt = 64
        """Entries of an item's learnt vector."""
        id_learning_rate: PositiveFloat = 1e-2
        """Learning rate of these vectors and of the projector."""

    config: Config
    soft_tokens: "SoftTokens"

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        import torch

        from baselines.hybrid.frozen_vectors.soft_token import (
            ItemText,
            ReconstructionObjective,
            SoftTokens,
            embedding_scale,
        )
        from benchkit.training.core.lora import check_adapters
        from benchkit.training.core.training_context import training_context
        from benchkit.training.train import train_on_objective

        config = self.config
        method = {"purpose": "said", **(_NANO if config.is_nano else _LARGE)}
        settings = self.training_config(run, **method)
        check_adapters(backbone.model, settings)
        texts = self.item_texts(backbone, data)
        examples = [ItemText(item, texts.ids(item)) for item in range(len(texts))]
        width = backbone.model.get_input_embeddings().weight.shape[1]
        seed = int(run.generator("said", "soft tokens").integers(2**63))
        with torch.random.fork_rng(devices=[]):
            soft_tokens = SoftTokens(len(texts), config.id_size, width)
        soft_tokens.initialise(embedding_scale(backbone.model), torch.Generator().manual_seed(seed))
        objective = ReconstructionObjective(soft_tokens, config.id_learning_rate)
        with training_context(run.device):
            model = train_on_objective(
                backbone.model, examples, objective, settings, run,
                identity=(config.id_size, config.id_learning_rate),
            )  # fmt: skip
        self.soft_tokens = soft_tokens
        return model

    def make_vectors(
        self, model: Any, backbone: Backbone, data: TrainView, run: RunContext
    ) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self.soft_tokens.table().float().cpu().numpy()
        return vectors
