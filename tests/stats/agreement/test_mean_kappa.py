"""The mean of pairwise kappas."""

import numpy as np
import pytest

from benchkit.stats.agreement.kappa import quadratic_weighted_kappa
from benchkit.stats.agreement.mean_kappa import mean_kappa
from benchkit.stats.agreement.two_raters import pair_agreement

NAN = float("nan")


def test_mean_kappa_is_the_mean_of_the_pairs():
    rng = np.random.default_rng(2)
    grades = np.clip(rng.integers(0, 4, (50, 1)) + rng.integers(-1, 2, (50, 3)), 0, 3).astype(float)
    grades[rng.random((50, 3)) < 0.1] = NAN
    result = mean_kappa(grades, range(4))
    pairs = [
        quadratic_weighted_kappa(grades[:, a], grades[:, b], range(4))
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    assert result.value == pytest.approx(np.mean(pairs), abs=1e-12)
    assert result.low < result.value < result.high
    two = mean_kappa(grades[:, :2], range(4))
    same = pair_agreement(*grades[:, :2].T, range(4)).estimates["kappa"]
    assert two.value == pytest.approx(same.value)
    assert two.low == pytest.approx(same.low, abs=0.03)
    assert mean_kappa([[1, NAN], [NAN, 1]], range(4)).reason.startswith("a pair of raters has no")
    assert mean_kappa([[1, 1], [1, 1]], range(4)).reason == "the raters of a pair are constant"
