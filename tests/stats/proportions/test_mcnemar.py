"""McNemar's test against statsmodels and the permutation test."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar

from benchkit.stats.permutation_test import sign_flip_p_value
from benchkit.stats.proportions.mcnemar import is_binary, mcnemar


@pytest.mark.parametrize(("only_a", "only_b"), [(9, 3), (3, 9), (7, 7), (0, 5), (150, 110), (0, 0)])
def test_mcnemar_agrees_with_statsmodels_and_with_the_permutation_test(only_a, only_b):
    a = np.repeat([1, 0, 1, 0], [only_a, only_b, 10, 20])
    b = np.repeat([0, 1, 1, 0], [only_a, only_b, 10, 20])
    result = mcnemar(a, b)
    assert (result.n, result.only_a, result.only_b) == (len(a), only_a, only_b)
    reference = their_mcnemar([[10, only_a], [only_b, 20]], exact=True).pvalue
    assert result.p == pytest.approx(reference, rel=1e-10)
    assert result.p == pytest.approx(sign_flip_p_value(a - b), rel=1e-10)
    both = only_a + only_b
    middle = stats.binom.pmf(min(only_a, only_b), both, 0.5)
    expected = result.p - middle if only_a != only_b else 1 - middle / 2 if both else 1.0
    assert result.mid_p == pytest.approx(expected, rel=1e-10)


def test_mcnemar_is_for_zeros_and_ones():
    assert is_binary([0, 1.0, True]) and not is_binary([0, 1 / 30])
    with pytest.raises(ValueError, match="0 and 1"):
        mcnemar([0.5, 1], [0, 1])
    with pytest.raises(ValueError, match="same cases"):
        mcnemar([1, 1], [0])
