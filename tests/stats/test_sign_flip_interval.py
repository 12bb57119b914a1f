"""The interval of the sign-flip test: against going through all signs, and that it covers."""

import itertools
import math

import numpy as np
import pytest

from benchkit.stats.clusters import find_clusters
from benchkit.stats.sign_flip_interval import sign_flip_interval


def p_value(values, mean):
    """Two-sided, over all arrangements of signs."""
    x = np.asarray(values, dtype=float) - mean
    signs = np.array(list(itertools.product([1, -1], repeat=len(x))))
    return (abs(signs @ x) >= abs(x.sum()) - 1e-9).mean()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [6, 9])
def test_it_has_the_means_that_are_not_rejected(seed, n):
    values = np.random.default_rng(seed).normal(0.4, 1, n)
    low, high = sign_flip_interval(values)
    for limit, outwards in ((low, -1), (high, 1)):
        assert p_value(values, limit + outwards * 1e-6) <= 0.05
        assert p_value(values, limit - outwards * 1e-6) > 0.05


def test_drawn_sets_are_near_all_sets():
    values = np.random.default_rng(3).integers(-2, 4, 16).astype(float)
    low, high = sign_flip_interval(values)
    means = [
        values[np.array(chosen) > 0].mean() for chosen in itertools.product([0, 1], repeat=16)
        if any(chosen)
    ]  # fmt: skip
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.12)


def test_clusters_go_together_and_few_have_no_limits():
    values = np.repeat([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2)
    together = find_clusters(np.repeat(np.arange(6), 2))
    assert sign_flip_interval(values, clusters=together) == (1.0, 6.0)
    of_five = find_clusters(np.minimum(np.repeat(np.arange(6), 2), 4))
    assert sign_flip_interval(values, clusters=of_five) == (-math.inf, math.inf)
    assert all(map(math.isnan, sign_flip_interval([])))


def test_it_covers_a_mean_of_skewed_grades():
    rng, covered = np.random.default_rng(0), 0
    for number in range(300):
        values = rng.choice([0.0, 1.0, 2.0], 40, p=[0.5, 0.3, 0.2])
        low, high = sign_flip_interval(values, seed=number)
        covered += low <= 0.7 <= high
    assert 0.92 <= covered / 300 <= 0.98
