"""The cumulative logit model with a random effect a case."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from benchkit.stats import ordinal_mixed_model
from benchkit.stats.ordinal_mixed_model import compare_grades

THRESHOLDS = np.array([-1.0, 0.5, 2.0])


def drawn(rng, n, effect, sd):
    """Grades 0..3 of two methods on n cases."""
    case = rng.normal(0, sd, n)
    latent = (rng.logistic(size=n) + case + x for x in (0.0, effect))
    return [np.searchsorted(THRESHOLDS, values).astype(float) for values in latent]


def test_the_likelihood_is_the_integral_over_the_case():
    codes = np.array([[0, 2, 3], [1, 2, 0]])
    beta, sd = 0.7, 1.3
    edges = np.concatenate([[-np.inf], THRESHOLDS, [np.inf]])

    def probability(code, x, u):
        return special.expit(edges[code + 1] - x - u) - special.expit(edges[code] - x - u)

    expected = 0.0
    for a, b in codes.T:
        density, _ = integrate.quad(
            lambda u, a=a, b=b: probability(a, 0.0, u)
            * probability(b, beta, u)
            * stats.norm.pdf(u, scale=sd),
            -12, 12, epsabs=1e-12,
        )  # fmt: skip
        expected -= np.log(density)
    x = np.array([-1.0, np.log(1.5), np.log(1.5), beta, np.log(sd)])
    assert ordinal_mixed_model._negative_log_likelihood(x, codes) == pytest.approx(
        expected, abs=1e-5
    )


def test_without_spread_between_cases_it_is_the_ordinal_logit():
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    rng = np.random.default_rng(3)
    a, b = drawn(rng, 800, 0.6, 0.0)
    result = compare_grades(a, b)
    second = np.repeat([[0.0], [1.0]], 800, axis=0)
    model = OrderedModel(np.r_[a, b].astype(int), second, distr="logit")
    reference = model.fit(method="bfgs", disp=False)
    assert result.effect == pytest.approx(
        reference.params[0], rel=0.02
    )  # a little is left to chance
    assert result.low < 0.5 < result.high


def test_the_order_of_the_methods_changes_the_sign_alone():
    rng = np.random.default_rng(0)
    a, b = drawn(rng, 300, 0.8, 1.0)
    one, other = compare_grades(a, b), compare_grades(b, a)
    assert one.effect == pytest.approx(-other.effect, abs=1e-3)
    assert one.p == pytest.approx(other.p, abs=1e-3)
    assert one.low == pytest.approx(-other.high, abs=1e-2)


def test_rare_levels_are_put_together_and_missing_grades_left_out():
    rng = np.random.default_rng(0)
    a, b = drawn(rng, 200, 0.5, 1.0)
    whole = compare_grades(a, b)
    a[0], b[0] = 7.0, 7.0  # one grade nobody else has
    assert compare_grades(a, b).effect == pytest.approx(whole.effect, abs=0.05)
    gaps = compare_grades(np.r_[a, np.nan, 1], np.r_[b, 2, np.nan])
    assert gaps.cases == 200


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2, 3], [2, 3, 1]),  # few cases
        ([1] * 30, [1] * 30),  # nothing differs
        ([0] * 30, [3] * 30),  # separated
        ([2] * 29 + [1], [2] * 30),  # one level alone
    ],
)
def test_counts_that_do_not_allow_it(a, b):
    assert compare_grades(a, b) is None


@pytest.mark.slow
def test_interval_and_p_keep_their_promise():
    rng = np.random.default_rng(1)
    for effect, sd in ((0.0, 1.0), (0.7, 1.5)):
        result = [compare_grades(*drawn(rng, 150, effect, sd)) for _ in range(400)]
        covered = np.mean([f.low <= effect <= f.high for f in result])
        assert 0.92 <= covered <= 0.98
        if effect == 0:
            assert 0.025 <= np.mean([f.p < 0.05 for f in result]) <= 0.08
