"""LLaRA's projector of item vectors into the space of token embeddings."""

from typing import Any

import torch
from torch import Tensor, nn

from benchkit.lm.injection.soft_embeddings import SoftEmbeddings
from benchkit.types import RunContext


def make_projector(size: int, hidden: int) -> nn.Module:
    """Return Linear(size, hidden) - GELU - Linear(hidden, hidden), drawn from torch's generator."""
    return nn.Sequential(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, hidden))


def make_soft_embeddings(vectors: Tensor, model: Any, run: RunContext) -> SoftEmbeddings:
    """Attach a new projector of item vectors [n_items, d] to a model, and return it."""
    embedding = model.get_input_embeddings()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(run.generator("projector").integers(2**31)))
        projector = make_projector(vectors.shape[1], embedding.weight.shape[1])
    soft = SoftEmbeddings(vectors.cpu(), projector.to(embedding.weight.device), embedding)
    soft.attach(model)
    return soft.to(embedding.weight.device)
