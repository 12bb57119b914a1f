"""SASRec over frozen item vectors: what methods share that make item vectors by a language model.

The network, its causal mask, windows, losses and the selection of weights are those of
`baselines.cf.sasrec`; only the item table differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from baselines.cf.sasrec import SASRec
from baselines.cf.windows import Windows
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from baselines.cf.sasrec_network import SASRecNetwork


class SequentialConfig(SASRec.Config):
    """Settings of the sequential model."""

    loss: Literal["bce", "gbce", "sampled-softmax", "cross-entropy"] = "bce"
    """Binary cross-entropy against sampled items, its calibrated form, the softmax over sampled
    items, or over the catalogue."""
    epochs: PositiveInt = 30
    """Most epochs."""
    patience: PositiveInt = 3
    """Epochs in a row without a better validation score after which training stops."""


@dataclass(frozen=True)
class Alignment:
    """A contrastive loss that draws adapted item vectors to those of another model."""

    target: "torch.Tensor"
    """[n_items, hidden] vectors of the other model."""
    weight: float
    """Weight of the loss."""
    temperature: float
    """Scale of the products."""
    soft_targets: bool = False
    """Soft targets, as in LLMEmb's official code."""

    def loss(self, codes: "torch.Tensor", adapted: "torch.Tensor") -> "torch.Tensor":
        """Compute the weighted loss of items [n] with adapted vectors [n, hidden].

        Reference:
            LLMEmb, eq. 8.
        """
        from benchkit.training.core.contrastive import info_nce, soft_info_nce

        target = self.target[codes]
        if self.soft_targets:
            return self.weight * soft_info_nce(target, adapted, self.temperature, detach=False)
        return self.weight * info_nce(target, adapted, self.temperature)


class FrozenSASRec(SASRec):
    """SASRec whose item vectors are an adapter's output for frozen vectors.

    vectors: [n_items, d] in the order of item codes. They are centred and divided by one number,
        so that their mean square is 1: the adapter's layers begin small.
    adapter: sizes of the adapter's layers between the vectors and the states.
    alignment: an additional loss on the items that are labels in a batch, each counted once.
    """

    def __init__(
        self,
        config: SASRec.Config,
        vectors: NDArray[np.float32],
        adapter: Sequence[int] = (),
        alignment: Alignment | None = None,
    ) -> None:
        super().__init__(config)
        self.vectors = standardize(vectors)
        self.sizes = (*adapter, config.hidden)
        self.alignment = alignment

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Train; then put the adapted vectors into a plain table, so that asking is as fast."""
        import torch

        super().fit(data, run)
        with torch.random.fork_rng(devices=[]):
            self.network = self.network.to_plain().requires_grad_(False)  # type: ignore[operator]

    def _network(self, run: RunContext) -> "SASRecNetwork":
        import torch

        from baselines.hybrid.frozen_vectors.network import FrozenNetwork

        config = self.config
        shape = (config.layers, config.heads, config.max_length)
        with torch.random.fork_rng(devices=[]):
            network = FrozenNetwork(torch.from_numpy(self.vectors), self.sizes, shape, config.block)
        seed = int(run.generator("frozen sasrec", "weights").integers(2**63))
        return network.initialise(torch.Generator().manual_seed(seed)).to(run.device)

    def _loss(
        self, network: "SASRecNetwork", items: NDArray[np.int32], run: RunContext
    ) -> "Callable[[Windows], torch.Tensor]":
        import torch

        next_item_loss, alignment = super()._loss(network, items, run), self.alignment
        if alignment is None:
            return next_item_loss

        def loss_of(batch: Windows) -> "torch.Tensor":
            rows, valid = batch.rows()
            labels = np.unique(items[rows[valid] + 1]).astype(np.int64)
            codes = torch.from_numpy(labels).to(run.device)
            return next_item_loss(batch) + alignment.loss(codes, network.table(codes))

        return loss_of


def standardize(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return [n, d] vectors with mean 0 in each column and mean square 1 over all of them.

    >>> standardize(np.array([[1.0, 3.0], [3.0, 3.0]])).astype(float).round(4).tolist()
    [[-1.4142, 0.0], [1.4142, 0.0]]
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    scale = np.sqrt((centred**2).mean())
    scaled: NDArray[np.float32] = (centred / (scale if scale > 0 else 1.0)).astype(np.float32)
    return scaled
