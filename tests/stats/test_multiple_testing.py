"""Corrections for many tests, against statsmodels and by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from benchkit.stats.multiple_testing import benjamini_hochberg, holm


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1000).map(lambda k: k / 1000), min_size=1, max_size=12))
def test_corrections_agree_with_statsmodels(p):
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1])
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_missing_p_values_do_not_count():
    adjusted = benjamini_hochberg([0.01, np.nan, 0.04])
    assert np.isnan(adjusted[1])
    np.testing.assert_allclose(adjusted[[0, 2]], [0.02, 0.04])
    assert len(benjamini_hochberg([])) == 0


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])
    assert np.isnan(holm([np.nan, 0.02])[0])
    assert holm([np.nan, 0.02])[1] == 0.02
    assert len(holm([])) == 0
