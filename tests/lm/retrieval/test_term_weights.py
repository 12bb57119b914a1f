"""Weights of terms, and vectors of texts without a language model."""

import numpy as np
import pytest

from benchkit.lm.retrieval.term_weights import TfIdfEncoder, idf, weigh_terms


@pytest.mark.parametrize(("frequency", "weight"), [(1, 1.99243), (5, 0.693147), (10, 0.046520)])
def test_idf_of_ten_documents(frequency, weight):
    assert idf(frequency, 10) == pytest.approx(weight, abs=2e-6)


def test_terms_are_counted_and_weighted():
    table, terms = weigh_terms([["a", "b", "a"], ["b"], []])
    assert terms == ["a", "b"]
    expected = [[2 * idf(1, 3), idf(2, 3)], [0, idf(2, 3)], [0, 0]]
    np.testing.assert_allclose(table.toarray(), expected)


def test_texts_with_the_same_words_are_near():
    texts = ["Blue Moon", "blue moon!", "Red Sun", "Red Sun Rising", "", "Green Field"]
    vectors = TfIdfEncoder(4).encode(texts)
    assert vectors.shape == (6, 4) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 1, 0, 1], atol=1e-5)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] == pytest.approx(1, abs=1e-5)
    assert cosine[2, 3] > 0.5 > abs(cosine[0, 2])
    np.testing.assert_array_equal(vectors, TfIdfEncoder(4).encode(texts))


@pytest.mark.parametrize("texts", [["one"], ["", ""], ["same", "same"]])
def test_few_texts_have_vectors(texts):
    assert np.isfinite(TfIdfEncoder(4).encode(texts)).all()
