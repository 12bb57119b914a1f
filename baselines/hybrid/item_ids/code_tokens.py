"""Codes of items and of thoughts as tokens of an encoder-decoder.

Each level has tokens of its own, and so have thoughts. They stand behind the model's own tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from baselines.hybrid.item_ids.training_rows import TrainingRow, example_histories

if TYPE_CHECKING:
    from torch import Tensor

END = 1  # the end of a text, of any T5


@dataclass(frozen=True)
class CodeTokens:
    """Translates item codes into token ids."""

    ids: NDArray[np.int64]
    """[n_items, levels] codes of the items."""
    codes: int
    """Codes of a level."""
    thoughts: int
    """Codes of thoughts."""
    first: int
    """The first token that is not the model's own."""

    @property
    def levels(self) -> int:
        """Tokens of an id."""
        return int(self.ids.shape[1])

    @property
    def vocabulary(self) -> int:
        """All tokens, with the model's own."""
        return self.first_thought + self.thoughts

    @property
    def first_thought(self) -> int:
        """The token of a thought's code 0."""
        return self.first + self.levels * self.codes

    @property
    def table(self) -> NDArray[np.int64]:
        """[n_items, levels] token ids of the items."""
        return self.first + np.arange(self.levels) * self.codes + self.ids

    def history(self, codes: Sequence[int] | NDArray[np.integer]) -> list[int]:
        """Return the ids of item codes (oldest first), the newest item first, and an end."""
        newest = np.asarray(codes, dtype=np.int64)[::-1]
        return [*self.table[newest].ravel().tolist(), END]

    def collate(self, histories: Sequence[NDArray[np.integer]], length: int) -> "dict[str, Tensor]":
        """Build `input` and `mask`, [b, s], of the newest `length` items of b histories."""
        from benchkit.lm.encoder_decoder.teacher_forcing import pad_token_rows

        tokens = pad_token_rows([self.history(history[-length:]) for history in histories], 0)
        return {"input": tokens, "mask": (tokens != 0).long()}

    def collate_examples(
        self, examples: Sequence[TrainingRow], items: NDArray[np.int32], length: int
    ) -> "dict[str, Tensor]":
        """Add `target`, [b] item codes, and `answer`, [b, levels] their tokens."""
        import torch

        histories, target = example_histories(examples, items)
        answer = torch.from_numpy(self.table[target])
        batch: dict[str, Any] = self.collate(histories, length)
        return {**batch, "target": torch.from_numpy(target), "answer": answer}
