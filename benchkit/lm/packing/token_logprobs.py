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

WHOLE = 16 << 20  # logits that are kept for the backward pass: 64 MB of float32
_CHUNK = {"cpu": 8 << 20}  # logits in memory at once
_CHUNK_ON_GPU = 64 << 20


class LogitScaling(NamedTuple):
    """What a model does to its logits: cap * tanh(factor * logits / cap)."""

    factor: float = 1.0
    cap: float | None = None

    @classmethod
    def from_model(cls, causal: Any) -> "LogitScaling":
        """Read it from a model's configuration."""
        config = causal.config.get_text_config()
        factor = 1.0
        if scale := getattr(config, "logits_scaling", None):  # Granite
            factor /= scale
        if scale := getattr(config, "logit_scale", None):  # Cohere
            factor *= scale
        return cls(factor, getattr(config, "final_logit_softcapping", None) or None)  # Gemma

    def apply_(self, scores: Tensor) -> Tensor:
        """Scale and cap logits in place."""
        if self.factor != 1.0:
            scores.mul_(self.factor)
        if self.cap is not None:
            scores.div_(self.cap).tanh_().mul_(self.cap)
        return scores


def lm_head_logits(causal: Any, states: Tensor) -> Tensor:
    """Return [n, vocabulary] float32 logits of hidden states, with the model's own scaling."""
    scaling = LogitScaling.from_model(causal)
    scores: Tensor = causal.get_output_embeddings()(states).float()
    if scaling.factor != 1.0:
        scores = scores * scaling.factor
    if scaling.cap is not None:
        scores = torch.tanh(scores / scaling.cap) * scaling.cap
    return scores


def rows_at_once(causal: Any, device: torch.device) -> int:
    """Return how many tokens' logits are computed at once."""
    size = causal.get_output_embeddings().weight.shape[0]
    return max(1, _CHUNK.get(device.type, _CHUNK_ON_GPU) // int(size))


def target_logprobs(model: Any, states: Tensor, target: Tensor) -> Tensor:
    """Return [n] float32 log-probability of tokens `target` [n] after hidden states [n, hidden]."""
    causal = unwrap_peft(model)
    head = causal.get_output_embeddings()

    def piece(state: Tensor, wanted: Tensor) -> Tensor:
        scores = lm_head_logits(causal, state)
        return scores.gather(-1, wanted[:, None])[:, 0] - scores.logsumexp(dim=-1)

    if len(target) * head.weight.shape[0] <= WHOLE:
        return piece(states, target)
    rows = rows_at_once(causal, states.device)
    if is_plain_head(head):
        scaling = LogitScaling.from_model(causal)
        if torch.is_autocast_enabled(states.device.type):
            states = states.to(torch.get_autocast_dtype(states.device.type))
        result: Tensor = _ChunkedLogprobs.apply(  # type: ignore[no-untyped-call]
            states, head.weight, head.bias, target, scaling, rows
        )
        return result
    parts = zip(torch.split(states, rows), torch.split(target, rows), strict=True)
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(piece, s, t, use_reentrant=False) for s, t in parts])
    return torch.cat([piece(s, t) for s, t in parts])


def is_plain_head(head: Any) -> bool:
    """Return whether a head is a matrix that can be multiplied here.

    Adapters, quantised and partitioned weights, and hooks are computed by the module itself.
    """
    return (
        type(head) is nn.Linear
        and not (head._forward_hooks or head._forward_pre_hooks)
        and head.weight.dim() == 2
        and head.weight.is_floating_point()
        and not hasattr(head.weight, "ds_id")  # DeepSpeed's
    )


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
        matrix, offset = _cast(weight, states), None if bias is None else _cast(bias, states)
        total = torch.empty(len(target), dtype=torch.float32, device=states.device)
        chosen = torch.empty_like(total)
        for start in range(0, len(target), rows):
            part = slice(start, start + rows)
            scores = _logits(states[part], matrix, offset, scaling)
            chosen[part] = scores.gather(-1, target[part, None])[:, 0]
            total[part] = _logsumexp_(scores)
        ctx.save_for_backward(states, weight, bias, target, total)
        return chosen - total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, bias, target, total = ctx.saved_tensors
        scaling: LogitScaling = ctx.scaling
        matrix, offset = _cast(weight, states), None if bias is None else _cast(bias, states)
        for_states, for_weight, for_bias = ctx.needs_input_grad[:3]
        of_states = torch.empty_like(states) if for_states else None
        of_weight = torch.zeros_like(weight) if for_weight else None
        of_bias = torch.zeros_like(bias) if for_bias else None
        for start in range(0, len(target), ctx.rows):
            part = slice(start, start + ctx.rows)
            scores = _logits(states[part], matrix, offset, scaling)
            slope = None if scaling.cap is None else 1 - (scores / scaling.cap).square_()
            # d log p / d logits = [v = target] - p
            scores.sub_(total[part, None]).exp_().mul_(-gradient[part, None])
            scores.scatter_add_(1, target[part, None], gradient[part, None])
            if slope is not None:
                scores.mul_(slope)
            if scaling.factor != 1.0:
                scores.mul_(scaling.factor)
            of_scores = scores.to(states.dtype)
            if of_states is not None:
                torch.mm(of_scores, matrix, out=of_states[part])
            if of_weight is not None:
                if of_weight.dtype == of_scores.dtype:
                    of_weight.addmm_(of_scores.T, states[part])
                else:
                    of_weight += of_scores.T @ states[part]
            if of_bias is not None:
                of_bias += scores.sum(dim=0)
        return of_states, of_weight, of_bias, None, None, None


def _cast(parameter: Tensor, states: Tensor) -> Tensor:
    return parameter.to(states.dtype)


def _logits(states: Tensor, weight: Tensor, bias: Tensor | None, scaling: LogitScaling) -> Tensor:
    return scaling.apply_(linear(states, weight, bias).float())


def _logsumexp_(scores: Tensor) -> Tensor:
    """Return the logarithm of the sum of exponentials of each row, which are overwritten."""
    top = scores.amax(dim=-1, keepdim=True)
    return scores.sub_(top).exp_().sum(dim=-1).log_().add_(top[:, 0])
