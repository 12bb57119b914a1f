"""Trees of clusters, and the words that they are called by."""

import numpy as np
import pytest

from baselines.hybrid.item_ids.kmeans import cluster_paths, fit_centres, nearest, prefixes
from baselines.hybrid.item_ids.lexical_ids import lexical_ids, number_tokens
from benchkit.errors import DataError
from benchkit.lm.encoder_decoder.t5 import train_word_tokenizer


def blobs(centres, size=5, spread=0.01, seed=0):
    rng = np.random.default_rng(seed)
    points = np.repeat(np.asarray(centres, float), size, axis=0)
    return points + rng.normal(scale=spread, size=points.shape)


# k-means


def test_centres_are_the_means_of_separate_groups():
    means = [[0, 0], [10, 0], [0, 10]]
    points = blobs(means)
    centres = fit_centres(points, 3, np.random.default_rng(1))
    label = nearest(points, centres)
    assert all(len(set(label[start : start + 5])) == 1 for start in (0, 5, 10))
    np.testing.assert_allclose(np.sort(centres, axis=0), np.sort(means, axis=0), atol=0.05)


def test_few_different_points_are_their_own_centres():
    points = np.array([[1.0, 2], [1, 2], [3, 4]])
    centres = fit_centres(points, 8, np.random.default_rng(0))
    assert centres.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("branch", "depth"), [(2, 3), (3, 2), (8, 5)])
def test_paths_are_no_deeper_than_the_tree(branch, depth):
    points = np.random.default_rng(0).normal(size=(40, 4))
    paths = cluster_paths(points, branch, depth, np.random.default_rng(0))
    assert len(paths) == 40
    assert {len(path) for path in paths} <= set(range(1, depth + 1))
    assert all(0 <= number < branch for path in paths for number in path)
    if branch**depth > 4 * 40:  # and none of them is the beginning of another
        assert len(set(paths)) == 40
        assert not {p for path in paths for p in prefixes(path[:-1])} & set(paths)


def test_near_points_share_the_beginning_of_their_paths():
    paths = cluster_paths(blobs([[0, 0], [9, 9]], size=4), 2, 4, np.random.default_rng(0))
    assert len({path[0] for path in paths[:4]}) == 1
    assert paths[0][0] != paths[4][0]


# Names


def tokenizer_of(*texts):
    return train_word_tokenizer(texts, 500)


def ids_as_words(paths, texts, tokenizer=None):
    tokenizer = tokenizer or tokenizer_of(*texts)
    tokens = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    ids = lexical_ids(paths, tokens, texts, tokenizer)
    return [" ".join(tokenizer.convert_ids_to_tokens(list(row))) for row in ids]


def test_clusters_are_called_by_their_best_unused_word():
    texts = ["noir alpha", "noir beta", "comedy gamma"]
    words = ids_as_words([(0, 0), (0, 1), (1,)], texts)
    # Of the first two: noir weighs idf(2, 3) = 0.47 in both, alpha idf(1, 3) = 0.98 in one of two.
    assert words == ["alpha noir", "alpha beta", "comedy"]


def test_no_word_is_repeated_in_an_id_or_among_branches():
    texts = [f"{genre} {number} story" for genre in ("noir", "drama") for number in range(10, 18)]
    paths = [(i // 8, i % 8 // 4, i % 4) for i in range(16)]
    words = [row.split() for row in ids_as_words(paths, texts)]
    assert all(len(set(row)) == len(row) for row in words)
    assert len({tuple(row) for row in words}) == 16
    assert len({row[0] for row in words}) == 2  # one word for each cluster at the top


def test_equal_texts_get_numbers():
    words = ids_as_words([(0,), (0,), (0,)], ["blue moon"] * 3)
    assert words[1:] == [f"{words[0]} 0", f"{words[0]} 1"]


def test_more_equals_than_digits_get_longer_numbers():
    words = ids_as_words([(0,)] * 13, ["blue moon"] * 13)
    assert words[-1].split()[-2:] == ["1", "1"]
    assert len(set(words)) == 13


def test_letters_are_names_where_there_is_nothing_else():
    assert ids_as_words([(0,), (1,)], ["m", "z"]) == ["m", "z"]


def test_an_item_that_cannot_be_written_is_named():
    tokenizer = tokenizer_of("blue moon")
    with pytest.raises(DataError, match="'żółw' has no text that the tokenizer can write"):
        ids_as_words([(0,), (1,)], ["blue", "żółw"], tokenizer)


def test_equals_that_no_number_tells_apart_are_refused(monkeypatch):
    tokenizer = tokenizer_of("blue moon")
    tokens = tokenizer("blue moon", add_special_tokens=False).input_ids
    assert number_tokens(12, tokenizer) == tuple(tokenizer.convert_tokens_to_ids(["1", "2"]))
    monkeypatch.setattr("baselines.hybrid.item_ids.lexical_ids.text_ids", lambda *_: [2])
    with pytest.raises(DataError, match="shares its id with another"):
        lexical_ids([(0,), (0,)], [tokens, tokens], ["x", "y"], tokenizer)
