"""Item vectors of a trained recommender, which hybrids put into a language model."""

from typing import TYPE_CHECKING, Any

from baselines.experts import ExpertConfig
from benchkit.errors import ConfigError
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor


def check_item_vectors(expert: ExpertConfig) -> None:
    """Raise ConfigError if an expert has no `item_embeddings`, as SASRec has them."""
    if not hasattr(type(expert.make()), "item_embeddings"):
        raise ConfigError(
            f"expert {expert.name!r} has no item vectors",
            'use expert = { name = "sasrec" }, or a class with item_embeddings',
        )


def fit_item_vectors(expert: ExpertConfig, data: TrainView, run: RunContext) -> "Tensor":
    """Fit an expert on the training data; return its [n_items, d] float32 vectors, detached."""
    fitted: Any = expert.fit_expert(data, run)
    vectors: Tensor = fitted.item_embeddings.detach().float()
    return vectors
