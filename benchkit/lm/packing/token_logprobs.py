"""Log-probabilities of tokens after hidden states, without storing logits.

At a vocabulary of 262,144 the logits of 1,000 tokens are 1 GB. Beyond a size they are computed in
chunks: the forward pass keeps each token's normaliser, and the backward pass computes the logits
again, chunk by chunk. So the memory depends on the chunk and not on the vocabulary.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.checkpoint import checkpoint

from benchkit.lm.architecture import unwrap_peft
from benchkit.lm.packing import liger

MOST_LOGITS = 16 << 20  # that are computed at once and kept for the backward pass: 64 MB of float32
_CHUNK = {"cpu": 8 << 20}  # logits in memory at once beyond that
_CHUNK_ON_GPU = 64 << 20  # more rows at once use a GPU better


class LogitScaling(NamedTuple):
    """What happens to logits: cap * tanh(factor * logits / cap) / temperature."""

    factor: float = 1.0
    cap: float | None = None
    temperature: float = 1.0

    @classmethod
    def from_model(cls, causal: Any, temperature: float = 1.0) -> "LogitScaling":
        """Read it from a model's configuration."""
        config = causal.config.get_text_config()
        factor = 1.0
        if scale := getattr(config, "logits_scaling", None):  # Granite
            factor /= scale
        if scale := getattr(config, "logit_scale", None):  # Cohere
            factor *= scale
        cap = getattr(config, "final_logit_softcapping", None)  # Gemma
        return cls(factor, cap or None, temperature)

    def apply(self, scores: Tensor) -> Tensor:
        """Return scaled logits."""
        if self.factor != 1.0:
            scores = scores * self.factor
        if self.cap is not None:
            scores = torch.tanh(scores / self.cap) * self.cap
        return scores if self.temperature == 1.0 else scores / self.temperature

    def apply_(self, scores: Tensor) -> Tensor:
        """Scale logits in place."""
        if self.factor != 1.0:
            scores.mul_(self.factor)
        if self.cap is not None:
            scores.div_(self.cap).tanh_().mul_(self.cap)
        return scores if self.temperature == 1.0 else scores.div_(self.temperature)

    def slope_(self, gradient: Tensor, scores: Tensor | None) -> Tensor:
        """Turn a gradient by scaled logits into one by logits, in place; `scores` if capped."""
        if self.cap is not None and scores is not None:
            gradient.mul_(scores.mul_(self.temperature / self.cap).square_().neg_().add_(1))
        if self.factor != self.temperature:
            gradient.mul_(self.factor / self.temperature)
        return gradient


def lm_head_logits(causal: Any, states: Tensor) -> Tensor:
    """Return [n, vocabulary] float32 logits of hidden states, with the model's own scaling."""
    scores: Tensor = causal.get_output_embeddings()(states).float()
    return LogitScaling.from_model(causal).apply(scores)


def split_by_logits(causal: Any, *rows: Tensor) -> list[tuple[Tensor, ...]]:
    """Split tensors of n rows into parts whose logits fit in memory; one part if all do."""
    size, device = len(rows[0]), rows[0].device
    at_once = max(1, size) if fits_in_memory(causal, size) else _rows_at_once(causal, device)
    return list(zip(*(torch.split(each, at_once) for each in rows), strict=True))


def target_logprobs(model: Any, states: Tensor, target: Tensor, temperature: float = 1.0) -> Tensor:
    """Compute [n] log-probabilities of tokens, float32.

    Heads that are more than a matrix (adapters, quantised weights, hooks) compute logits
    themselves, in chunks that the backward pass computes again. With a matrix nothing but the
    normaliser of each token is kept; on a GPU, Liger's kernel does it where it is installed.

    Args:
        model: The causal model.
        states: [n, hidden] last hidden states.
        target: [n] the tokens that follow them.
        temperature: Divides the logits.
    """
    causal = unwrap_peft(model)
    head = causal.get_output_embeddings()
    scaling = LogitScaling.from_model(causal, temperature)

    def piece(state: Tensor, wanted: Tensor) -> Tensor:
        scores = scaling.apply(_at_least_float32(head(state)))
        return scores.gather(-1, wanted[:, None])[:, 0] - scores.logsumexp(dim=-1)

    if fits_in_memory(causal, len(target)):
        return piece(states, target)
    if is_plain_head(head):
        kind = states.device.type
        if torch.is_autocast_enabled(kind):
            states = states.to(torch.get_autocast_dtype(kind))
        known = head.bias is None and (scaling.cap is None or scaling.temperature == 1.0)
        if kind == "cuda" and known and liger.is_usable(states.device.index):
            return liger.liger_logprobs(states, head.weight, target, scaling)
        rows = _rows_at_once(causal, states.device)
        return chunked_logprobs(states, head.weight, head.bias, target, scaling, rows)
    parts = split_by_logits(causal, states, target)
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(piece, *part, use_reentrant=False) for part in parts])
    return torch.cat([piece(*part) for part in parts])


