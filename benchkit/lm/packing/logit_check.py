"""Whether log-probabilities that are computed from hidden states are those of the model.

Models scale their logits in ways that differ, under names that differ (`LogitScaling`). One whose
way is not known would be scored, and trained, by other numbers than its own.
"""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from benchkit.lm.architecture import unwrap_peft
from benchkit.lm.packing.token_logprobs import lm_head_logits

_TOKENS = 4  # of the text by which it is checked
_TOLERANCE = 0.02  # of the largest logit: models scale in half precision
_known: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def has_known_logits(model: Any) -> bool:
    """Return whether a model's logits are `lm_head_logits` of its states; each is checked once.

    To be called where the model attends in its usual way.
    """
    causal = unwrap_peft(model)
    if causal not in _known:
        _known[causal] = _compare(causal)
    return _known[causal]


def _compare(causal: Any) -> bool:
    seen: list[Tensor] = []

    def note(_module: Any, states: tuple[Tensor, ...]) -> None:
        seen.append(states[0])

    training = [module for module in causal.modules() if module.training]
    causal.eval()  # dropout would take random numbers
    handle = causal.get_output_embeddings().register_forward_pre_hook(note)
    try:
        with torch.no_grad():
            ids = torch.arange(_TOKENS, device=causal.get_input_embeddings().weight.device)
            logits = causal(input_ids=ids[None], use_cache=False).logits
            handle.remove()
            expected = lm_head_logits(causal, seen[0])
    finally:
        handle.remove()
        for module in training:
            module.training = True
    return same_logits(logits, expected)


def same_logits(logits: Tensor, expected: Tensor) -> bool:
    """Return whether logits differ by no more than the rounding of half precision."""
    difference = (logits.float() - expected.float()).abs().max()
    return bool(difference <= _TOLERANCE * expected.abs().max())
