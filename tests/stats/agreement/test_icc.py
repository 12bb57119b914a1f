"""Intraclass correlation against the textbook."""

import numpy as np
import pytest

from benchkit.stats.agreement.icc import intraclass_correlation, mean_squares

NAN = float("nan")
# Shrout and Fleiss (1979), Table 2: four judges, six targets.
SHROUT = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)


def test_icc_of_the_textbook():
    result = intraclass_correlation(SHROUT)
    assert result.single.value == pytest.approx(0.29, abs=5e-3)
    assert result.average.value == pytest.approx(0.62, abs=5e-3)
    between, judges, residual = (x[0] for x in mean_squares(SHROUT, np.ones((1, 6))))
    assert between == pytest.approx(11.24, abs=5e-3)
    assert judges == pytest.approx(32.49, abs=5e-3)
    assert residual == pytest.approx(1.02, abs=5e-3)
    assert result.single.low < result.single.value < result.single.high
    assert result.single.p == result.average.p == pytest.approx(1.35e-4, rel=1e-2)  # F = 11.03


def test_icc_uses_complete_items_and_counts_the_others():
    result = intraclass_correlation([*SHROUT.tolist(), [5, NAN, 5, 5]])
    assert (result.n, result.incomplete) == (6, 1)
    assert result.single.value == intraclass_correlation(SHROUT).single.value
    assert "fewer than two items" in intraclass_correlation([[1, NAN], [2, 3]]).single.reason
    assert "same mean" in intraclass_correlation([[1, 2], [2, 1]]).single.reason
    assert intraclass_correlation([[1, 1], [2, 2], [3, 3]]).single.value == 1
    assert intraclass_correlation([[1, 2], [4, 3]]).n == 2
