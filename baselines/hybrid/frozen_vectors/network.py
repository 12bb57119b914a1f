"""A SASRec whose item vectors are frozen ones of another model behind a trained adapter."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from baselines.cf.sasrec_network import SASRecNetwork


class AdaptedTable(nn.Module):
    """Item vectors: linear layers, without an activation, on frozen vectors.

    The code `n_items` is padding: its vector is zero, as SASRec's. It stands behind the items and
    has no row among the frozen vectors, so none of them is shifted. (The official code of LLMEmb
    inserts a row of zeros before the last item's, which then belongs to another code.)
    """

    frozen: Tensor

    def __init__(self, vectors: Tensor, sizes: Sequence[int]) -> None:
        """Take [n_items, d] vectors, and the sizes of the adapter's layers."""
        super().__init__()
        # A buffer, so that no optimizer changes it; not part of the weights that are kept.
        self.register_buffer("frozen", vectors, persistent=False)
        widths = [vectors.shape[1], *sizes]
        self.layers = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))

    @property
    def weight(self) -> Tensor:
        """[n_items + 1, hidden] vectors of all codes."""
        items: Tensor = self.layers(self.frozen)
        return torch.cat([items, items.new_zeros(1, items.shape[1])])

    def forward(self, codes: Tensor) -> Tensor:
        """Return [..., hidden] vectors of codes [...]."""
        n_items = len(self.frozen)
        vectors: Tensor = self.layers(self.frozen[codes.clamp(max=n_items - 1)])
        return vectors * (codes < n_items)[..., None]


class FrozenNetwork(SASRecNetwork):
    """SASRec's causal network on an `AdaptedTable`."""

    def __init__(
        self,
        vectors: Tensor,
        sizes: Sequence[int],
        shape: Sequence[int],
        block: str = "transformer",
    ) -> None:
        """Take [n_items, d] vectors, the adapter's sizes, and layers, heads and length."""
        layers, heads, max_length = shape
        super().__init__(len(vectors), sizes[-1], layers, heads, max_length, block)
        self.table = AdaptedTable(vectors, sizes)  # type: ignore[assignment]

    def to_plain(self) -> SASRecNetwork:
        """Return a network that computes the same from a table of the adapted vectors."""
        blocks, hidden = list(self.blocks), self.positions.weight.shape[1]
        heads: int = blocks[0].heads if blocks else 1  # type: ignore[assignment]
        plain = SASRecNetwork(
            self.padding, hidden, len(blocks), heads, self.positions.weight.shape[0], self.block
        )
        kept_names = [name for name in self.state_dict() if not name.startswith("table.")]
        weights = {name: self.state_dict()[name] for name in kept_names}
        plain.load_state_dict({**weights, "table.weight": self.table.weight.detach()})
        return plain.to(self.positions.weight.device)
