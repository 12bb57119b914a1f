"""Softmax cross-entropy against a table of vectors, of items or of tokens."""

import torch
from torch import Tensor

_ROWS = 256  # logits in memory at once: they stay in the cache, and memory does not grow with n


def cross_entropy(states: Tensor, table: Tensor, target: Tensor) -> Tensor:
    """Compute the mean of -log softmax(states @ table.T)[target].

    Logits never exist as a whole, and each is computed once, with its gradient.
    Both inputs have one dtype; autocast does not change it.

    Args:
        states: [n, hidden].
        table: [n_rows, hidden].
        target: [n] rows of the table.
    """
    loss: Tensor = _CrossEntropy.apply(states, table, target)  # type: ignore[no-untyped-call]
    return loss


class _CrossEntropy(torch.autograd.Function):
    """Loss and gradients in one pass over blocks of states."""

    @staticmethod
    def forward(ctx, states: Tensor, table: Tensor, target: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        to_states, to_table = torch.empty_like(states), torch.zeros_like(table)
        loss = states.new_zeros(())
        for start in range(0, len(states), _ROWS):
            rows = slice(start, start + _ROWS)
            block, column = states[rows], target[rows, None]
            logits = block @ table.T
            logits -= logits.amax(dim=1, keepdim=True)
            of_target = logits.gather(1, column)
            total = logits.exp_().sum(dim=1, keepdim=True)
            loss += (total.log() - of_target).sum()
            # The gradient in the logits: softmax minus one at the target.
            gradient = logits.div_(total)
            gradient.scatter_add_(1, column, gradient.new_full(column.shape, -1.0))
            torch.mm(gradient, table, out=to_states[rows])
            to_table.addmm_(gradient.T, block)
        ctx.save_for_backward(to_states, to_table)
        return loss / len(states)

    @staticmethod
    def backward(ctx, upstream: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[no-untyped-def]
        to_states, to_table = ctx.saved_tensors
        scale = upstream / len(to_states)
        return to_states * scale, to_table * scale, None
