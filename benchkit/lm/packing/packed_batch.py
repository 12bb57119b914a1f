"""Prompts with their responses as tensors: one row an example, padded.

A row holds the prompt once and then the responses one after another; a response attends to the
prompt and to itself, with the positions it would have right behind the prompt. Each block of a
response starts with the prompt's last token (which is taken from the prompt), so that every
response token is predicted within its own block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from benchkit.lm.packing.attention import Heads, attend, attend_in_prompt


@dataclass
class PackedLayout:
    """Where the tokens of a packed batch belong.

    prompt: [b] lengths of the prompts, which are padded on the right to `width` tokens.
    block: [b, t] which response a token is of, -1 for padding. position: [b, t] its position.
    """

    prompt: Tensor
    width: int
    block: Tensor
    position: Tensor
    masks: dict[int | None, Tensor] = field(default_factory=dict)

    def mask(self, window: int | None) -> Tensor:
        """Return [b, 1, t, width + t] which keys a response token sees, once per window."""
        if window not in self.masks:
            place = torch.arange(self.width, device=self.prompt.device)
            to_prompt = (place < self.prompt[:, None])[:, None, :]
            order = torch.arange(self.block.shape[1], device=self.prompt.device)
            to_response = (self.block[:, :, None] == self.block[:, None, :]) & (
                order[:, None] >= order[None, :]
            )
            if window is not None:
                to_prompt = to_prompt & (self.position[:, :, None] - place < window)
                to_response = to_response & (
                    self.position[:, :, None] - self.position[:, None, :] < window
                )
            to_prompt = to_prompt.expand(-1, self.block.shape[1], -1)
            self.masks[window] = torch.cat([to_prompt, to_response], dim=-1)[:, None]
        return self.masks[window]

    def attend(
        self, heads: Heads, window: int | None, scaling: float | None, skip_prompt: bool
    ) -> Tensor:
        """Attend within each row; zeros for the prompt if nothing of it is read.

        Args:
            heads: Of [b, heads, width + t, d].
            window: How many tokens back a token sees; None for all.
            scaling: Factor of the scores.
            skip_prompt: Whether the output for the prompt is not read.
        """
        prompt = Heads(*(x[:, :, : self.width] for x in heads))
        responses = Heads(heads.query[:, :, self.width :], heads.key, heads.value)
        parts = self.attend_parts(prompt, responses, window, scaling, skip_prompt)
        return torch.cat(parts, dim=2) if self.width else parts[1]

    def attend_parts(
        self,
        prompt: Heads,
        responses: Heads,
        window: int | None,
        scaling: float | None,
        skip_prompt: bool,
    ) -> tuple[Tensor, Tensor]:
        """Attend in prompts and in responses, whose keys and values are those of both."""
        after = attend(responses, self.mask(window), scaling)
        if skip_prompt or not self.width:
            query, width = prompt.query, after.shape[-1]  # values may have another width
            return query.new_zeros(*query.shape[:-1], width), after
        return attend_in_prompt(prompt, window, scaling), after


@dataclass(frozen=True)
class PackedBatch:
    """Prompts with their responses as tensors.

    input_ids, position_ids: [b, width + t]. target: [b, t] the token that each position of the
    blocks predicts. max_responses: the largest number of responses of a prompt.
    """

    input_ids: Tensor
    position_ids: Tensor
    target: Tensor
    layout: PackedLayout
    max_responses: int

    @property
    def tokens(self) -> int:
        """Positions that there are, padding included."""
        return self.input_ids.numel()

    @property
    def useful_tokens(self) -> int:
        """Positions without padding."""
        return int(self.layout.prompt.sum() + (self.layout.block >= 0).sum())


def pack_batch(
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[Sequence[int]]],
    pad: int = 0,
    device: str | torch.device = "cpu",
) -> PackedBatch:
    """Pack token ids of prompts and of their responses. No prompt and no response is empty."""
    width = max(len(prompt) for prompt in prompts) - 1
    size = max(sum(map(len, texts)) for texts in responses)
    shape = (len(prompts), width + size)
    ids = np.full(shape, pad, dtype=np.int64)
    position = np.zeros(shape, dtype=np.int64)
    target = np.full((len(prompts), size), pad, dtype=np.int64)
    block = np.full((len(prompts), size), -1, dtype=np.int64)
    for row, (prompt, row_responses) in enumerate(zip(prompts, responses, strict=True)):
        length = len(prompt) - 1
        ids[row, :length] = prompt[:-1]
        position[row, :width] = np.arange(width)
        at = 0
        for number, response in enumerate(row_responses):
            end = at + len(response)
            ids[row, width + at] = prompt[-1]
            ids[row, width + at + 1 : width + end] = response[:-1]
            target[row, at:end] = response
            block[row, at:end] = number
            position[row, width + at : width + end] = np.arange(length, length + len(response))
            at = end
    lengths = torch.tensor([len(prompt) - 1 for prompt in prompts])
    input_ids, positions, targets, blocks = (
        torch.from_numpy(table).to(device) for table in (ids, position, target, block)
    )
    layout = PackedLayout(lengths.to(device), width, blocks, positions[:, width:])
    max_responses = max(map(len, responses))
    return PackedBatch(input_ids, positions, targets, layout, max_responses)


def batch_from_tensors(batch: Mapping[str, Tensor], responses: int) -> PackedBatch:
    """Return a packed batch from tensors of its fields, as a loader brings them to the device."""
    width = batch["input_ids"].shape[1] - batch["target"].shape[1]
    position = batch["position_ids"]
    layout = PackedLayout(batch["prompt"], width, batch["block"], position[:, width:])
    return PackedBatch(batch["input_ids"], position, batch["target"], layout, responses)


def sum_per_response(batch: PackedBatch, values: Tensor) -> Tensor:
    """Return [b, k] sum of [b, t] values over the tokens of each response."""
    block = batch.layout.block
    result = torch.zeros(
        len(block), batch.max_responses + 1, dtype=values.dtype, device=values.device
    )
    # Padding has block -1: it goes to a last column of its own.
    return result.scatter_add(1, block % (batch.max_responses + 1), values)[:, :-1]
