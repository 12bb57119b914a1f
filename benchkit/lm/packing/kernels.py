"""Which way of attending a batch takes: chosen by the device and the batch, or forced.

- `padded`: a row for each example. On a CPU, where there is hardly any padding.
- `grouped`: one row without padding; examples of similar size attend together. Otherwise.
- `flex`: one row without padding, attended by FlexAttention through block masks. On a GPU for
  which PyTorch compiles it and where it gives the same as `grouped`.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch

from benchkit.errors import MethodError
from benchkit.lm.packing import Kernel
from benchkit.lm.packing.attention import Heads
from benchkit.lm.packing.packed_batch import PackedBatch, pack_batch
from benchkit.lm.packing.packed_row import Row, group_row

MOST_PADDING = 1.1  # positions for each token, from which on a row without padding is made
_forced: ContextVar[Kernel] = ContextVar("kernel", default="auto")


@contextmanager
def force_kernel(kernel: Kernel) -> Iterator[None]:
    """Let batches attend in this way for a while; `auto` changes nothing."""
    token = _forced.set(_forced.get() if kernel == "auto" else kernel)
    try:
        yield
    finally:
        _forced.reset(token)


def forced_kernel() -> Kernel:
    """Return the way of attending that is forced now, or `auto`."""
    return _forced.get()


def choose_kernel(batch: PackedBatch) -> Kernel:
    """Return how a batch attends."""
    if (forced := _forced.get()) != "auto":
        return forced
    device = batch.input_ids.device
    if device.type == "cuda" and flex_works(device):
        return "flex"
    return "grouped" if batch.tokens > MOST_PADDING * batch.useful_tokens else "padded"


def arrange_batch(batch: PackedBatch) -> PackedBatch | Row:
    """Return a batch in the form in which the model computes it.

    Raises:
        MethodError: FlexAttention is forced where it has no backward pass, on a CPU.
    """
    kernel = choose_kernel(batch)
    if kernel == "padded":
        return batch
    if kernel == "grouped":
        return group_row(batch)
    if torch.is_grad_enabled() and batch.input_ids.device.type == "cpu":
        raise MethodError(
            "FlexAttention cannot train on a CPU: it has no backward pass there",
            "set prefix_attention to auto, padded or grouped",
        )
    from benchkit.lm.packing.block_masks import block_mask_row

    return block_mask_row(batch)


@lru_cache(maxsize=8)
@torch.inference_mode(False)
@torch.enable_grad()
def flex_works(device: torch.device) -> bool:
    """Return whether a device compiles FlexAttention, and computes as `grouped` does with it."""
    from benchkit.lm.packing.block_masks import block_mask_row

    # From the longest to the shortest, both kinds of row have the same order.
    prompts = [[3] * length for length in (700, 300, 129, 2)]
    batch = pack_batch(prompts, [[[4] * 90, [5] * 7], [[6]], [[7] * 40] * 3, [[8] * 2]], 0, device)
    results = []
    try:
        for row in (group_row(batch), block_mask_row(batch)):
            generator = torch.Generator(device).manual_seed(0)
            heads = Heads(
                *(
                    torch.randn(
                        (1, count, row.input_ids.shape[1], 64),
                        generator=generator,
                        device=device,
                        dtype=torch.bfloat16,
                    ).requires_grad_()
                    for count in (4, 2, 2)
                )
            )
            out = row.layout.attend(heads, 100, None, False)
            out.float().square().sum().backward()  # type: ignore[no-untyped-call]
            results.append([out.detach(), *(x.grad for x in heads)])
    except Exception as error:  # a compiler raises whatever it likes
        warnings.warn(f"FlexAttention cannot be used on {device}: {error}", stacklevel=2)
        return False
    pairs = zip(*results, strict=True)
    if all(torch.allclose(one, other, atol=0.05, rtol=0.05) for one, other in pairs):
        return True
    warnings.warn(f"FlexAttention gives other numbers on {device}: not used", stacklevel=2)
    return False
