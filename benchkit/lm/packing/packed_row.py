"""Many prompts with their responses in one row without padding.

All prompts come first and then all responses, so that what works on each token alone (all linear
layers) computes no padding, and the last layer can leave out the prompts by their width alone.
Examples attend within themselves. Those of similar size attend together, padded to the longest of
them: for short ones, a call each would take longer than what padding costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from benchkit.lm.packing.attention import Heads
from benchkit.lm.packing.packed_batch import PackedBatch, PackedLayout

# Pairs of tokens whose attention takes about as long as one more group of examples.
_PAIRS_PER_GROUP = {"cpu": 2_000}
_PAIRS_PER_GROUP_ON_GPU = 2_000_000


class Layout(Protocol):
    """Where tokens of a forward pass belong, as the attention of each layer is told."""

    @property
    def width(self) -> int:
        """Tokens of prompts at the start of each row."""

    def attend(
        self, heads: Heads, window: int | None, scaling: float | None, skip_prompt: bool
    ) -> Tensor:
        """Attend; zeros for prompts if nothing of them is read."""


@dataclass(frozen=True)
class Row:
    """A batch as one row. input_ids, position_ids: [1, n].

    places: [m] where each response token of the row lies in the flattened [b, t] of the batch.
    """

    input_ids: Tensor
    position_ids: Tensor
    layout: Layout
    places: Tensor


@dataclass(frozen=True)
class RowOrder:
    """The tokens of a batch in the order of a row.

    examples: [b] the order of the examples. prompt: [b, width], response: [b, t] which of their
    positions are no padding, in that order.
    """

    examples: Tensor
    prompt: Tensor
    response: Tensor

    @classmethod
    def from_batch(cls, batch: PackedBatch, examples: Sequence[int]) -> "RowOrder":
        """Mark the tokens of a batch whose examples are put in this order."""
        layout = batch.layout
        order = torch.tensor(examples, device=layout.prompt.device)
        place = torch.arange(layout.width, device=order.device)
        return cls(order, place < layout.prompt[order][:, None], layout.block[order] >= 0)

    def flatten(self, values: Tensor) -> Tensor:
        """Return [n] values of the row from [b, width + t] values of the batch."""
        values = values[self.examples]
        width = self.prompt.shape[1]
        return torch.cat([values[:, :width][self.prompt], values[:, width:][self.response]])

    def places(self) -> Tensor:
        """Return [m] where response tokens lie in the flattened [b, t] of the batch."""
        size = self.response.shape[1]
        place = torch.arange(size, device=self.examples.device)
        return (self.examples[:, None] * size + place)[self.response]


@dataclass(frozen=True)
class _Group:
    """Examples that attend together: their layout once they are padded.

    prompt, response: where their tokens lie among the padded ones; None where none is padding.
    """

    layout: PackedLayout
    prompt: Tensor | None
    response: Tensor | None

    def attend(
        self,
        prompt: Heads,
        response: Heads,
        window: int | None,
        scaling: float | None,
        skip_prompt: bool,
    ) -> tuple[Tensor, Tensor]:
        """Return what prompts and responses attend to, each [1, heads, tokens, d]."""
        count, size = self.layout.block.shape
        width = self.layout.width
        before = Heads(*(_pad(x, self.prompt, count, width) for x in prompt))
        after = Heads(*(_pad(x, self.response, count, size) for x in response))
        both = Heads(
            after.query,
            torch.cat([before.key, after.key], dim=2),
            torch.cat([before.value, after.value], dim=2),
        )
        out = self.layout.attend_parts(before, both, window, scaling, skip_prompt)
        return _unpad(out[0], self.prompt), _unpad(out[1], self.response)


@dataclass(frozen=True)
class GroupedRow:
    """The layout of a row whose examples attend in groups, one after another in the row.

    sizes: prompt tokens of each group, then response tokens of each group.
    """

    width: int
    sizes: list[int]
    groups: list[_Group]

    def attend(
        self, heads: Heads, window: int | None, scaling: float | None, skip_prompt: bool
    ) -> Tensor:
        """Attend within each example of [1, heads, n, d]; zeros for prompts that are not read."""
        count = len(self.groups)
        split = [torch.split(x, self.sizes, dim=2) for x in heads]
        parts = [Heads(*part) for part in zip(*split, strict=True)]
        out = [
            group.attend(prompt, response, window, scaling, skip_prompt)
            for group, prompt, response in zip(
                self.groups, parts[:count], parts[count:], strict=True
            )
        ]
        return torch.cat([part for side in zip(*out, strict=True) for part in side], dim=2)


def group_row(batch: PackedBatch) -> Row:
    """Put a batch into one row whose examples attend in groups of similar size."""
    layout = batch.layout
    prompts = layout.prompt.tolist()
    sizes = (layout.block >= 0).sum(dim=1).tolist()
    least = _PAIRS_PER_GROUP.get(layout.prompt.device.type, _PAIRS_PER_GROUP_ON_GPU)
    members = group_by_size(prompts, sizes, least)
    order = RowOrder.from_batch(batch, [example for group in members for example in group])
    groups, start = [], 0
    for group in members:
        end = start + len(group)
        width, size = max(prompts[e] for e in group), max(sizes[e] for e in group)
        chosen = order.examples[start:end]
        padded = PackedLayout(
            layout.prompt[chosen],
            width,
            layout.block[chosen, :size],
            layout.position[chosen, :size],
        )
        groups.append(
            _Group(
                padded,
                _real_places(order.prompt[start:end, :width]),
                _real_places(order.response[start:end, :size]),
            )
        )
        start = end
    of_groups = [sum(of[e] for e in group) for of in (prompts, sizes) for group in members]
    return Row(
        order.flatten(batch.input_ids)[None],
        order.flatten(batch.position_ids)[None],
        GroupedRow(sum(prompts), of_groups, groups),
        order.places(),
    )


def group_by_size(
    prompts: Sequence[int], responses: Sequence[int], pairs_per_group: int
) -> list[list[int]]:
    """Group examples so that padding within groups costs less than further groups would.

    Args:
        prompts: [b] prompt tokens of each example.
        responses: [b] response tokens of each example.
        pairs_per_group: Pairs of tokens whose attention takes as long as a group.

    Returns:
        Numbers of examples; each is in one group.
    """

    def pairs(prompt: int, response: int) -> float:
        return prompt * prompt / 2 + response * (prompt + response)

    groups: list[list[int]] = []
    longest = (0, 0)
    for example in sorted(range(len(prompts)), key=lambda e: (-prompts[e], -responses[e], e)):
        lengths = prompts[example], responses[example]
        if groups:
            group = groups[-1]
            both = max(longest[0], lengths[0]), max(longest[1], lengths[1])
            more = (len(group) + 1) * pairs(*both) - len(group) * pairs(*longest) - pairs(*lengths)
            if more <= pairs_per_group:
                group.append(example)
                longest = both
                continue
        groups.append([example])
        longest = lengths
    return groups


def _real_places(real: Tensor) -> Tensor | None:
    """Return the places of tokens in a flattened table, or None where there is no padding."""
    flat = real.flatten()
    return None if bool(flat.all()) else flat.nonzero()[:, 0]


def _pad(values: Tensor, places: Tensor | None, rows: int, size: int) -> Tensor:
    """Return [rows, heads, size, d] from [1, heads, tokens, d]."""
    if rows == 1:
        return values
    tokens = values[0].transpose(0, 1)  # [tokens, heads, d]
    if places is not None:
        padded = tokens.new_zeros(rows * size, *tokens.shape[1:])
        tokens = padded.index_copy(0, places, tokens)
    return tokens.reshape(rows, size, *tokens.shape[1:]).transpose(1, 2)


def _unpad(values: Tensor, places: Tensor | None) -> Tensor:
    """Return [1, heads, tokens, d] from [rows, heads, size, d]."""
    if len(values) == 1:
        return values
    tokens = values.transpose(1, 2).flatten(0, 1)
    if places is not None:
        tokens = tokens.index_select(0, places)
    return tokens.transpose(0, 1)[None]
