"""The loss against what it is by definition."""

import pytest

from benchkit.lm.packing import token_logprobs
from benchkit.training.core import token_loss
from benchkit.training.core.examples import Example, collate
from benchkit.training.sft import SFTObjective
from tests.support.tiny_training import examples, model, torch


def by_definition(network, data, on_prompt=False):
    """The weighted mean of -log p, one example and one token at a time."""
    total = amount = 0.0
    for example in data:
        ids = [*example.prompt, *example.response]
        own = example.response_weights or (1.0,) * len(example.response)
        with torch.no_grad():
            probabilities = network(torch.tensor([ids])).logits[0].double().softmax(-1)
        for t in range(1, len(ids)):
            in_response = t >= len(example.prompt)
            if not (in_response or on_prompt):
                continue
            part = own[t - len(example.prompt)] if in_response else 1.0
            total -= example.weight * part * float(probabilities[t - 1, ids[t]].log())
            amount += example.weight * part
    return total / amount


def mean(network, data, on_prompt=False):
    objective = SFTObjective(on_prompt)
    batch = objective.collate(data)
    with torch.no_grad():
        return float(objective.loss(network, batch)) / objective.normalizer(batch)


@pytest.mark.parametrize("kind", ["Qwen3", "Llama", "Gemma2"])
@pytest.mark.parametrize("on_prompt", [False, True])
def test_it_is_the_weighted_mean_over_tokens(kind, on_prompt):
    network = model(kind).double()
    data = [
        *examples(5),
        Example((1, 2), (3, 4, 5), weight=0.25),
        Example((), (3, 4, 5, 6), response_weights=(1.0, 0.0, 3.0, 0.5)),
    ]
    got = mean(network, data, on_prompt)
    assert got == pytest.approx(by_definition(network, data, on_prompt), rel=1e-9)


def test_with_equal_weights_it_is_pytorch_s_mean():
    network, data = model(), examples()
    batch = collate(data)
    whole = network(input_ids=batch["input_ids"], labels=batch["labels"]).loss
    assert mean(network, data) == pytest.approx(float(whole), rel=1e-6)
    assert mean(network, [Example(e.prompt, e.response, 0.3) for e in data]) == pytest.approx(
        float(whole), rel=1e-6
    )


def test_two_halves_are_a_whole():
    network, (first, second) = model().double(), examples(2)
    half = Example(first.prompt, first.response, 0.5)
    assert mean(network, [half, half, second]) == pytest.approx(mean(network, [first, second]))


def test_response_tokens_can_be_weighed_on_their_own():
    network = model().double()
    short = [Example((1, 2), (3, 4))]
    long = [Example((1, 2), (3, 4, 5, 6), response_weights=(1.0, 1.0, 0.0, 0.0))]
    assert mean(network, long) == pytest.approx(mean(network, short))


def test_the_side_and_the_amount_of_padding_do_not_matter():
    network, data = model(), examples()
    right = collate(data)
    losses, _ = token_loss.label_losses(network, right)
    wide, _ = token_loss.label_losses(network, collate(data, multiple=64))
    torch.testing.assert_close(wide, losses, atol=1e-5, rtol=0)
    length = right["input_ids"].shape[1]
    left = {name: value.clone() for name, value in right.items()}
    left["attention_mask"] = torch.zeros_like(right["input_ids"])
    for row, example in enumerate(data):
        empty = length - len(example)
        for name in right:
            left[name][row] = right[name][row].roll(empty)
        left["attention_mask"][row, empty:] = 1
    left["position_ids"] = (left["attention_mask"].cumsum(1) - 1).clamp(min=0)
    other, _ = token_loss.label_losses(network, left)
    torch.testing.assert_close(other, losses, atol=1e-5, rtol=0)


def test_logits_are_computed_where_labels_are_only():
    network, batch = model(), collate(examples())
    seen = []
    network.lm_head.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape)))
    losses, weights = token_loss.label_losses(network, batch)
    count = int((batch["labels"] >= 0).sum())
    assert seen == [(count, 300)]
    assert losses.shape == weights.shape == (count,)
    assert network(batch["input_ids"]).logits.shape == (*batch["input_ids"].shape, 300)


def test_a_large_loss_in_parts_is_the_same(monkeypatch):
    network, batch = model(), collate(examples())

    def gradients():
        network.zero_grad()
        losses, weights = token_loss.label_losses(network, batch)
        (losses * weights).sum().backward()
        return losses.detach(), network.lm_head.weight.grad.clone()

    whole = gradients()
    monkeypatch.setattr(token_logprobs, "MOST_LOGITS", 7 * 300)
    monkeypatch.setattr(token_logprobs, "_CHUNK", {"cpu": 7 * 300})
    rows = []
    network.lm_head.register_forward_hook(lambda _, __, out: rows.append(len(out)))
    for hooked in (True, False):  # a head with a hook computes its logits itself
        rows.clear()
        for one, other in zip(gradients(), whole, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
        assert max(rows, default=1) == (7 if hooked else 1)
        network.lm_head._forward_hooks.clear()


def test_logits_that_a_model_scales_in_its_own_way_are_its_own(monkeypatch):
    network, batch = model(), collate(examples())
    before = token_loss.label_losses(network, batch)[0]
    forward = network.forward

    def halved(*args, **kwargs):
        out = forward(*args, **kwargs)
        out.logits = out.logits / 2
        return out

    network.forward = halved
    expected = token_loss.label_losses(network, batch)[0]
    assert not torch.allclose(before, expected, atol=1e-2)
    monkeypatch.setattr(token_logprobs, "MOST_LOGITS", 7 * 300)
    torch.testing.assert_close(token_loss.label_losses(network, batch)[0], expected)
