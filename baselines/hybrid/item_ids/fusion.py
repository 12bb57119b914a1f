"""Fusion in the decoder: passages are encoded one by one, and the decoder reads all of them.

Izacard and Grave, EACL 2021; GRAM (Lee et al., 2025) fuses a user's prompt and items' prompts in
this way, with a learned vector for each passage's place. An item's passage is encoded once a batch,
however many histories it is in.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.hybrid.item_ids.gram_prompts import GramPrompts
from baselines.hybrid.item_ids.training_rows import TrainingRow, example_histories
from benchkit.lm.encoder_decoder.teacher_forcing import (
    Encoded,
    cross_entropy_sum,
    decode_logits,
    encode,
    pad_token_rows,
)

TensorBatch = Mapping[str, Tensor]


def fuse(passages: Sequence[Encoded], positions: Tensor) -> Encoded:
    """Join the states of passages, after adding to each the vector of its place.

    Args:
        passages: p passages of the same b inputs, [b, s_i, d] each.
        positions: [p, d].
    """
    states = [passage.states + vector for passage, vector in zip(passages, positions, strict=True)]
    return Encoded(torch.cat(states, dim=1), torch.cat([p.mask for p in passages], dim=1))


class FusionObjective:
    """Mean cross-entropy of the tokens of the next item's id, given the fused passages.

    Args:
        prompts: Of all items and users.
        items: [n] item codes of the training interactions.
        answers: [n_items] ids with their ends, as token ids.
        passages: Newest items of a history whose prompts are read.
        width: Width of the model's states.
        learning_rate: Of the places' vectors.
    """

    step: int = 0

    def __init__(
        self,
        prompts: GramPrompts,
        items: NDArray[np.int32],
        answers: Sequence[Sequence[int]],
        passages: int,
        width: int,
        learning_rate: float,
    ) -> None:
        self.prompts, self.items, self.answers = prompts, items, answers
        self.passages, self.module_lr = passages, learning_rate
        self.module = nn.Embedding(passages + 1, width)
        nn.init.zeros_(self.module.weight)

    def context(self, model: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self, example: TrainingRow) -> int:
        return example.row - example.start

    def collate(self, examples: Sequence[TrainingRow]) -> dict[str, Tensor]:
        histories, target = example_histories(examples, self.items)
        answers = [self.answers[code] for code in target]
        weights = pad_token_rows([[1] * len(answer) for answer in answers], 0)
        batch = self.collate_histories(histories)
        return {**batch, "answers": pad_token_rows(answers, 0), "weights": weights}

    def collate_histories(self, histories: Sequence[NDArray[np.integer]]) -> dict[str, Tensor]:
        """Build the tensors of b histories of item codes, oldest first.

        `user` [b, s] and `items` [u, t] hold prompts; `places` [b, p] says which of the u items
        is a history's newest, second newest and so on, -1 for none.
        """
        newest = [history[-self.passages :][::-1].tolist() for history in histories]
        rows = {code: row for row, code in enumerate(sorted({c for some in newest for c in some}))}
        places = [[rows[code] for code in some] for some in newest]
        return {
            "user": pad_token_rows([self.prompts.user(history) for history in histories], 0),
            "items": pad_token_rows([self.prompts.items[code] for code in rows], 0),
            "places": pad_token_rows(places, -1),
        }

    def normalizer(self, batch: TensorBatch) -> float:
        return float(batch["weights"].sum())

    def loss(self, model: nn.Module, batch: TensorBatch) -> Tensor:
        logits = decode_logits(model, self.encode(model, batch), batch["answers"])
        return cross_entropy_sum(logits, batch["answers"], batch["weights"])

    def encode(self, model: Any, batch: TensorBatch) -> Encoded:
        """Encode and fuse the prompts of `collate_histories`; 0 is padding."""
        user, items, places = batch["user"], batch["items"], batch["places"]
        passages = [encode(model, user, (user != 0).long())]
        if len(items):
            encoded = encode(model, items, (items != 0).long())
            for column in places.T:
                rows = encoded.rows(column.clamp(min=0))
                passages.append(Encoded(rows.states, rows.mask * (column >= 0).long()[:, None]))
        vectors = self.module.weight[: len(passages)]
        return fuse(passages, vectors)
