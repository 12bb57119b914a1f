"""First vectors of titles: what stands together begins alike."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from benchkit.lm.nano import title_vectors as module
from benchkit.lm.nano import tokenizer as nano_tokenizer
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.corpus import NanoCorpus
from benchkit.lm.nano.model import init_nano_model, start_from_vectors
from benchkit.lm.nano.title_vectors import title_vectors

END = 0


def corpus(tokens, histories):
    """Titles of one token each, and the histories of their codes."""
    items = [np.array([*np.atleast_1d(token), END]) for token in tokens]
    return NanoCorpus(items, [np.array(h, dtype=np.int32) for h in histories], [], END)


def cosine(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def test_titles_of_one_taste_point_the_same_way():
    rng = np.random.default_rng(0)
    histories = [10 * (user % 2) + rng.permutation(10) for user in range(60)]
    tokens, vectors = title_vectors(corpus(range(30, 50), histories), 4)
    assert tokens.tolist() == list(range(30, 50))
    assert vectors.shape == (20, 4)
    assert vectors.dtype == np.float32
    assert np.mean(vectors**2) == pytest.approx(1)
    alike = cosine(vectors)
    assert alike[:10, :10].min() > alike[:10, 10:].max() + 0.3


def test_association_is_the_logarithm_of_co_occurrences_over_chance():
    # 0 1 2: neighbours count 1, and 0 with 2, two apart, 1/2. Row sums 1.5, 2, 1.5 of 5.
    counts = module._co_occurrences([np.array([0, 1, 2])], 3)
    expected = np.array([[0, 1, 0.5], [1, 0, 1], [0.5, 1, 0]])
    np.testing.assert_allclose(counts.toarray(), expected)
    table = module._association(counts)
    assert table[0, 1] == pytest.approx(math.log((1 + 1) / (1.5 * 2 / 5 + 1)), rel=1e-5)
    assert table[0, 2] == pytest.approx(math.log((0.5 + 1) / (1.5 * 1.5 / 5 + 1)), rel=1e-5)
    assert table[1, 1] == pytest.approx(math.log(1 / (2 * 2 / 5 + 1)), rel=1e-5)


def test_products_approximate_the_association(monkeypatch):
    rng = np.random.default_rng(1)
    base = rng.normal(size=(12, 3)).astype(np.float32)
    monkeypatch.setattr(module, "_association", lambda _counts: base @ base.T)
    _, vectors = title_vectors(corpus(range(5, 17), [range(12)]), 3)
    np.testing.assert_allclose(vectors @ vectors.T * np.mean(base**2), base @ base.T, atol=2e-2)


def test_titles_of_several_tokens_are_passed_over():
    tokens, vectors = title_vectors(corpus([7, (8, 9), 10], [[0, 1, 2], [2, 1, 0]]), 2)
    assert tokens.tolist() == [7, 10]
    counts = module._co_occurrences([np.array([0, -1, 1])], 2)
    assert counts.toarray().tolist() == [[0, 0.5], [0.5, 0]]
    assert np.isfinite(vectors).all()


def test_two_items_of_one_title_are_one_title():
    tokens, vectors = title_vectors(corpus([7, 7, 10, 11], [[0, 2], [1, 2], [3, 0]]), 2)
    assert tokens.tolist() == [7, 10, 11]
    assert len(vectors) == 3


@pytest.mark.parametrize(
    ("tokens", "histories"), [([], []), ([5], [[0]]), ([5, 6], [[0], [1]]), ([(5, 6)], [[0]])]
)
def test_without_co_occurrences_all_vectors_are_zero(tokens, histories):
    known, vectors = title_vectors(corpus(tokens, histories), 8)
    assert vectors.shape == (len(known), 8)
    assert not vectors.any()


def test_more_columns_than_titles_are_zero():
    _, vectors = title_vectors(corpus([5, 6, 7], [[0, 0, 0, 0], [1, 2] * 4]), 8)
    assert not vectors[:, 2:].any()
    assert vectors[:, 0].any()


def test_of_many_titles_those_with_most_co_occurrences_have_vectors(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)
    tokens, vectors = title_vectors(corpus(range(5, 11), [[0] * 9, [1, 2] * 5, [3, 4], [5]]), 2)
    assert tokens.tolist() == list(range(5, 11))
    assert vectors[:3].any(axis=1).all()
    assert not vectors[3:].any()
    assert np.mean(vectors[:3] ** 2) == pytest.approx(1)


@pytest.mark.parametrize("some", [True, False])
def test_eigenvectors_that_do_not_converge_are_left_out(monkeypatch, some):
    data = corpus(range(5, 25), [np.random.default_rng(0).integers(20, size=200)])
    _, expected = title_vectors(data, 4)

    def stops_early(table, k, **options):
        values, factors = eigsh(table, k=k, **options)
        error = ArpackNoConvergence("no convergence", values[k // 2 :], factors[:, k // 2 :])
        if not some:
            error = ArpackNoConvergence("no convergence", values[:0], factors[:, :0])
        raise error

    monkeypatch.setattr(module, "eigsh", stops_early)
    _, vectors = title_vectors(data, 4)
    if not some:
        assert not vectors.any()
        return
    ratio = vectors[0, 0] / expected[0, 0]
    np.testing.assert_allclose(vectors[:, :2], ratio * expected[:, :2], atol=1e-4)
    assert not vectors[:, 2:].any()


def test_the_same_histories_give_the_same_vectors():
    rng = np.random.default_rng(0)
    data = corpus(range(50), [rng.integers(50, size=30) for _ in range(40)])
    first, second = title_vectors(data, 6), title_vectors(data, 6)
    np.testing.assert_array_equal(first[1], second[1])


def test_a_model_starts_from_vectors_beside_random_weights():
    tokenizer = nano_tokenizer.train_nano_tokenizer({"A": 3}, pieces=0)
    config = NanoConfig(hidden=8)
    with torch.random.fork_rng(devices=[]):
        model, other = init_nano_model(config, tokenizer), init_nano_model(config, tokenizer)
    start_from_vectors(model, np.array([4, 9]), np.full((2, 8), 1.0, dtype=np.float32))
    change = model.get_input_embeddings().weight - other.get_input_embeddings().weight
    expected = torch.zeros_like(change)
    expected[[4, 9]] = 0.06
    torch.testing.assert_close(change, expected)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
