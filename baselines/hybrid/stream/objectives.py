"""What STREAM-Rec is trained on first: ids with their neighbours', then thoughts before ids."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from baselines.hybrid.item_ids.code_tokens import CodeTokens
from baselines.hybrid.item_ids.training_rows import TrainingRow
from baselines.hybrid.stream.settings import ThinkingWeights
from baselines.hybrid.stream.slow_thinking import SlowThinking, Thoughts
from benchkit.lm.encoder_decoder.teacher_forcing import (
    Encoded,
    decode_logits,
    encode,
    token_logprobs,
)
from benchkit.training.core.contrastive import info_nce
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import PairTerms

TensorBatch = Mapping[str, Tensor]


@dataclass
class NextIdObjective:
    """Mean cross-entropy of the next item's id, followed by those of similar items (stage 1)."""

    tokens: CodeTokens
    items: NDArray[np.int32]
    """[n] item codes of the training interactions."""
    similar: NDArray[np.int64]
    """[n_items, k] codes of similar items; k may be 0."""
    length: int
    """Newest items that are read."""
    step: int = 0
    module: Any = None
    module_lr: float = 0.0

    def context(self, model: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self, example: TrainingRow) -> int:
        return example.row - example.start

    def collate(self, examples: Sequence[TrainingRow]) -> dict[str, Tensor]:
        return self.tokens.collate_examples(examples, self.items, self.length)

    def normalizer(self, batch: TensorBatch) -> float:
        return float(len(batch["target"]))

    def loss(self, model: Any, batch: TensorBatch) -> Tensor:
        encoded = encode(model, batch["input"], batch["mask"])
        near = self.tokens.table[self.similar[batch["target"].cpu().numpy()]]
        more = torch.from_numpy(near.reshape(len(near), -1)).to(encoded.states.device)
        answer = torch.cat([batch["answer"], more], dim=1)
        logits = decode_logits(model, encoded, answer)
        return -token_logprobs(logits, answer).mean(dim=1).sum()


class ThinkingObjective(NextIdObjective):
    """Thoughts before ids (stage 2).

    The mean of four losses: cross-entropy of thought and id; contrast between the states that
    thoughts end in and the items (InfoNCE); distance of residuals and codes; and DPO, which prefers
    the id after a thought to the id at once, against the model of stage 1.
    """

    def __init__(
        self,
        tokens: CodeTokens,
        items: NDArray[np.int32],
        length: int,
        thinking: SlowThinking,
        reference: Any,
        weights: ThinkingWeights,
        learning_rate: float,
    ) -> None:
        nothing = np.empty((len(tokens.ids), 0), dtype=np.int64)
        super().__init__(tokens, items, nothing, length)
        self.module, self.module_lr, self.weights = thinking, learning_rate, weights
        self.reference = reference

    def loss(self, model: Any, batch: TensorBatch) -> Tensor:
        weights, size = self.weights, len(batch["target"])
        encoded = encode(model, batch["input"], batch["mask"])
        target = self.module.targets(batch["target"])
        thoughts: Thoughts = self.module(self.module.user(encoded.states, encoded.mask), target)
        slow = self.thinking_answer(thoughts.codes, batch["answer"])
        policy, tokens = self._answer_logprobs(model, encoded, slow, batch["answer"])
        loss = -tokens.mean(dim=1).sum() + size * weights.quantisation * thoughts.quantisation
        contrast = info_nce(thoughts.state, target, weights.temperature, cosine=True)
        loss = loss + size * weights.contrast * contrast
        if weights.preference:
            loss = loss + weights.preference * self.preference(policy, batch, slow).sum()
        return loss

    def thinking_answer(self, codes: Tensor, answer: Tensor) -> Tensor:
        """Return [b, l + levels] the tokens of thoughts [b, l] and ids [b, levels]."""
        return torch.cat([codes + self.tokens.first_thought, answer], dim=1)

    def preference(self, policy: Tensor, batch: TensorBatch, slow: Tensor) -> Tensor:
        """Return [b] losses of DPO, from the policy's [b, 2] log-probabilities."""
        with torch.no_grad():
            start = encode(self.reference, batch["input"], batch["mask"])
            reference, _ = self._answer_logprobs(self.reference, start, slow, batch["answer"])
        present = torch.ones_like(policy, dtype=torch.bool)
        pairs = PairTerms(beta=self.weights.beta)
        return preference_loss(policy - reference, present, "logistic", pairs)

    def _answer_logprobs(
        self, model: Any, encoded: Encoded, slow: Tensor, fast: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return [b, 2] log-probabilities of the answer with and without a thought, and of the
        first one's tokens."""
        twice = Encoded(encoded.states.repeat(2, 1, 1), encoded.mask.repeat(2, 1))
        missing = slow.shape[1] - fast.shape[1]
        answers = torch.cat([slow, F.pad(fast, (0, missing))])
        logprobs = token_logprobs(decode_logits(model, twice, answers), answers)
        thinking, direct = logprobs.chunk(2)
        sums = torch.stack([thinking.sum(dim=1), direct[:, : fast.shape[1]].sum(dim=1)], dim=1)
        return sums, thinking
