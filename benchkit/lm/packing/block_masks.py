"""One row attended by FlexAttention: a mask of blocks that leaves out what no token sees.

The kernel is compiled for a GPU. Which blocks of 128 tokens have anything to see follows from the
range of examples and positions in each, so no mask of token x token is ever built.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from benchkit.lm.packing.attention import Heads
from benchkit.lm.packing.packed_batch import PackedBatch
from benchkit.lm.packing.packed_row import Row, RowOrder

BLOCK = 128  # tokens; what the kernel expects

MaskFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass
class BlockMaskedRow:
    """The layout of a row that attends through block masks.

    example: [n] which example a token is of. block: [n] which response, -1 for a prompt.
    position: [n] its position.
    """

    width: int
    example: Tensor
    block: Tensor
    position: Tensor
    masks: dict[tuple[int | None, int], BlockMask] = field(default_factory=dict)

    def attend(
        self, heads: Heads, window: int | None, scaling: float | None, skip_prompt: bool
    ) -> Tensor:
        """Attend within each example of [1, heads, n, d]; zeros for prompts that are not read."""
        first = self.width if skip_prompt else 0
        out = _kernel(heads.query.device.type)(
            heads.query[:, :, first:],
            heads.key,
            heads.value,
            block_mask=self.mask(window, first),
            scale=scaling,
            enable_gqa=heads.query.shape[1] != heads.key.shape[1],
        )
        return torch.nn.functional.pad(out, (0, 0, first, 0)) if first else out

    def mask(self, window: int | None, first: int = 0) -> BlockMask:
        """Return the block mask of queries from `first` on, made once."""
        key = window, first
        if key not in self.masks:
            self.masks[key] = self._build_mask(window, first)
        return self.masks[key]

    def mask_function(self, window: int | None, first: int = 0) -> MaskFunction:
        """Return what says whether a query sees a key, by their numbers."""
        example, block, position = self.example, self.block, self.position

        def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            query = query + first
            seen = (
                (example[query] == example[key])
                & ((block[key] < 0) | (block[query] == block[key]))
                & (position[query] >= position[key])
            )
            if window is not None:
                seen = seen & (position[query] - position[key] < window)
            return seen

        return sees

    def _build_mask(self, window: int | None, first: int) -> BlockMask:
        queries = [_Ranges.of(x[first:]) for x in (self.example, self.block, self.position)]
        keys = [_Ranges.of(x) for x in (self.example, self.block, self.position)]
        example, block, position = (
            (q.expand(1), k.expand(0)) for q, k in zip(queries, keys, strict=True)
        )
        some = _overlap(*example) & (position[0].high >= position[1].low)
        to_prompt = block[1].low < 0
        some &= to_prompt | _overlap(*block)
        full = _same(*example) & (position[0].low >= position[1].high)
        full &= (block[1].high < 0) | _same(*block)
        if window is not None:
            some &= position[0].low - position[1].high < window
            full &= position[0].high - position[1].low < window
        # The last block of keys may be short of tokens; the kernel checks those of partial blocks.
        if len(self.example) % BLOCK:
            full[:, -1] = False
        if (len(self.example) - first) % BLOCK:
            full[-1] = False
        full &= some
        partial = some & ~full
        return BlockMask.from_kv_blocks(
            *_ordered(partial),
            *_ordered(full),
            BLOCK_SIZE=BLOCK,
            mask_mod=self.mask_function(window, first),
            seq_lengths=(len(self.example) - first, len(self.example)),
        )


@dataclass(frozen=True)
class _Ranges:
    """The least and the largest value in each block of tokens."""

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "_Ranges":
        spare = -len(values) % BLOCK
        blocks = torch.cat([values, values[-1:].expand(spare)]).view(-1, BLOCK)
        return cls(blocks.amin(dim=1), blocks.amax(dim=1))

    def expand(self, dim: int) -> "_Ranges":
        return _Ranges(self.low.unsqueeze(dim), self.high.unsqueeze(dim))


def _overlap(query: _Ranges, key: _Ranges) -> Tensor:
    return (query.low <= key.high) & (key.low <= query.high)


def _same(query: _Ranges, key: _Ranges) -> Tensor:
    """Whether all values of both blocks are one and the same."""
    return (query.low == query.high) & (key.low == key.high) & (query.low == key.low)


def _ordered(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Return [1, 1, q] how many key blocks each query block has, and [1, 1, q, k] which first."""
    count = blocks.sum(dim=1, dtype=torch.int32)
    which = blocks.to(torch.int8).argsort(dim=1, descending=True, stable=True).to(torch.int32)
    return count[None, None], which.contiguous()[None, None]


@lru_cache(maxsize=2)
def _kernel(device: str) -> Any:
    # Without a GPU it is for tests: compiling for a CPU takes longer and has no backward pass.
    return flex_attention if device == "cpu" else torch.compile(flex_attention, dynamic=True)


def block_mask_row(batch: PackedBatch) -> Row:
    """Put a batch into one row that attends through block masks."""
    layout = batch.layout
    count, device = len(layout.prompt), layout.prompt.device
    order = RowOrder.from_batch(batch, range(count))
    example = torch.arange(count, device=device)[:, None].expand(batch.input_ids.shape)
    of_prompt = layout.block.new_full((count, layout.width), -1)
    position = order.flatten(batch.position_ids)
    masked = BlockMaskedRow(
        int(layout.prompt.sum()),
        order.flatten(example),
        order.flatten(torch.cat([of_prompt, layout.block], dim=1)),
        position,
    )
    return Row(order.flatten(batch.input_ids)[None], position[None], masked, order.places())
