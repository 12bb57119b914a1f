"""LLMEmb: item vectors of a language model that was fine-tuned to tell items apart.

Liu et al., Large Language Model Empowered Embedding Generator for Sequential Recommendation,
AAAI 2025.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from baselines.experts import ExpertConfig
from baselines.hybrid.frozen_vectors.recommender import ItemVectorConfig, ItemVectorRecommender
from baselines.hybrid.frozen_vectors.sasrec import Alignment
from benchkit.fingerprint import hash_json
from benchkit.lm.backbones import Backbone
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import RunContext, TrainView

# The official code trains 4000 steps on four GPUs with a batch each; passes are not limited.
_LARGE: dict[str, Any] = {
    "epochs": 100_000, "max_steps": 4000, "batch_size": 4, "micro_batch": 1, "learning_rate": 2e-4,
    "schedule": "linear", "warmup": 0.0, "lora": LoRAConfig(r=8, alpha=32, dropout=0.1),
}  # fmt: skip
_NANO: dict[str, Any] = {"epochs": 5, "batch_size": 1, "learning_rate": 1e-4}
_OBJECTIVE = {"attribute_dropout", "soft_targets", "temperature"}  # what its identity has
_INSTRUCTION = "This item has the following attributes.\n"


class LLMEmb(ItemVectorRecommender):
    """Contrastive fine-tuning on attributes, then recommendation with an adapter.

    1. Two views of each item, without 40 % of its attributes and in random order, are drawn
       together and apart from those of other items (`attribute_views`).
    2. Item vectors are the mean states of whole texts, reduced by PCA.
    3. A SASRec is trained on the frozen vectors behind an adapter of two linear layers, with a
       binary cross-entropy and an alignment to the item vectors of a SASRec trained before.

    An example of the training is a batch of items: `train = { batch_size = 4 }` are four batches a
    step, and epochs are passes over the catalogue.
    """

    class Config(ItemVectorConfig):
        """Settings of LLMEmb."""

        contrast: int = Field(default=64, ge=2)
        """Items that are each other's negatives in fine-tuning."""
        attribute_dropout: float = Field(default=0.4, ge=0, lt=1)
        """Share of an item's attributes that a view lacks."""
        temperature: PositiveFloat = 3.0
        """Where the temperature of fine-tuning, which is learnt, begins."""
        soft_targets: bool = False
        """Targets by similarity, with a gradient, in both contrastive losses: the official code's.
        The paper's are the pairs."""
        components: PositiveInt = 1536
        """Most components of the PCA."""
        alignment: NonNegativeFloat = 0.01
        """Weight alpha of the alignment; 0 for none."""
        alignment_temperature: PositiveFloat = 2.0
        """Temperature of the alignment."""
        expert: ExpertConfig = ExpertConfig()
        """The SASRec whose item vectors are aligned with; as wide as the sequential model."""

        @model_validator(mode="after")
        def _expert_has_vectors(self) -> "LLMEmb.Config":
            if not self.alignment:
                return self
            expert = self.expert.make()
            if not hasattr(type(expert), "item_embeddings"):
                raise ValueError(f"{self.expert.name} has no item vectors: use sasrec")
            hidden = getattr(expert, "config").hidden  # noqa: B009 - a Recommender need not have it
            if hidden != self.sequential.hidden:
                raise ValueError(
                    f"the expert's vectors have {hidden} entries, the sequential model's"
                    f" {self.sequential.hidden}: set hidden of both alike"
                )
            return self

    config: Config

    def make_alignment(self, data: TrainView, run: RunContext) -> Alignment | None:
        config = self.config
        if not config.alignment:
            return None
        expert: Any = config.expert.fit_expert(data, run)
        target = expert.item_embeddings.detach().clone()
        return Alignment(
            target, config.alignment, config.alignment_temperature, config.soft_targets
        )

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from baselines.hybrid.frozen_vectors.attribute_views import (
            Temperature,
            ViewObjective,
            make_view_batches,
        )
        from benchkit.training.core.lora import check_adapters
        from benchkit.training.core.training_context import training_context
        from benchkit.training.train import train_on_objective

        config = self.config
        method = {"purpose": "scft", **(_NANO if config.is_nano else _LARGE)}
        settings = self.training_config(run, **method)
        check_adapters(backbone.model, settings)
        texts = self.item_texts(backbone, data, "" if config.is_nano else _INSTRUCTION)
        objective = ViewObjective(
            texts,
            Temperature(config.temperature),
            settings.learning_rate,
            config.attribute_dropout,
            config.soft_targets,
        )
        rng = run.generator("scft", "batches")
        batches = make_view_batches(len(texts), config.contrast, settings, rng)
        # All passes are in the batches.
        settings = settings.model_copy(update={"epochs": 1.0, "max_steps": None})
        identity = (
            hash_json({"texts": texts.attributes}),
            config.model_dump_json(include=_OBJECTIVE),
        )
        with training_context(run.device):
            return train_on_objective(
                backbone.model, batches, objective, settings, run, identity=identity
            )

    def make_vectors(
        self, model: Any, backbone: Backbone, data: TrainView, run: RunContext
    ) -> NDArray[np.float32]:
        from baselines.hybrid.frozen_vectors.attribute_views import (
            encode_items,
            principal_components,
        )

        texts = self.item_texts(backbone, data, "" if self.config.is_nano else _INSTRUCTION)
        vectors = encode_items(model, texts, run.device)
        return principal_components(vectors, self.config.components)

    def adapter_sizes(self, width: int) -> tuple[int, ...]:
        """Return half of the width, as in the official code."""
        layers = self.config.adapter_layers
        return (max(1, width // 2),) if layers is None else layers
