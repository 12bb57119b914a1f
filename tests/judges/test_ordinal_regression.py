"""The ordinal regression: its definition, another library's, and data it has to survive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from benchkit import seeds
from benchkit.errors import DataError
from judges.ordinal_regression import (
    OrdinalModel,
    expected_grades,
    feature_matrix,
    fit_ordinal_model,
)

NAMES = ("history_max", "item_max")


def drawn(n, coefficients, thresholds, seed=0):
    """Features, and grades of a proportional-odds model."""
    rng = seeds.generator("ordinal-test", seed)
    x = rng.normal(size=(n, len(coefficients)))
    latent = x @ np.array(coefficients) + rng.logistic(size=n)
    return x, np.searchsorted(thresholds, latent)


def test_a_planted_model_is_found():
    x, y = drawn(4000, [1.5, -0.5], [-1.0, 0.0, 2.0])
    model = fit_ordinal_model(x, y, NAMES, penalty=0.0)
    assert np.array(model.coefficients) / model.scale == pytest.approx([1.5, -0.5], abs=0.12)
    shift = np.array(model.mean) / model.scale @ np.array(model.coefficients)
    assert np.array(model.thresholds) + shift == pytest.approx([-1, 0, 2], abs=0.15)
    assert model.levels == (0, 1, 2, 3)


@pytest.mark.parametrize("penalty", [0.1, 1.0, 30.0])
def test_two_grades_are_the_ridge_logistic_regression_of_scikit_learn(penalty):
    x, y = drawn(150, [2.0, -1.0], [0.3])
    model = fit_ordinal_model(x, y, NAMES, penalty)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    other = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit(z, y)
    assert model.coefficients == pytest.approx(other.coef_[0], abs=1e-3)
    assert model.predict_proba(x)[:, 1] == pytest.approx(other.predict_proba(z)[:, 1], abs=1e-3)


def test_probabilities_by_hand():
    model = OrdinalModel(
        features=("history_named",), low=(0.0,), high=(np.log(4),), mean=(np.log(2),),
        scale=(np.log(2),), coefficients=(2.0,), levels=(1, 3), thresholds=(0.5,),
    )  # fmt: skip
    # Counts enter as log(1 + count): 1 is the mean, 3 one scale above it.
    result = model.probabilities([{"history_named": 1.0}, {"history_named": 3.0}])
    assert result[:, 0] == pytest.approx([1 / (1 + np.exp(-0.5)), 1 / (1 + np.exp(1.5))])
    assert result.sum(axis=1) == pytest.approx([1, 1])
    beyond = model.probabilities([{"history_named": 900.0}])
    assert beyond == pytest.approx(result[1:])  # no label was there
    assert expected_grades(result, model.levels).tolist() == [2, 3]  # 1 + 2 * 0.378, 1 + 2 * 0.818


def test_expected_grades_are_rounded_half_up():
    assert expected_grades(np.array([[0.5, 0.5], [0.51, 0.49]]), (1, 2)).tolist() == [2, 1]


def test_separable_grades():
    x = np.linspace(-1, 1, 40)[:, None]
    y = (x[:, 0] > 0).astype(int)
    with pytest.raises(DataError, match="separated by item_max") as caught:
        fit_ordinal_model(x, y, ("item_max",), penalty=0.0)
    assert "penalty above 0" in caught.value.hint
    model = fit_ordinal_model(x, y, ("item_max",), penalty=1.0)
    assert 1 < model.coefficients[0] < 12
    assert expected_grades(model.predict_proba(x), model.levels).tolist() == y.tolist()


def test_features_that_do_not_differ():
    x, y = drawn(60, [2.0], [0.0])
    both = np.column_stack([np.full(60, 3.0), x])
    assert fit_ordinal_model(both, y, NAMES, 1.0) == fit_ordinal_model(x, y, NAMES[1:], 1.0)
    with pytest.raises(DataError, match="none of the features history_max, item_max differs"):
        fit_ordinal_model(np.ones((60, 2)), y, NAMES, 1.0)


def test_two_equal_features_share_one_coefficient():
    x, y = drawn(200, [2.0], [0.0])
    one, two = (
        fit_ordinal_model(x, y, NAMES[:1], 1.0),
        fit_ordinal_model(np.column_stack([x, x]), y, NAMES, 1.0),
    )
    assert two.coefficients[0] == pytest.approx(two.coefficients[1], abs=1e-3)
    assert sum(two.coefficients) == pytest.approx(one.coefficients[0], rel=0.1)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_small_and_odd_data_are_fitted(data):
    n = data.draw(st.integers(4, 25))
    values = st.floats(-1e3, 1e3, allow_nan=False).map(lambda v: round(v, 3))
    x = np.array(data.draw(st.lists(st.tuples(values, values), min_size=n, max_size=n)))
    y = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    if len(set(y.tolist())) == 1 or not np.ptp(x, axis=0).any():
        return
    model = fit_ordinal_model(x, y, NAMES, 1.0)
    columns = [NAMES.index(name) for name in model.features]
    shares = model.predict_proba(x[:, columns])
    assert np.isfinite(shares).all() and (shares >= -1e-12).all()
    assert shares.sum(axis=1) == pytest.approx(np.ones(n))


def test_counts_enter_as_logarithms():
    result = feature_matrix([{"named_others": 3.0, "item_max": 0.5}], ("named_others", "item_max"))
    assert result.tolist() == [[np.log(4), 0.5]]
