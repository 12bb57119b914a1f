"""Ordinal regression: the probability of each grade, from the features of a rationale.

The proportional-odds model: P(grade <= k) = logistic(threshold_k - x'b), with x the features,
standardised; counts enter as log(1 + count), and a value outside the range of the labels as the
nearest one within it. Coefficients have a normal prior with variance 1 / penalty (ridge), as few
labels with many features are often separable, where the most likely coefficients are infinite.

Reference: McCullagh (1980), Regression models for ordinal data.
"""

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchkit.errors import DataError
from benchkit.stats.arrays import Floats, Ints

COUNT_FEATURES = frozenset(
    {
        "words", "sentences", "history_length", "history_named", "named_candidates",
        "named_outside", "named_others", "named_disliked", "rating_conflicts", "longest_repeat",
        "repeated_sentences",
    }
)  # fmt: skip
_SEPARATED = 12.0  # a coefficient of a standardised feature that only separation explains


class OrdinalModel(BaseModel):
    """The model of one criterion, of p features and k grades."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: tuple[str, ...]
    """[p] names of the features that differ in the labels."""
    low: tuple[float, ...]
    """[p] least value of each, after the log."""
    high: tuple[float, ...]
    """[p] largest value."""
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    levels: tuple[int, ...]
    """[k] grades that labels have, ascending."""
    thresholds: tuple[float, ...]
    """[k - 1]."""

    def probabilities(self, features: Sequence[Mapping[str, float]]) -> Floats:
        """Return [n, k] probability of each level, from features by name."""
        return self.predict_proba(feature_matrix(features, self.features))

    def predict_proba(self, x: Floats) -> Floats:
        """Return [n, k] probability of each level from x [n, p], a `feature_matrix`."""
        x = (np.clip(x, self.low, self.high) - np.array(self.mean)) / np.array(self.scale)
        latent = x @ np.array(self.coefficients)
        # Without overflow at either end: logistic(z) = (1 + tanh(z / 2)) / 2.
        below = (1 + np.tanh((np.array(self.thresholds) - latent[:, None]) / 2)) / 2
        edges = np.column_stack([np.zeros(len(x)), below, np.ones(len(x))])
        return np.asarray(np.diff(edges, axis=1), dtype=np.float64)


def feature_matrix(features: Sequence[Mapping[str, float]], names: Sequence[str]) -> Floats:
    """Return [n, p] features as they enter a model."""
    rows = [
        [math.log1p(row[name]) if name in COUNT_FEATURES else row[name] for name in names]
        for row in features
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def fit_ordinal_model(x: Floats, y: Ints, names: Sequence[str], penalty: float) -> OrdinalModel:
    """Fit a model.

    Args:
        x: [n, p] `feature_matrix` of the features `names`.
        y: [n] grades of two levels or more.
        names: [p] names of the features.
        penalty: Precision of the coefficients' prior.

    Raises:
        DataError: Where no feature differs, and, without a penalty, where one separates grades.
    """
    differ = np.ptp(x, axis=0) > 0
    if not differ.any():
        raise DataError(
            f"none of the features {', '.join(names)} differs between the labels",
            "label more rationales, or choose other features",
        )
    x, used = x[:, differ], [name for name, differs in zip(names, differ, strict=True) if differs]
    mean, scale = x.mean(axis=0), x.std(axis=0)
    levels, codes = np.unique(y, return_inverse=True)
    coefficients, thresholds = _maximize_likelihood((x - mean) / scale, codes, penalty)
    wild = [name for name, b in zip(used, coefficients, strict=True) if not abs(b) < _SEPARATED]
    if wild:
        raise DataError(
            f"the labels are separated by {', '.join(wild)}: no finite coefficient is most likely",
            "set a penalty above 0, leave these features out, or give more labels",
        )
    return OrdinalModel(
        features=tuple(used),
        low=tuple(x.min(axis=0).tolist()),
        high=tuple(x.max(axis=0).tolist()),
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        coefficients=tuple(coefficients.tolist()),
        levels=tuple(levels.tolist()),
        thresholds=tuple(thresholds.tolist()),
    )


def expected_grades(probabilities: Floats, levels: Sequence[int]) -> Ints:
    """Return [n] the whole grade nearest to the expected one, half up.

    Of all grades it has the least expected squared error, by which QWK weighs.
    """
    means = probabilities @ np.asarray(levels, dtype=np.float64)
    grades: Ints = np.floor(means + 0.5).astype(np.int64)
    return grades


def _maximize_likelihood(x: Floats, codes: Ints, penalty: float) -> tuple[Floats, Floats]:
    """Return coefficients [p] and thresholds [k - 1] with the largest penalised likelihood."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    class PenalizedModel(OrderedModel):  # type: ignore[misc]
        def loglike(self, params: Floats) -> float:
            inside = params[: self.k_vars]
            return float(super().loglike(params) - penalty / 2 * inside @ inside)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is checked below
        model = PenalizedModel(codes, x, distr="logit")
        result = model.fit(method="bfgs", maxiter=1000, disp=False, skip_hessian=True)
    params = np.asarray(result.params, dtype=np.float64)
    if not np.isfinite(params).all():
        raise DataError(
            "no ordinal regression fits the labels", "set a larger penalty, or give more labels"
        )
    return params[: x.shape[1]], model.transform_threshold_params(params)[1:-1]
