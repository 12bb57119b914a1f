"""CALRec's loss: writing the next item, and vectors of users and items that belong together."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchkit.training.core.examples import IGNORE_INDEX, Example, collate

if TYPE_CHECKING:
    import torch


def weigh_losses(
    generation: "torch.Tensor",
    target: "torch.Tensor",
    user: "torch.Tensor",
    alpha: float,
    beta: float,
) -> "torch.Tensor":
    """Compute (1 - alpha - beta) L_NIG + alpha L_TT + beta L_UT.

    Args:
        generation: L_NIG, the cross-entropy of the next item's text.
        target: L_TT, between the item's text alone and the same text after the history.
        user: L_UT, between the history and the item's text alone.
        alpha: Weight of L_TT.
        beta: Weight of L_UT.

    Reference:
        Li et al., CALRec, RecSys 2024.
    """
    return (1 - alpha - beta) * generation + alpha * target + beta * user


@dataclass
class AlignmentObjective:
    """The loss over a micro-batch, whose other items are the negatives.

    A user's vector is the mean of the last hidden states over the prompt; an item's is that over
    its text, without the end of turn.
    """

    alpha: float = 0.125
    """Weight of the contrast between an item's text alone and after the history."""
    beta: float = 0.025
    """Weight of the contrast between histories and items."""
    temperature: float = 0.5
    """Scale tau of the cosines."""
    start: tuple[int, ...] = ()
    """Token ids that begin a text which stands alone."""
    end: int = 1
    """Number of tokens that end a response."""
    step: int = field(default=0, repr=False)  # not of what identifies a training
    module = None
    module_lr = 0.0

    def context(self, model: Any) -> AbstractContextManager[None]:
        return nullcontext()

    def size(self, example: Example) -> int:
        return len(example)

    def collate(self, examples: Sequence[Example]) -> "dict[str, torch.Tensor]":
        """Return what `collate` does, where texts and prompts are, and the items' texts alone."""
        import torch

        from benchkit.lm.states.mean_states import pad_right

        batch = collate(examples)
        place = torch.arange(batch["labels"].shape[1])
        prompt, text = (torch.tensor([length]).T for length in _lengths(examples, self.end))
        batch["is_prompt"] = place < prompt
        batch["is_text"] = (place >= prompt) & (place < prompt + text)
        texts = [(*self.start, *e.response[: len(e.response) - self.end]) for e in examples]
        batch["item_ids"], batch["is_item"] = pad_right(texts)
        batch["is_item"][:, : len(self.start)] = False
        return batch

    def normalizer(self, batch: "Mapping[str, torch.Tensor]") -> float:
        return float(len(batch["labels"]))

    def loss(self, model: Any, batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        from benchkit.lm.architecture import unwrap_peft
        from benchkit.lm.states.mean_states import masked_mean_states
        from benchkit.training.core.contrastive import info_nce

        causal = unwrap_peft(model)
        decoder = causal.get_decoder()
        joint = decoder(input_ids=batch["input_ids"], use_cache=False).last_hidden_state
        alone = decoder(input_ids=batch["item_ids"], use_cache=False).last_hidden_state
        generation = response_losses(causal, joint, batch["labels"])
        user = masked_mean_states(joint, batch["is_prompt"])
        after_history = masked_mean_states(joint, batch["is_text"])
        item = masked_mean_states(alone, batch["is_item"])
        target, history = (
            info_nce(x, y, self.temperature, cosine=True, symmetric=False)
            for x, y in ((item, after_history), (user, item))
        )
        mean = weigh_losses(generation.mean(), target, history, self.alpha, self.beta)
        return len(generation) * mean


def response_losses(causal: Any, states: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """Compute the mean cross-entropy over each response's tokens, [b].

    Args:
        causal: The model with its output layer, without a peft wrapper.
        states: [b, t, d] last hidden states.
        labels: [b, t] the token at each place, or -100 outside responses.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from benchkit.lm.shared_prefix import lm_head_logits

    following = labels[:, 1:]
    is_label = following != IGNORE_INDEX
    logits = lm_head_logits(causal, states[:, :-1][is_label])
    each = cross_entropy(logits, following[is_label], reduction="none")
    table = torch.zeros(is_label.shape, device=each.device).masked_scatter(is_label, each)
    return table.sum(dim=1) / is_label.sum(dim=1)


def _lengths(examples: Sequence[Example], end: int) -> tuple[list[int], list[int]]:
    """Return the tokens of each prompt, and of each response's text."""
    return [len(e.prompt) for e in examples], [len(e.response) - end for e in examples]
