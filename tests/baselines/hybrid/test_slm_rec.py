"""SLMRec: the cut model, what its losses are, and training end to end."""

import copy
import json
import math
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.hybrid.item_vectors import fit_item_vectors
from baselines.hybrid.next_items import next_items
from baselines.hybrid.slm.network import (
    ItemExample,
    ItemScorer,
    NextItemObjective,
    block_states,
    distillation_losses,
    pad_ids,
)
from baselines.hybrid.slm_rec import SLMRec
from benchkit.errors import ConfigError
from benchkit.lm.architecture import keep_layers
from benchkit.lm.injection.soft_prompts import item_token
from benchkit.testing.fixtures import run_context
from benchkit.training.core.training_job import use_gradient_checkpointing
from benchkit.types import Event, Request
from tests.support.other_architectures import other_model
from tests.support.planted_world import (
    EXPERT,
    NANO,
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.tiny_models import tiny_backbone, tiny_model

KINDS = ("qwen3", "llama", "gemma3", "gemma3-vision")
BRIEF_EXPERT = {"name": "sasrec", "config": {"epochs": 2, "hidden": 8, "heads": 1}}
ONCE = {"epochs": 1, "batch_size": 16, "micro_batch": 16, "gradient_checkpointing": False}
SMALL = {
    "expert": BRIEF_EXPERT, "train": ONCE, "per_user": 2, "validation_cases": 4, "layers": 1,
    "teacher_layers": 2, "blocks": 1,
}  # fmt: skip


def scorer(model, blocks=1, items=5, size=4):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = ItemScorer(torch.randn(items, size), model, blocks)
    parts.soft.attach(model)
    return parts


# The cut model


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_layers_are_kept(kind):
    whole = tiny_model(kind, num_hidden_layers=4)
    cut = keep_layers(copy.deepcopy(whole), 2)
    decoder = cut.get_decoder()
    assert len(decoder.layers) == decoder.config.num_hidden_layers == 2
    ids = torch.arange(5, 25)[None]
    inner = []
    whole.get_decoder().layers[1].register_forward_hook(
        lambda _, __, out: inner.append(out if isinstance(out, torch.Tensor) else out[0])
    )
    with torch.no_grad():
        whole(input_ids=ids)
        states = decoder(input_ids=ids).last_hidden_state
        torch.testing.assert_close(states, decoder.norm(inner[0]))


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(ConfigError, match="9 layers cannot be kept of a model that has 2"):
        keep_layers(tiny_model("llama"), 9)
    with pytest.raises(ConfigError, match="cannot be cut to 1 layers"):
        keep_layers(other_model("bloom", 300), 1)


# Losses


def test_distillation_of_equal_states_is_zero_with_finite_gradients():
    states = [torch.randn(3, 8, requires_grad=True) for _ in range(2)]
    losses = distillation_losses(states, states, 1.0)
    torch.testing.assert_close(losses, torch.zeros(3), atol=1e-6, rtol=0)
    losses.sum().backward()
    assert all(torch.isfinite(state.grad).all() for state in states)


def test_distillation_by_hand():
    one, other = torch.eye(2)[:1], torch.eye(2)[1:]
    # Orthogonal unit vectors: 1 - cos = 1, and they are sqrt(2) apart.
    assert distillation_losses([one], [other], 1.0, 0.0).tolist() == [1.0]
    both = distillation_losses([one], [other], 2.0).item()
    assert both == pytest.approx(2 + 0.1 * math.sqrt(2), abs=1e-6)
    twice = distillation_losses([one, one], [other, -one], 1.0).item()  # -one: 2, and 2 apart
    assert twice == pytest.approx(1 + 0.1 * math.sqrt(2) + 2 + 0.1 * 2, abs=1e-6)
    longer = distillation_losses([3 * one], [one], 1.0).item()
    assert longer == pytest.approx(0.1 * 2, abs=1e-6)


def test_the_objective_adds_its_terms():
    model = tiny_model("llama", num_hidden_layers=4)
    parts = scorer(model, blocks=2)
    examples = [ItemExample((7, item_token(1), 8), 2), ItemExample((7, 8), 0)]
    plain = NextItemObjective(parts, 0.1)
    batch = plain.collate(examples)
    assert batch["input_ids"].tolist() == [[7, item_token(1), 8], [7, 8, 0]]
    early, last = block_states(model, batch, 2)
    table = parts.soft.table

    def entropy(states, head):
        logprobs = (states @ head.weight.T @ table.T).log_softmax(dim=-1)
        return -(logprobs[0, 2] + logprobs[1, 0])

    expected = entropy(last, parts.heads[1])
    torch.testing.assert_close(plain.loss(model, batch), expected)
    assert plain.normalizer(batch) == 2
    supervised = replace(plain, supervision_weight=0.5)
    expected = expected + 0.5 * entropy(early, parts.heads[0])
    torch.testing.assert_close(supervised.loss(model, batch), expected)
    theirs = [torch.ones(2, 32), torch.ones(2, 32)]
    taught = replace(supervised, teacher_states=lambda _: theirs, cosine_weight=0.7)
    expected = expected + distillation_losses([early, last], theirs, 0.7).sum()
    torch.testing.assert_close(taught.loss(model, batch), expected)


def test_the_ends_of_blocks_are_those_of_the_layers():
    model = tiny_model("llama", num_hidden_layers=4)
    scorer(model)
    ids = [(7, item_token(1), 8, 9), (7, 8)]
    batch = pad_ids(ids)
    with torch.no_grad():
        early, last = block_states(model, batch, 2)
        for row, one in enumerate(ids):  # alone, without padding
            out = model.get_decoder()(input_ids=torch.tensor([one]), output_hidden_states=True)
            torch.testing.assert_close(early[row], out.hidden_states[2][0, -1])
            torch.testing.assert_close(last[row], out.last_hidden_state[0, -1])
    with pytest.raises(ValueError, match="3 blocks"):
        block_states(model, batch, 3)


_READ = """
import pickle, sys
from baselines.hybrid.slm.network import block_states
model, batch = pickle.load(open(sys.argv[1], "rb"))
print([state.double().sum().item() for state in block_states(model, batch, 2)])
"""


def test_a_model_made_in_another_process_has_states_too(tmp_path):
    model, batch, file = tiny_model("qwen3"), pad_ids([(5, 6, 7)]), tmp_path / "model"
    file.write_bytes(pickle.dumps((model, batch)))
    command = [sys.executable, "-c", _READ, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = [state.double().sum().item() for state in block_states(model, batch, 2)]
    assert json.loads(done.stdout) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_pass_the_ends_of_blocks(checkpointing):
    model = tiny_model("llama", num_hidden_layers=4)
    scorer(model)
    model.train()
    with use_gradient_checkpointing(model, checkpointing):
        early, last = block_states(model, pad_ids([(7, item_token(1), 8)]), 2)
        (early.square().sum() + last.sum()).backward()
    sizes = [layer.mlp.up_proj.weight.grad.norm().item() for layer in model.get_decoder().layers]
    assert all(size > 0 for size in sizes)
    assert len(model.get_decoder().layers[1]._forward_hooks) == 0


def test_gradients_reach_the_projection_and_the_heads_but_no_table():
    model = tiny_model("qwen3")
    parts = scorer(model)
    objective = NextItemObjective(parts, 0.1)
    batch = objective.collate([ItemExample((7, item_token(1)), 2)])
    objective.loss(model, batch).backward()
    assert parts.soft.projector.weight.grad.abs().sum() > 0
    assert parts.heads[0].weight.grad.abs().sum() > 0
    assert not parts.soft.table.requires_grad and parts.soft.table.grad is None
    assert "table" not in dict(parts.soft.named_parameters())


# Examples


def test_examples_are_the_last_items_after_what_came_before():
    data = planted_world().train_view()
    rows, ids = data.interactions, data.catalog.ids
    items = list(next_items(data, per_user=3, max_history=4))
    first = [item for item in items if item.user == data.users[0]]
    sequence = [ids[code] for code in rows.sequence(0)]
    assert [item.item for item in first] == sequence[max(1, len(sequence) - 3) :]
    for _, history, item in first:
        place = sequence.index(item)
        assert [event.item for event in history] == sequence[max(0, place - 4) : place]
    assert len({item.user for item in next_items(data, 1, limit=7)}) == 7


def test_no_test_item_is_seen_in_training():
    dataset = planted_world()
    data, cases = dataset.train_view(), dataset.test
    users = {data.users[user]: row for row, user in enumerate(cases.user.tolist())}
    for user, history, item in next_items(data, 50):
        target = data.catalog.ids[cases.target[users[user]]]
        assert target not in {item, *(event.item for event in history)}


# Settings


@pytest.mark.parametrize(
    "wrong",
    [{"layers": 3, "blocks": 2}, {"layers": 4, "teacher_layers": 2, "blocks": 2},
     {"frame": ("", "")}],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must divide|needs a text"):
        SLMRec.Config(**wrong)


def test_the_default_shape_is_the_papers():
    large = SLMRec(SLMRec.Config(backbone="some/model"))
    assert large.config.shape == (4, 8, 4)
    assert SLMRec.Config().shape == (2, 4, 2)
    assert SLMRec.Config(nano={"layers": 2}).shape == (1, 2, 1)
    with pytest.raises(ConfigError, match="has no item vectors"):
        SLMRec(SLMRec.Config(expert={"name": "ease"}))


# End to end


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    dataset = planted_world()
    method = SLMRec(SLMRec.Config(backbone=tiny_backbone(), **SMALL))
    run = run_context(dataset.catalog, tmp_path_factory.mktemp("slm"))
    method.fit(dataset.train_view(), run)
    return method, dataset, run


def test_scores_are_products_of_the_projected_state_and_the_items(fitted):
    method, dataset, run = fitted
    ranker = method.ranker
    assert len(ranker.model.get_decoder().layers) == 1
    (request,) = dataset.requests(dataset.test, 0, 1)
    (answer,) = method.predict([request], run)
    index = dataset.catalog.index
    codes = [item_token(index[event.item]) for event in request.history[-30:]]
    ids = torch.tensor([[*ranker.before, *codes, *ranker.behind]])
    with torch.no_grad():
        state = ranker.model.get_decoder()(input_ids=ids).last_hidden_state[0, -1]
        projected = ranker.scorer.heads[-1].weight @ state
        table = ranker.scorer.soft.table[[index[item] for item in request.candidates]]
        expected = table @ projected
    np.testing.assert_allclose(answer.scores, expected.numpy(), atol=1e-5)


def test_an_empty_history_is_scored(fitted):
    method, dataset, run = fitted
    items = dataset.catalog.ids[:3]
    (answer,) = method.predict([Request("x", "new", (), items)], run)
    assert np.isfinite(answer.scores).all()
    (other,) = method.predict([Request("x", "new", (Event(items[0]),), items)], run)
    assert other.scores != answer.scores


def test_training_leaves_the_experts_vectors(fitted):
    method, dataset, run = fitted
    again = fit_item_vectors(method.config.expert, dataset.train_view(), run)
    assert method.ranker.scorer.soft.table.equal(again)


@pytest.mark.slow
def test_it_learns_a_planted_world(tmp_path):
    dataset = planted_world(users=200)
    run = learning_run(tmp_path, dataset)
    train = {"epochs": 10, "batch_size": 32}
    nano = {**NANO, "layers": 4, "steps": 20}
    method = SLMRec(SLMRec.Config(nano=nano, expert=EXPERT, train=train, per_user=8))
    method.fit(dataset.train_view(), run)
    for stage in ("teacher steps", "student steps"):
        assert falls(run.progress.of(stage))
    assert standard_errors_above_chance(method, dataset, run) > 3
