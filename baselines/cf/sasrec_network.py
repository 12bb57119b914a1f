"""The network of SASRec and the losses it can be trained with."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.cf.sequence_blocks import BLOCKS, DropoutFunction


class SASRecNetwork(nn.Module):
    """Causal blocks over item vectors (Kang and McAuley, ICDM 2018), of a kind in `BLOCKS`.

    The item table scores as well (tied embeddings). Its last row, the code `n_items`, is padding:
    zero, and never scored.
    """

    def __init__(
        self,
        n_items: int,
        hidden: int = 64,
        layers: int = 2,
        heads: int = 2,
        max_length: int = 50,
        block: str = "transformer",
    ) -> None:
        super().__init__()
        self.padding, self.block = n_items, block
        self.table = nn.Embedding(n_items + 1, hidden, padding_idx=n_items)
        self.positions = nn.Embedding(max_length, hidden)
        self.blocks = nn.ModuleList(BLOCKS[block](hidden, heads, max_length) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator, std: float = 0.02) -> "SASRecNetwork":
        """Draw weights from N(0, std^2), set biases to 0, and return the network."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=std, generator=generator)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        self.table.weight[self.padding] = 0.0
        return self

    @property
    def items(self) -> Tensor:
        """[n_items, hidden] item vectors, without the padding row."""
        return self.table.weight[: self.padding]

    def forward(self, codes: Tensor, drop: DropoutFunction = lambda x: x) -> Tensor:
        """Compute states [b, l, hidden] of item codes [b, l]; state t depends on codes up to t.

        Padding comes after a sequence, where causality hides it, so no mask is needed.

        Args:
            codes: Item codes, padded on the right.
            drop: Dropout of the input and of each sublayer; by default none, for inference.
        """
        x = drop(self.table(codes) + self.positions.weight[: codes.shape[1]])
        for block in self.blocks:
            x = block(x, drop)
        states: Tensor = self.norm(x)
        return states


def dropout(x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Zero each element with probability `rate` and scale the others by 1 / (1 - rate).

    Like torch's, but from its own generator and with four decisions per 64-bit draw: on a CPU,
    torch's spends more time drawing than the network spends computing. The probability is rounded
    to 16 bits.
    """
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    words.random_(-(2**63), None, generator=generator)
    draws = words.view(torch.int16)[: x.numel()].view(x.shape)
    keep = draws >= round(rate * 2**16) - 2**15
    return x * (keep.to(x.dtype) / (1.0 - rate))


def sampled_softmax(
    states: Tensor, items: Tensor, target: Tensor, sampled: Tensor, n_items: int
) -> Tensor:
    """Compute the mean of -log softmax over the target and items sampled uniformly for the batch.

        -(s+ - log(exp s+ + n_items / k * sum over the k negatives of exp s-))

    A negative that is the target of a position is left out there, and so the sum over the others is
    that of the catalogue without it, in expectation.

    Args:
        states: [n, hidden].
        items: [n_items, hidden].
        target: [n] item codes.
        sampled: [k] item codes.
        n_items: Size of the catalogue.
    """
    positive = (states * items[target]).sum(dim=-1)
    negative = states @ items[sampled].T
    negative = negative.masked_fill(sampled == target[:, None], -torch.inf)
    scale = math.log(n_items / len(sampled))
    total = torch.logaddexp(positive, negative.logsumexp(dim=-1) + scale)
    return (total - positive).mean()


def gbce(positive: Tensor, negative: Tensor, n_items: int, t: float) -> Tensor:
    """Compute the generalised binary cross-entropy (Petrov and Macdonald, gSASRec, RecSys 2023).

        -(beta log sigma(s+) + sum over the k negatives of log(1 - sigma(s-))) / (k + 1)
        beta = alpha (t (1 - 1 / alpha) + 1 / alpha),  alpha = k / (n_items - 1)

    Args:
        positive: [n] logits s+.
        negative: [n, k] logits s-.
        n_items: Size of the catalogue.
        t: Calibration, from 0 (SASRec's binary cross-entropy) to 1 (full correction for sampling).
    """
    k = negative.shape[1]
    alpha = k / (n_items - 1)
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    likelihood = beta * F.logsigmoid(positive) + F.logsigmoid(-negative).sum(dim=1)
    return -likelihood.mean() / (k + 1)
