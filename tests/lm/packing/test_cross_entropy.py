"""The softmax cross-entropy in one pass."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from benchkit.lm.packing import cross_entropy as module  # noqa: E402
from benchkit.lm.packing.cross_entropy import cross_entropy  # noqa: E402


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_cross_entropy_by_hand():
    states, table = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 5.0]])
    loss = cross_entropy(states, table, torch.tensor([2]))
    assert loss.item() == pytest.approx(np.log(np.exp(2) + np.exp(0) + np.exp(1)) - 1)


def test_cross_entropy_and_its_gradients_are_those_of_torch(monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 4)
    draws = [torch.randn(n, 5, dtype=torch.float64, generator=generator(n)) for n in (10, 7)]
    states, table = (x.requires_grad_() for x in draws)
    target = torch.randint(0, 7, (10,), generator=generator())
    losses = [
        cross_entropy(states, table, target),
        F.cross_entropy(states @ table.T, target),
    ]
    ours, theirs = (torch.autograd.grad(3.0 * loss, (states, table)) for loss in losses)
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(ours, theirs)


def test_cross_entropy_of_large_logits_is_finite():
    states = torch.tensor([[100.0]])
    loss = cross_entropy(states, torch.tensor([[100.0], [0.0]]), torch.tensor([1]))
    assert loss.item() == pytest.approx(10_000.0)
