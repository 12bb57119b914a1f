"""A SASRec on frozen item vectors: causality, the padding row, gradients, selection."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.hybrid.frozen_vectors.sasrec import (
    Alignment,
    FrozenSASRec,
    SequentialConfig,
    standardize,
)
from benchkit.data.request_batch import TrainData
from benchkit.testing.fixtures import run_context
from tests.support.planted_world import planted_world, standard_errors_above_chance

torch = pytest.importorskip("torch")

from baselines.hybrid.frozen_vectors.network import AdaptedTable, FrozenNetwork  # noqa: E402

SMALL = {"hidden": 8, "heads": 1, "layers": 1, "max_length": 6}


@pytest.fixture(scope="module")
def toy():
    return planted_world()


def random_vectors(n=80, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def network(n=7, d=5, sizes=(6, 8)):
    with torch.random.fork_rng(devices=[]):
        result = FrozenNetwork(torch.from_numpy(random_vectors(n, d)), sizes, (2, 2, 6))
    return result.initialise(torch.Generator().manual_seed(0), std=0.5)


def fit(data, vectors, seed=0, progress=None, alignment=None, **config):
    run = run_context(data.catalog, seed=seed)
    run = replace(run, progress=progress) if progress else run
    settings = SequentialConfig(**{**SMALL, "epochs": 3, **config})
    method = FrozenSASRec(settings, vectors, (6,), alignment)
    method.fit(data, run)
    return method


def test_a_later_item_changes_no_earlier_state():
    codes = torch.tensor([[3, 1, 6, 0, 2]])
    before = network()(codes)
    for t in range(4):
        changed = codes.clone()
        changed[0, t + 1] = 5
        after = network()(changed)
        torch.testing.assert_close(after[:, : t + 1], before[:, : t + 1])
        assert not torch.allclose(after[:, t + 1], before[:, t + 1])


def test_each_items_vector_is_its_own_and_padding_is_zero():
    vectors = torch.from_numpy(random_vectors(4))
    table = AdaptedTable(vectors, (3,))
    for item in range(4):
        expected = table.layers(vectors[item])
        torch.testing.assert_close(table(torch.tensor(item)), expected)
        torch.testing.assert_close(table.weight[item], expected)
    assert table.weight[3].abs().sum() > 0
    assert table(torch.tensor([[3, 4]]))[0, 1].tolist() == [0, 0, 0]
    assert table.weight.shape == (5, 3)
    assert table.weight[4].tolist() == [0, 0, 0]


def test_the_adapter_has_no_activation():
    table, x = AdaptedTable(torch.eye(3), (4, 2)), torch.randn(5, 3)
    zero = table.layers(torch.zeros(3))
    torch.testing.assert_close(table.layers(-x) - zero, zero - table.layers(x))


def test_gradients_reach_the_adapter_and_not_the_frozen_vectors():
    learner = network()
    states = learner(torch.tensor([[3, 1, 6]]))
    (states @ learner.items.T).square().sum().backward()
    assert learner.table.frozen.grad is None and not learner.table.frozen.requires_grad
    names = dict(learner.named_parameters())
    adapter = [name for name in names if name.startswith("table.")]
    assert len(adapter) == 4  # two layers with their biases
    assert all(names[name].grad.abs().sum() > 0 for name in adapter)


def test_the_plain_network_computes_the_same():
    adapted, codes = network(), torch.tensor([[3, 1, 7], [2, 7, 7]])
    plain = adapted.to_plain()
    torch.testing.assert_close(plain(codes), adapted(codes))
    torch.testing.assert_close(plain.items, adapted.items)
    assert plain.table.weight[7].abs().sum() == 0


@pytest.mark.parametrize("loss", ["bce", "cross-entropy"])
def test_the_frozen_vectors_are_the_same_after_training(toy, loss):
    method = FrozenSASRec(SequentialConfig(**SMALL, epochs=2, loss=loss), random_vectors())
    data = toy.train_view()
    before = hashlib.sha256(method.vectors.tobytes()).hexdigest()  # the network's, too: no copy
    method.fit(data, run_context(data.catalog))
    assert hashlib.sha256(method.vectors.tobytes()).hexdigest() == before


def test_scores_are_products_of_the_state_and_adapted_vectors(toy):
    method = fit(toy.train_view(), random_vectors(), dropout=0.0)
    (request,) = toy.requests(toy.test, 0, 1)
    (answer,) = method.predict([request], run_context(toy.catalog))
    codes = [toy.catalog.index[event.item] for event in request.history]
    state = method.user_states([np.array(codes)])[0]
    rows = [toy.catalog.index[item] for item in request.candidates]
    expected = (method.item_embeddings[rows] @ state).tolist()
    assert answer.scores == pytest.approx(expected, abs=1e-5)


def test_the_seed_decides(toy):
    data, requests = toy.train_view(), list(toy.requests(toy.test, 0, 20))
    first = fit(data, random_vectors()).score_items(requests)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert np.array_equal(fit(data, random_vectors()).score_items(requests), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not np.allclose(fit(data, random_vectors(), seed=1).score_items(requests), first)


def test_the_alignment_is_weighted_and_of_items_counted_once():
    target = torch.eye(4)
    alignment = Alignment(target, weight=0.01, temperature=2.0)
    codes = torch.arange(4)
    assert alignment.loss(codes, target).item() == pytest.approx(0.01 * 1.036592, abs=1e-7)
    soft = replace(alignment, soft_targets=True)
    assert soft.loss(codes, target).item() == pytest.approx(0.01 * 1.180975, abs=1e-7)
    zero = alignment.loss(codes, torch.zeros(4, 4)).item()
    assert zero == pytest.approx(0.01 * math.log(4))


def test_alignment_draws_the_vectors_to_those_of_the_other_model(toy):
    vectors = random_vectors()
    target = torch.from_numpy(standardize(vectors) @ random_vectors(5, 8, seed=1))
    alignment = Alignment(target, weight=5.0, temperature=2.0)

    def distance(method):
        return alignment.loss(torch.arange(80), method.item_embeddings).item()

    view = toy.train_view()
    data = TrainData(view.name, view.users, view.catalog, view.interactions, ())  # all epochs
    training = {"epochs": 40, "learning_rate": 0.01}
    apart = fit(data, vectors, **training)
    aligned = fit(data, vectors, alignment=alignment, **training)
    assert distance(aligned) < 0.8 * distance(apart)


def test_vectors_that_tell_the_clusters_beat_chance(toy):
    """Items of a cluster have one vector and some noise: SASRec learns to stay within it."""
    vectors = np.eye(5, dtype=np.float32)[np.arange(80) % 5] + 0.1 * random_vectors()
    method = fit(toy.train_view(), vectors, epochs=30, learning_rate=0.01)
    assert standard_errors_above_chance(method, toy, run_context(toy.catalog)) > 3


def test_standardised_vectors_have_one_scale():
    vectors = standardize(random_vectors() * 1e-3 + 7)
    assert vectors.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert (vectors**2).mean() == pytest.approx(1, abs=1e-5)
    assert not standardize(np.ones((3, 2))).any()
