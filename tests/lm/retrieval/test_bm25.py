"""BM25 by hand: weights, lengths, repetitions, and queries that match nothing."""

import math

import numpy as np
import pytest

from benchkit.lm.retrieval.bm25 import BM25


def test_scores_by_hand():
    index = BM25([["a", "b"], ["a", "a", "c", "d"], ["c"]])
    # N = 3, mean length 7 / 3. a is in 2 documents, b in 1.
    idf_a, idf_b = math.log(1 + 1.5 / 2.5), math.log(1 + 2.5 / 1.5)
    short = 1.5 * (0.25 + 0.75 * 2 / (7 / 3))
    long = 1.5 * (0.25 + 0.75 * 4 / (7 / 3))
    expected = [2.5 * (idf_a + idf_b) / (1 + short), idf_a * 2 * 2.5 / (2 + long), 0.0]
    np.testing.assert_allclose(index.scores(["a", "b"]), expected)
    assert expected[0] == pytest.approx(1.550508, abs=1e-6)
    assert expected[1] == pytest.approx(0.546063, abs=1e-6)


def test_a_repeated_word_of_the_query_counts_twice():
    index = BM25([["a"], ["b", "a"]])
    np.testing.assert_allclose(index.scores(["a", "a"]), 2 * index.scores(["a"]))


def test_length_and_repetition_count_by_their_parameters():
    documents = [["a"], ["a", "a", "b"]]
    assert len(set(BM25(documents, k1=0.0).scores(["a"]))) == 1
    without_length = BM25(documents, b=0.0).scores(["a"])
    assert without_length[1] / without_length[0] == pytest.approx(2 * 2.5 / 3.5)


@pytest.mark.parametrize("documents", [[], [[]], [["a"], []]])
def test_what_shares_no_word_scores_zero(documents):
    assert BM25(documents).scores(["z"]).tolist() == [0.0] * len(documents)
    assert BM25(documents).scores([]).tolist() == [0.0] * len(documents)
