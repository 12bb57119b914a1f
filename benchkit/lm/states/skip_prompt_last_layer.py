"""What the last layer need not compute of a prompt that responses follow.

Only keys and values of the prompt are read there: its queries, its attention, what they are
projected to and its feed-forward network lead to hidden states that nothing is predicted from. A
model of n layers saves about a part in n of its work on the prompt.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch.nn.functional as F
from torch import Tensor


@contextmanager
def skip_prompt_in_last_layer(decoder: Any) -> Iterator[None]:
    """Let the last layer's modules see the responses alone, and put zeros for the prompt.

    Layers are told the prompt's width by their argument `layout`, as in `shared_prefix`; that holds
    when activations are computed again, too. Modules of another make are left as they are.
    """
    layers = getattr(decoder, "layers", None)
    if layers is None or not is_last_layer(getattr(layers[-1], "self_attn", None)):
        yield
        return
    width = [0]

    def before(_module: Any, _args: Any, kwargs: Any) -> None:
        layout = kwargs.get("layout")
        width[0] = 0 if layout is None else layout.width

    def drop_prompt(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0][:, width[0] :], *args[1:])

    def pad_prompt(_module: Any, _args: Any, out: Tensor) -> Tensor:
        return F.pad(out, (0, 0, width[0], 0))

    with ExitStack() as stack:
        handle = layers[-1].register_forward_pre_hook(before, with_kwargs=True)
        stack.callback(handle.remove)
        for module in _skipping(layers[-1]):
            stack.callback(module.register_forward_pre_hook(drop_prompt).remove)
            stack.callback(module.register_forward_hook(pad_prompt).remove)
        yield


def is_last_layer(attention: Any) -> bool:
    """Return whether an attention module is that of the last layer."""
    count = getattr(getattr(attention, "config", None), "num_hidden_layers", None)
    return count is not None and getattr(attention, "layer_idx", None) == count - 1


def _skipping(layer: Any) -> Iterator[Any]:
    """The modules of a layer that work on each token alone, and whose result for a prompt is not
    read."""
    for name in ("q_proj", "o_proj"):
        if (module := getattr(layer.self_attn, name, None)) is not None:
            yield module
    mlp = getattr(layer, "mlp", None)
    if all(hasattr(mlp, name) for name in ("gate_proj", "up_proj", "down_proj")):  # no experts
        yield mlp
