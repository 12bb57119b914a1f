"""McNemar, effect sizes, power and corrections, against statsmodels and SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchkit.stats.effect_size import cohen_dz, rank_biserial

numbers = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5]), min_size=2, max_size=40)


def test_cohen_dz_is_the_t_statistic_over_the_root_of_n():
    d = np.random.default_rng(1).normal(0.2, 1, 80)
    t = stats.ttest_1samp(d, 0).statistic
    assert cohen_dz(d) == pytest.approx(t / np.sqrt(80))
    assert cohen_dz([0.0, 0.0]) == 0.0
    assert np.isnan(cohen_dz([0.5, 0.5])) and np.isnan(cohen_dz([1.0]))


def test_rank_biserial_is_made_of_wilcoxons_sums():
    d = np.random.default_rng(2).choice([-1, -0.5, 0, 0.3, 0.5, 1], 100)
    ranks = len(d[d != 0]) * (len(d[d != 0]) + 1) / 2
    plus = stats.wilcoxon(d, alternative="greater", method="asymptotic").statistic
    assert rank_biserial(d) == pytest.approx((2 * plus - ranks) / ranks)
    assert rank_biserial([1.0, 2.0]) == 1.0
    assert rank_biserial([0.0]) == 0.0


@given(numbers)
def test_effects_change_sign_with_the_methods(d):
    d = np.array(d)
    assert cohen_dz(-d) == pytest.approx(-cohen_dz(d), nan_ok=True)
    assert rank_biserial(-d) == pytest.approx(-rank_biserial(d))
    assert -1 <= rank_biserial(d) <= 1
    assert rank_biserial(3 * d) == pytest.approx(rank_biserial(d))
