"""Blocks of a causal network over item vectors, from [b, l, hidden] to the same."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DropoutFunction = Callable[[Tensor], Tensor]


class SelfAttention(nn.Module):
    """Causal multi-head attention."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Mix each position of [b, l, hidden] with those before it."""
        b, length, hidden = x.shape
        q, k, v = self.qkv(x).view(b, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        output: Tensor = self.out(mixed.transpose(1, 2).reshape(b, length, hidden))
        return output


class TransformerBlock(nn.Module):
    """x + drop(f(norm(x))), f first the attention and then the feed-forward layer.

    Kang and McAuley, ICDM 2018.
    """

    def __init__(self, hidden: int, heads: int, max_length: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.attention = SelfAttention(hidden, heads)
        self.wide, self.narrow = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, drop: DropoutFunction) -> Tensor:
        """Compute the block's output."""
        x = x + drop(self.attention(self.norm_attention(x)))
        return x + drop(self.narrow(F.gelu(self.wide(self.norm_feed(x)))))


class LiGRBlock(nn.Module):
    """x + sigma(W x) * drop(f(norm(x))), f first the attention and then a SwiGLU layer.

    The gates say how much of each sublayer a position takes (Borisyuk et al., From Features to
    Transformers: Redefining Ranking for Scalable Impact, 2025). As eSASRec (RecSys 2025) has them,
    the SwiGLU layer is `WIDTH` times as wide as the states.
    """

    WIDTH = 4

    def __init__(self, hidden: int, heads: int, max_length: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.attention = SelfAttention(hidden, heads)
        self.gate_attention, self.gate_feed = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.wide = nn.Linear(hidden, 2 * self.WIDTH * hidden)
        self.narrow = nn.Linear(self.WIDTH * hidden, hidden)

    def forward(self, x: Tensor, drop: DropoutFunction) -> Tensor:
        """Compute the block's output."""
        mixed = drop(self.attention(self.norm_attention(x)))
        x = x + torch.sigmoid(self.gate_attention(x)) * mixed
        value, gate = self.wide(self.norm_feed(x)).chunk(2, dim=-1)
        fed = drop(self.narrow(value * F.silu(gate)))
        output: Tensor = x + torch.sigmoid(self.gate_feed(x)) * fed
        return output


class HSTUBlock(nn.Module):
    """A hierarchical sequential transduction unit (Zhai et al., ICML 2024, equations 1 to 3).

        u, v, q, k = split(silu(W norm(x)))
        y = x + drop(W' (norm(silu(q k^T + r) v / n) * u))

    The weights of a position's past are not normalised: how often something occurs in it stays
    visible. r is a bias for each distance, shared by the heads, and n is `max_length`. There is no
    feed-forward layer, and no bias for the time between events.
    """

    def __init__(self, hidden: int, heads: int, max_length: int) -> None:
        super().__init__()
        self.heads, self.max_length = heads, max_length
        self.norm = nn.LayerNorm(hidden)
        self.norm_mixed = nn.LayerNorm(hidden, elementwise_affine=False)
        self.uvqk, self.out = nn.Linear(hidden, 4 * hidden), nn.Linear(hidden, hidden)
        self.distances = nn.Embedding(max_length, 1)

    def forward(self, x: Tensor, drop: DropoutFunction) -> Tensor:
        """Compute the block's output."""
        b, length, hidden = x.shape
        u, v, q, k = F.silu(self.uvqk(self.norm(x))).chunk(4, dim=-1)
        q, k, v = (t.view(b, length, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        place = torch.arange(length, device=x.device)
        distance = place[:, None] - place
        bias = self.distances.weight[distance.clamp(min=0), 0]
        weights = F.silu(q @ k.mT + bias) / self.max_length
        mixed = (weights * (distance >= 0)) @ v
        mixed = mixed.transpose(1, 2).reshape(b, length, hidden)
        output: Tensor = x + drop(self.out(self.norm_mixed(mixed) * u))
        return output


BLOCKS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "transformer": TransformerBlock,
    "ligr": LiGRBlock,
    "hstu": HSTUBlock,
}
