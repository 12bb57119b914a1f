"""The Liger kernel for log-probabilities on a GPU, where it is installed and does the same."""

import warnings
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from benchkit.lm.packing.token_logprobs import LogitScaling


def liger_logprobs(
    states: Tensor, weight: Tensor, target: Tensor, scaling: "LogitScaling"
) -> Tensor:
    """Compute [n] log-probabilities of tokens as `chunked_logprobs` does.

    There is no bias, and no temperature behind a cap.
    """
    from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction

    # The kernel knows caps, but neither factor nor temperature, which scale the states instead.
    factor, cap = scaling.factor / scaling.temperature, scaling.cap
    options = (None, None, -100, 0.0, 0.0, "none", cap)  # of bias, classes, ignored and smoothed
    losses: Tensor = LigerFusedLinearCrossEntropyFunction.apply(
        states if factor == 1.0 else states * factor, weight.to(states.dtype), target, *options
    )[0]
    return -losses.float()


@lru_cache(maxsize=8)
@torch.inference_mode(False)
@torch.enable_grad()
def is_usable(index: int | None) -> bool:
    """Return whether the kernel is installed and has the gradients of our own on this GPU.

    Versions differ in whether the gradient of each token may be scaled on its own.
    """
    if find_spec("liger_kernel") is None:
        return False
    from benchkit.lm.packing.token_logprobs import LogitScaling, chunked_logprobs

    device, results = torch.device("cuda", index or 0), []
    scaling = LogitScaling(0.5, 20.0)
    try:
        for way in ("own", "liger"):
            generator = torch.Generator(device).manual_seed(0)
            states, weight = (
                torch.randn(size, 64, generator=generator, device=device).requires_grad_()
                for size in (37, 1000)
            )
            target = torch.arange(37, device=device)
            if way == "own":
                values = chunked_logprobs(states, weight, None, target, scaling, 16)
            else:
                values = liger_logprobs(states, weight, target, scaling)
            scale = torch.linspace(-1, 1, 37, device=device)
            gradients = torch.autograd.grad((values * scale).sum(), (states, weight))
            results.append((values.detach(), *gradients))
    except Exception as error:  # a compiler raises whatever it likes
        warnings.warn(f"the Liger kernel cannot be used on {device}: {error}", stacklevel=2)
        return False
    pairs = zip(*results, strict=True)
    same = all(torch.allclose(one, other, atol=1e-2, rtol=1e-2) for one, other in pairs)
    if not same:
        warnings.warn(f"the Liger kernel gives other numbers on {device}: not used", stacklevel=2)
    return same
