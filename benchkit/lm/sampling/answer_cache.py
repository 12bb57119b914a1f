"""Keys and values of prompts and their answers: prompts held once, answers with room to grow.

The cache of `transformers` copies everything that it holds for each token that it adds, and holds a
prompt once for each of its answers.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

_LEAST_ROOM = 32  # tokens
_ROOM = 1 / 8  # of the tokens that a layer holds: copies stay a small share, and so does memory


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's keys and values, [b, heads, tokens, d]: views of tables that have more room."""

    keys: Any
    values: Any

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tables: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add [b, heads, t, d] keys and values; return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.held
        if not length:
            self.keys, self.values = key_states, value_states
            return self.keys, self.values
        end = length + key_states.shape[-2]
        if self._tables is None or self._tables[0].shape[-2] < end:
            room = max(_LEAST_ROOM, int(end * _ROOM))
            self._tables = _with_room(self.keys, end + room), _with_room(self.values, end + room)
        keys, values = self._tables
        keys[:, :, length:end] = key_states
        values[:, :, length:end] = value_states
        self.keys, self.values = keys[:, :, :end], values[:, :, :end]
        return self.keys, self.values

    @property
    def held(self) -> int:
        """Tokens in `keys`."""
        return self.keys.shape[-2] if self.is_initialized and self.keys.numel() else 0

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each row."""
        super().batch_repeat_interleave(repeats)
        self._tables = None

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows alone."""
        super().batch_select_indices(indices)
        self._tables = None

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self._tables = None


class SharedPromptLayer(GrowingLayer):  # type: ignore[no-untyped-call]
    """A layer that holds prompts once: from `begin_answers` on, `keys` are those of answers."""

    def __init__(self) -> None:
        super().__init__()
        self.prompt: tuple[Tensor, Tensor] | None = None
        """Keys and values of the prompts, [b, heads, tokens, d], once answers have begun."""

    def begin_answers(self) -> None:
        """Take what is held for prompts; what is added belongs to answers, in rows of their own."""
        self.prompt = self.keys, self.values
        self.keys = self.values = self.keys.new_empty(0)

    def keep(self, prompts: Tensor, rows: Tensor) -> None:
        """Keep these prompts, and these rows of answers."""
        if self.prompt and len(prompts) < len(self.prompt[0]):
            keys, values = self.prompt
            self.prompt = keys[prompts], values[prompts]
        if self.held:
            self.batch_select_indices(rows)

    def get_seq_length(self) -> int:
        """Return the tokens of a prompt with an answer."""
        return self.held + (self.prompt[0].shape[-2] if self.prompt else 0)

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.prompt = None


class AnswerCache(DynamicCache):
    """The cache of prompts and their answers.

    Plain layers grow in place. A sliding window does not grow, and keeps transformers' own layer,
    which repeats its prompt.

    Args:
        config: The model's.
        shares_prompts: Hold each prompt once in plain layers: attention must then go through
            `shared_prompt.attend_to_prompts`.
    """

    layers: list[Any]

    def __init__(self, config: PreTrainedConfig, shares_prompts: bool) -> None:
        super().__init__(config=config)
        self.hidden: Tensor | None = None
        """[b, tokens] True where a prompt is padding; None if nowhere."""
        plain = SharedPromptLayer if shares_prompts else GrowingLayer
        for place, layer in enumerate(self.layers):
            if type(layer) is DynamicLayer:
                self.layers[place] = plain()

    def begin_answers(self, n: int, mask: Tensor) -> None:
        """Let n answers follow each prompt, in rows one after another.

        mask: [b, tokens] 0 where a prompt is padding.
        """
        padding = mask == 0
        self.hidden = padding if padding.any() else None
        for layer in self.layers:
            if isinstance(layer, SharedPromptLayer):
                layer.begin_answers()
            elif n > 1:
                layer.batch_repeat_interleave(n)

    def keep(self, prompts: Tensor, rows: Tensor) -> None:
        """Keep these prompts, and these rows of answers: as many for each prompt, in order."""
        if self.hidden is not None:
            self.hidden = self.hidden[prompts]
        for layer in self.layers:
            if isinstance(layer, SharedPromptLayer):
                layer.keep(prompts, rows)
            else:
                layer.batch_select_indices(rows)


def _with_room(states: Tensor, length: int) -> Tensor:
    """Return [b, heads, length, d], which begins with the states; what follows is unset."""
    batch, heads, held, width = states.shape
    table = torch.empty(batch, heads, length, width, dtype=states.dtype, device=states.device)
    table[:, :, :held] = states
    return table
