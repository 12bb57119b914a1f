"""Bootstrap intervals, the test against chance, and Holm's correction."""

import numpy as np
import pytest
from scipy import stats

from benchkit.stats.bootstrap import mean_interval


def test_interval_agrees_with_scipy_for_binary_and_continuous_values():
    rng = np.random.default_rng(1)
    for values in ((rng.random(800) < 0.3).astype(float), rng.normal(size=6000)):
        low, high = mean_interval(values)
        reference = stats.bootstrap(
            (values,), np.mean, n_resamples=2000, method="percentile", rng=rng
        ).confidence_interval
        width = reference.high - reference.low
        assert low == pytest.approx(reference.low, abs=0.1 * width)
        assert high == pytest.approx(reference.high, abs=0.1 * width)


def test_interval_covers_the_truth():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(400):
        low, high = mean_interval((rng.random(400) < 0.2).astype(float), resamples=500)
        covered += low <= 0.2 <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_interval_is_reproducible_and_knows_its_edges():
    values = np.random.default_rng(3).random(50)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval([1.0] * 9) == (1.0, 1.0)
    assert all(np.isnan(mean_interval([])))
