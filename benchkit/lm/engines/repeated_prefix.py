"""Logits of responses, with the prompt computed anew for each: right for any causal model.

For models that cannot share a prompt among its responses (`architecture.can_share_prefix`). It
costs as many prompts as there are responses.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchkit.lm.architecture import unwrap_peft

_LOGITS_AT_ONCE = 64 << 20  # numbers: 256 MB of float32


def response_logits(
    model: Any, prompt: Sequence[int], responses: Sequence[Sequence[int]]
) -> Tensor:
    """Return [sum of the responses' tokens, vocabulary] float32 logits that predict each token.

    Responses come one after another. No prompt and no response is empty. Padding stands behind a
    response, where nothing is read any more.
    """
    inner = unwrap_peft(model)
    device = next(inner.parameters()).device
    width = max(map(len, responses))
    vocabulary = inner.config.get_text_config().vocab_size
    at_once = max(1, _LOGITS_AT_ONCE // (width * vocabulary))
    options: dict[str, Any] = {"use_cache": False}
    if "logits_to_keep" in inspect.signature(inner.forward).parameters:
        options["logits_to_keep"] = width + 1
    parts = []
    for start in range(0, len(responses), at_once):
        part = responses[start : start + at_once]
        rows = [[*prompt, *response, *[0] * (width - len(response))] for response in part]
        logits = model(input_ids=torch.tensor(rows, device=device), **options).logits
        predicting = logits[:, -width - 1 : -1].float()  # each token is predicted by the one before
        parts += [row[: len(response)] for row, response in zip(predicting, part, strict=True)]
    return torch.cat(parts)


def response_logprobs(
    model: Any, prompt: Sequence[int], responses: Sequence[Sequence[int]]
) -> Tensor:
    """Return [responses] float64 sums of the log-probabilities of each response's tokens."""
    sums = []
    # One after another: the logits of all would be in memory at once.
    for response in responses:
        logits = response_logits(model, prompt, [response])
        target = torch.tensor(response, device=logits.device)
        logprobs = logits.gather(-1, target[:, None])[:, 0] - logits.logsumexp(dim=-1)
        sums.append(logprobs.double().sum())
    return torch.stack(sums)