def fits_in_memory(causal: Any, rows: int) -> bool:
    """Return whether the logits of so many tokens are computed at once and kept."""
    return bool(rows * causal.get_output_embeddings().weight.shape[0] <= MOST_LOGITS)


def _rows_at_once(causal: Any, device: torch.device) -> int:
    size = causal.get_output_embeddings().weight.shape[0]
    return max(1, _CHUNK.get(device.type, _CHUNK_ON_GPU) // int(size))


def is_plain_head(head: Any) -> bool:
    """Return whether a head is nothing but a matrix that can be multiplied here."""
    return (
        type(head) is nn.Linear
        and not (head._forward_hooks or head._forward_pre_hooks)
        and head.weight.dim() == 2
        and head.weight.is_floating_point()
        and not hasattr(head.weight, "ds_id")  # a part of it, where DeepSpeed shares it out
    )


def chunked_logprobs(
    states: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    scaling: LogitScaling,
    rows: int,
) -> Tensor:
    """Compute [n] log-probabilities of tokens from the matrix [vocabulary, hidden] of a head.

    Args:
        states: [n, hidden] hidden states, in the type that logits are computed in.
        weight: The matrix.
        bias: [vocabulary], or None.
        target: [n] tokens.
        scaling: What happens to the logits.
        rows: How many tokens' logits are in memory at once.
    """
    result: Tensor = _ChunkedLogprobs.apply(  # type: ignore[no-untyped-call]
        states, weight, bias, target, scaling, rows
    )
    return result


class _ChunkedLogprobs(torch.autograd.Function):
    """Log-probabilities by chunks of tokens; the backward pass computes logits again."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        scaling: LogitScaling,
        rows: int,
    ) -> Tensor:
        ctx.scaling, ctx.rows = scaling, rows
        matrix, offset = weight.to(states.dtype), None if bias is None else bias.to(states.dtype)
        number = torch.promote_types(states.dtype, torch.float32)
        total = torch.empty(len(target), dtype=number, device=states.device)
        chosen = torch.empty_like(total)
        for start in range(0, len(target), rows):
            part = slice(start, start + rows)
            scores = _scores(states[part], matrix, offset, scaling)
            chosen[part] = scores.gather(-1, target[part, None])[:, 0]
            total[part] = _logsumexp_(scores)
        ctx.save_for_backward(states, weight, bias, target, total)
        return chosen - total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, bias, target, total = ctx.saved_tensors
        matrix, offset = weight.to(states.dtype), None if bias is None else bias.to(states.dtype)
        for_states, for_weight, for_bias = ctx.needs_input_grad[:3]
        of_states = torch.empty_like(states) if for_states else None
        of_weight = torch.zeros_like(weight) if for_weight else None
        of_bias = torch.zeros_like(bias) if for_bias else None
        for start in range(0, len(target), ctx.rows):
            part = slice(start, start + ctx.rows)
            scores = _scores(states[part], matrix, offset, ctx.scaling)
            before = None if ctx.scaling.cap is None else scores.clone()
            # d log p / d scores = [v = target] - p
            scores.sub_(total[part, None]).exp_().mul_(-gradient[part, None])
            scores.scatter_add_(1, target[part, None], gradient[part, None])
            of_scores = ctx.scaling.slope_(scores, before).to(states.dtype)
            if of_states is not None:
                torch.mm(of_scores, matrix, out=of_states[part])
            if of_weight is not None and of_weight.dtype == of_scores.dtype:
                of_weight.addmm_(of_scores.T, states[part])
            elif of_weight is not None:
                of_weight += of_scores.T @ states[part]
            if of_bias is not None:
                of_bias += scores.sum(dim=0)
        return of_states, of_weight, of_bias, None, None, None


def _scores(states: Tensor, weight: Tensor, bias: Tensor | None, scaling: LogitScaling) -> Tensor:
    return scaling.apply_(_at_least_float32(linear(states, weight, bias)))


def _at_least_float32(scores: Tensor) -> Tensor:
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _logsumexp_(scores: Tensor) -> Tensor:
    """Return the logarithm of the sum of exponentials of each row, which are overwritten."""
    top = scores.amax(dim=-1, keepdim=True)
    return scores.sub_(top).exp_().sum(dim=-1).log_().add_(top[:, 0])
