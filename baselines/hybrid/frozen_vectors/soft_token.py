"""One soft token per item, from which a language model writes the item's text."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchkit.lm.architecture import unwrap_peft
from benchkit.training.core.examples import IGNORE_INDEX
from benchkit.training.core.token_loss import label_losses

_START = 0.02  # standard deviation of an item's vector before training


class SoftTokens(nn.Module):
    """A learnt vector per item, and a linear projector into the model's token space."""

    def __init__(self, n_items: int, size: int, width: int) -> None:
        super().__init__()
        self.ids = nn.Embedding(n_items, size)
        self.projector = nn.Linear(size, width)

    @torch.no_grad()
    def initialise(self, scale: float, generator: torch.Generator) -> "SoftTokens":
        """Draw weights, and return the module.

        The items' vectors begin near 0, so that what they become is learnt rather than drawn. From
        vectors with entries of about 1 the projector makes soft tokens with entries of about
        `scale`.
        """
        size = self.ids.weight.shape[1]
        nn.init.normal_(self.ids.weight, std=_START, generator=generator)
        nn.init.normal_(self.projector.weight, std=scale / math.sqrt(size), generator=generator)
        nn.init.zeros_(self.projector.bias)
        return self

    def forward(self, codes: Tensor) -> Tensor:
        """Return [n, width] soft tokens of item codes [n]."""
        tokens: Tensor = self.projector(self.ids(codes))
        return tokens

    @torch.no_grad()
    def table(self) -> Tensor:
        """Return [n_items, width] soft tokens of all items."""
        tokens: Tensor = self.projector(self.ids.weight)
        return tokens


@dataclass(frozen=True)
class ItemText:
    """An item and its text as token ids."""

    item: int
    ids: tuple[int, ...]


@dataclass
class ReconstructionObjective:
    """- log p(text | soft token of the item), the mean over the tokens of a batch."""

    module: SoftTokens
    module_lr: float
    step: int = 0

    def context(self, model: nn.Module) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self, example: ItemText) -> int:
        return len(example.ids)

    def collate(self, examples: Sequence[ItemText]) -> dict[str, Tensor]:
        """Return `items` [b], `ids` [b, t], and `labels` and `weights` [b, 1 + t]."""
        longest = max(len(example.ids) for example in examples)
        ids = torch.zeros((len(examples), longest), dtype=torch.long)
        labels = torch.full((len(examples), 1 + longest), IGNORE_INDEX)
        for row, example in enumerate(examples):
            text = torch.tensor(example.ids)
            ids[row, : len(text)] = text
            labels[row, 1 : 1 + len(text)] = text
        return {
            "items": torch.tensor([example.item for example in examples]),
            "ids": ids,
            "labels": labels,
            "weights": (labels >= 0).float(),
        }

    def normalizer(self, batch: Mapping[str, Tensor]) -> float:
        return float(batch["weights"].sum())

    def loss(self, model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        tokens = unwrap_peft(model).get_input_embeddings()(batch["ids"])
        soft = self.module(batch["items"]).to(tokens.dtype)
        inputs = torch.cat([soft[:, None], tokens], dim=1)
        labelled = {"labels": batch["labels"], "weights": batch["weights"]}
        losses, weights = label_losses(model, {"inputs_embeds": inputs, **labelled})
        return (losses * weights).sum()


@torch.no_grad()
def embedding_scale(model: nn.Module) -> float:
    """Return the root mean square of what the model's input layer makes of its first tokens."""
    layer = unwrap_peft(model).get_input_embeddings()
    count = min(1000, layer.weight.shape[0])
    vectors = layer(torch.arange(count, device=layer.weight.device)).float()
    return float(vectors.square().mean().sqrt())
