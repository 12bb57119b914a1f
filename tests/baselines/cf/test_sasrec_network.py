"""SASRec's network and its losses."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from baselines.cf.sasrec_network import (  # noqa: E402
    SASRecNetwork,
    dropout,
    gbce,
    sampled_softmax,
)
from baselines.cf.sequence_blocks import BLOCKS  # noqa: E402
from benchkit.lm.packing.cross_entropy import cross_entropy  # noqa: E402


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(
    n_items: int = 10, max_length: int = 8, std: float = 0.5, block: str = "transformer"
) -> SASRecNetwork:
    small = SASRecNetwork(n_items, 16, layers=2, heads=2, max_length=max_length, block=block)
    return small.initialise(generator(), std=std)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_state_depends_on_the_past_alone(block):
    net, codes = network(block=block), torch.tensor([[3, 1, 4, 1, 5, 9]])
    states = net(codes)
    for t in range(5):
        changed = codes.clone()
        changed[0, t + 1] = 7
        after = net(changed)
        torch.testing.assert_close(after[:, : t + 1], states[:, : t + 1], rtol=0, atol=0)
        assert (after[:, t + 1 :] - states[:, t + 1 :]).abs().amax(dim=-1).min() > 1e-4


@pytest.mark.parametrize("block", BLOCKS)
def test_padding_after_a_sequence_is_not_seen(block):
    net, codes = network(block=block), torch.tensor([[3, 1, 4]])
    padded = torch.tensor([[3, 1, 4, net.padding, net.padding]])
    torch.testing.assert_close(net(padded)[:, :3], net(codes), rtol=1e-5, atol=1e-6)


def test_the_padding_row_is_zero_and_no_item(trained_sasrec, toy):
    net = trained_sasrec[0].network
    assert not net.table.weight[net.padding].any()
    assert len(net.table.weight) == len(toy.catalog) + 1
    assert len(trained_sasrec[0].item_embeddings) == len(toy.catalog)


def test_attention_by_hand():
    # One layer, one head, made to copy its input: the state is what the formulas say.
    net = SASRecNetwork(3, hidden=2, layers=1, heads=1, max_length=4).initialise(generator(), 1.0)
    x = net.items[[0, 2]] + net.positions.weight[:2]
    (block,) = net.blocks
    q, k, v = block.attention.qkv(F.layer_norm(x, (2,))).chunk(3, dim=1)
    second = torch.softmax(q[1] @ k.T / 2**0.5, dim=0) @ v
    x = x + block.attention.out(torch.stack([v[0], second]))
    x = x + block.narrow(F.gelu(block.wide(F.layer_norm(x, (2,)))))
    torch.testing.assert_close(net(torch.tensor([[0, 2]]))[0], F.layer_norm(x, (2,)))


def test_a_gated_block_by_hand():
    net = SASRecNetwork(3, 2, 1, 1, 4, block="ligr").initialise(generator(), 1.0)
    x = net.items[[0]] + net.positions.weight[:1]
    (block,) = net.blocks
    value = block.attention.qkv(F.layer_norm(x, (2,)))[:, 4:]  # it attends to itself alone
    x = x + torch.sigmoid(block.gate_attention(x)) * block.attention.out(value)
    wide = block.wide(F.layer_norm(x, (2,)))
    fed = block.narrow(wide[:, :8] * F.silu(wide[:, 8:]))
    x = x + torch.sigmoid(block.gate_feed(x)) * fed
    torch.testing.assert_close(net(torch.tensor([[0]]))[0], F.layer_norm(x, (2,)))


def test_a_transduction_unit_by_hand():
    net = SASRecNetwork(3, 2, 1, 1, 4, block="hstu").initialise(generator(), 1.0)
    x = net.items[[0, 2]] + net.positions.weight[:2]
    (block,) = net.blocks
    u, v, q, k = F.silu(block.uvqk(F.layer_norm(x, (2,)))).chunk(4, dim=1)
    near, far = block.distances.weight[0, 0], block.distances.weight[1, 0]
    first = F.silu(q[0] @ k[0] + near) * v[0] / 4
    second = (F.silu(q[1] @ k[0] + far) * v[0] + F.silu(q[1] @ k[1] + near) * v[1]) / 4
    mixed = F.layer_norm(torch.stack([first, second]), (2,)) * u
    x = x + block.out(mixed)
    torch.testing.assert_close(net(torch.tensor([[0, 2]]))[0], F.layer_norm(x, (2,)))


def test_a_sampled_softmax_by_hand():
    items = torch.eye(4)
    states = torch.tensor([[1.0, 2.0, 0.0, 0.0]])
    # Item 1 is the target and is left out of the negatives; three draws stand for four items.
    loss = sampled_softmax(states, items, torch.tensor([1]), torch.tensor([0, 1, 2]), 4)
    others = 4 / 3 * (np.exp(1.0) + np.exp(0.0))
    assert loss.item() == pytest.approx(np.log(np.exp(2.0) + others) - 2.0, abs=1e-6)


def test_a_sampled_softmax_tends_to_the_softmax_over_the_catalogue():
    rng = torch.Generator().manual_seed(3)
    states, items = (torch.randn(n, 8, generator=rng) for n in (40, 500))
    target = torch.randint(500, (40,), generator=rng)
    sampled = torch.randint(500, (200_000,), generator=rng)
    whole = cross_entropy(states, items, target)
    estimate = sampled_softmax(states, items, target, sampled, 500)
    torch.testing.assert_close(estimate, whole, rtol=0.01, atol=0.01)


def test_dropout_zeroes_and_rescales():
    x = torch.ones(1000, 101)
    dropped = dropout(x, 0.3, generator())
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(dropout(x, 0.3, generator()), dropped)
    assert not torch.equal(dropout(x, 0.3, generator(1)), dropped)
    assert torch.equal(dropout(x, 0.0, generator()), x)


def test_the_network_drops_nothing_unless_told():
    net, codes = network(), torch.tensor([[3, 1, 4]])
    assert torch.equal(net(codes), net(codes))
    source = generator()
    dropped = net(codes, lambda x: dropout(x, 0.5, source))
    assert not torch.allclose(dropped, net(codes))


# The losses


def test_gbce_by_hand():
    def log_sigma(x):
        return -np.log1p(np.exp(-x))

    positive, negative = torch.tensor([1.0]), torch.tensor([[-0.5, 2.0]])
    others = log_sigma(0.5) + log_sigma(-2.0)
    # 2 negatives of 5 items: alpha = 2 / 4; beta = (t (1 - 2) + 2) / 2.
    for t, beta in ((0.0, 1.0), (0.5, 0.75), (1.0, 0.5)):
        expected = -(beta * log_sigma(1.0) + others) / 3
        assert gbce(positive, negative, 5, t).item() == pytest.approx(expected, rel=1e-6)


def test_gbce_without_calibration_is_binary_cross_entropy():
    positive, negative = (torch.randn(n, generator=generator(n)) for n in (6, 18))
    labels = torch.cat([torch.ones(6), torch.zeros(18)])
    expected = F.binary_cross_entropy_with_logits(torch.cat([positive, negative]), labels)
    torch.testing.assert_close(gbce(positive, negative.view(6, 3), 50, 0.0), expected)
