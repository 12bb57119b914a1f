"""Residual quantisation, and ids that are unique."""

import numpy as np
import pytest

from baselines.hybrid.item_ids.code_tokens import CodeTokens
from baselines.hybrid.item_ids.residual_codes import (
    ResidualQuantiser,
    check_code_space,
    fit_quantiser,
    unique_codes,
)
from benchkit.errors import ConfigError

COARSE = np.array([[0.0, 0], [100, 0], [0, 100]])
FINE = np.array([[0.0, 0], [1, 0], [0, 1], [-1, 0]])


def all_codes(*sizes):
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(
        -1, len(sizes)
    )


def test_sums_of_centres_have_their_codes_and_are_reproduced():
    quantiser = ResidualQuantiser([COARSE, FINE])
    codes = all_codes(3, 4)
    points = COARSE[codes[:, 0]] + FINE[codes[:, 1]]
    np.testing.assert_array_equal(quantiser.encode(points), codes)
    np.testing.assert_array_equal(quantiser.decode(codes), points)


def test_a_code_is_that_of_the_nearest_centre_of_what_is_left():
    rng = np.random.default_rng(0)
    quantiser = ResidualQuantiser([rng.normal(size=(5, 3)), rng.normal(size=(5, 3)) / 3])
    points = rng.normal(size=(30, 3))
    rest = points.copy()
    for level, code in enumerate(quantiser.encode(points).T):
        centres = quantiser.levels[level]
        distance = np.linalg.norm(rest[:, None] - centres[None], axis=2)
        np.testing.assert_allclose(distance[np.arange(30), code], distance.min(axis=1))
        rest = rest - centres[code]


def test_what_is_left_never_grows_if_a_centre_is_zero():
    rng = np.random.default_rng(1)
    zero = np.zeros((1, 4))
    quantiser = ResidualQuantiser(
        [np.concatenate([zero, rng.normal(size=(6, 4))]) for _ in range(5)]
    )
    points = rng.normal(size=(50, 4))
    codes, rest = quantiser.encode(points), points.copy()
    for level, centres in enumerate(quantiser.levels):
        smaller = rest - centres[codes[:, level]]
        norms = [np.linalg.norm(x, axis=1) for x in (smaller, rest)]
        assert (norms[0] <= norms[1] + 1e-12).all()
        rest = smaller


def test_few_different_points_are_their_centres():
    points = np.repeat(COARSE, 4, axis=0)
    quantiser = fit_quantiser(points, 2, 4, np.random.default_rng(0))
    np.testing.assert_allclose(quantiser.decode(quantiser.encode(points)), points)
    assert np.abs(quantiser.levels[1]).max() == 0  # nothing is left for the second level


@pytest.mark.parametrize("points", [np.random.default_rng(0).normal(size=(60, 3)), np.ones((9, 2))])
def test_ids_are_unique(points):
    quantiser = fit_quantiser(points, 2, 8, np.random.default_rng(0))
    codes = unique_codes(points, quantiser, 8)
    assert codes.shape == (len(points), 2) and codes.min() >= 0 and codes.max() < 8
    assert len(np.unique(codes, axis=0)) == len(points)


def test_ids_that_differ_anyway_stay_those_of_the_nearest_centres():
    codes = all_codes(3, 4)
    points = COARSE[codes[:, 0]] + FINE[codes[:, 1]]
    np.testing.assert_array_equal(unique_codes(points, ResidualQuantiser([COARSE, FINE]), 4), codes)
    crowded = np.concatenate([points, points[:1] + 0.1])  # nearest to a code that is taken
    again = unique_codes(crowded, ResidualQuantiser([COARSE, FINE]), 5)
    np.testing.assert_array_equal(again[:-1], codes)
    assert tuple(again[-1]) == (0, 4)


def test_every_id_can_be_used():
    points = np.random.default_rng(2).normal(size=(27, 2))
    quantiser = fit_quantiser(points, 3, 3, np.random.default_rng(0))
    assert len(np.unique(unique_codes(points, quantiser, 3), axis=0)) == 27


def test_more_items_than_ids_are_refused():
    check_code_space(9, 2, 3)
    with pytest.raises(ConfigError, match=r"10 items are more than ids of 2 levels with 3 codes"):
        check_code_space(10, 2, 3)


def test_levels_and_thoughts_have_tokens_of_their_own():
    tokens = CodeTokens(np.array([[0, 1], [2, 1], [2, 0]]), codes=4, thoughts=5, first=3)
    assert tokens.table.tolist() == [[3, 8], [5, 8], [5, 7]]
    assert (tokens.first_thought, tokens.vocabulary) == (11, 16)
    assert tokens.history([0, 2]) == [5, 7, 3, 8, 1]  # the newest first, then the end
    batch = tokens.collate([np.array([0, 1, 2]), np.array([], dtype=np.int64)], length=1)
    assert batch["input"].tolist() == [[5, 7, 1], [1, 0, 0]]
    assert batch["mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
