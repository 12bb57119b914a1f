"""Two methods graded on the same cases: a cumulative logit model with a random effect a case.

P(y <= k) = sigma(theta_k - beta x - u_case), u ~ N(0, sd^2)  (McCullagh, 1980; Hedeker and Gibbons,
1994). Grades are ordered, not equally spaced, and cases differ in how well any method can do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special
from scipy import stats as scipy_stats

_NODES = 25  # of Gauss-Hermite quadrature; 15 and 41 agree to four digits for sd up to 3
_NO_SPREAD = 0.05  # sd of the cases below which it is taken for none
_LEAST = 5  # grades of a level, below which its threshold cannot be told


@dataclass(frozen=True)
class OrdinalEffect:
    """How much higher the second method is graded, in log odds of a higher grade.

    low, high: 95 % Wald interval. p: two-sided, by the likelihood ratio. sd: of the cases.
    """

    effect: float
    low: float
    high: float
    p: float
    sd: float
    cases: int


def compare_grades(first: ArrayLike, second: ArrayLike) -> OrdinalEffect | None:
    """The model fitted to paired grades [n] of two methods; NaN where there is none.

    None where counts do not allow it: fewer than two levels with 5 grades each, fewer than 20
    cases, methods that never differ, or grades that are all higher for one method.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    there = ~(np.isnan(a) | np.isnan(b))
    a, b = a[there], b[there]
    grades = np.stack([a, b])
    levels, counts = np.unique(grades, return_counts=True)
    if len(a) < 20 or (counts >= _LEAST).sum() < 2 or np.array_equal(a, b):
        return None
    codes = _merge_rare_levels(np.searchsorted(levels, grades), counts)
    start = _initial_parameters(codes)
    free = _fit(codes, start)
    null = _fit(codes, [*start[:-2].tolist(), None, start[-1]])
    if free is None or null is None:
        return None
    (at, value), (_, value_null) = free, null
    information = _hessian(lambda x: _negative_log_likelihood(x, codes), at)
    if at[-1] < np.log(_NO_SPREAD):  # the likelihood is flat there, and says nothing of beta
        information = np.pad(information[:-1, :-1], (0, 1)) + np.diag([0.0] * (len(at) - 1) + [1.0])
    try:
        variance = float(np.linalg.inv(information)[-2, -2])
    except np.linalg.LinAlgError:
        return None
    if not variance > 0 or abs(at[-2]) > 10:  # separated: the odds have no finite estimate
        return None
    half = float(scipy_stats.norm.ppf(0.975)) * variance**0.5
    ratio = max(0.0, 2 * (value_null - value))
    effect = float(at[-2])
    return OrdinalEffect(
        effect, effect - half, effect + half, float(scipy_stats.chi2.sf(ratio, 1)),
        float(np.exp(at[-1])), codes.shape[1],
    )  # fmt: skip


def _merge_rare_levels(codes: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Codes with rare levels put together with their neighbours."""
    merged = np.zeros(len(counts), dtype=np.int64)
    level = gathered = 0
    for index, count in enumerate(counts):
        merged[index] = level
        gathered += int(count)
        if gathered >= _LEAST and counts[index + 1 :].sum() >= _LEAST:
            level, gathered = level + 1, 0
    return merged[codes]


def _initial_parameters(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """[k - 1 thresholds: the first, then logarithms of steps; beta; log sd]."""
    shares = np.bincount(codes.ravel()) / codes.size
    thresholds = special.logit(np.cumsum(shares)[:-1])
    steps = np.log(np.maximum(np.diff(thresholds), 1e-3))
    return np.concatenate([thresholds[:1], steps, [0.0, np.log(0.5)]])


def _fit(
    codes: NDArray[np.int64], start: NDArray[np.float64] | list[float | None]
) -> tuple[NDArray[np.float64], float] | None:
    """Maximum of the likelihood and its negative logarithm; a None in `start` stays at 0."""
    fixed = [index for index, value in enumerate(start) if value is None]
    first = np.array([0.0 if value is None else value for value in start])

    def whole(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.insert(x, [f - i for i, f in enumerate(fixed)], 0.0) if fixed else x

    def loss(x: NDArray[np.float64]) -> float:
        return _negative_log_likelihood(whole(x), codes)

    bounds = [(-12.0, 12.0)] * (len(first) - 1) + [(-6.0, 2.5)]
    kept = [index for index in range(len(first)) if index not in fixed]
    found = optimize.minimize(
        loss, first[kept], method="L-BFGS-B", bounds=[bounds[i] for i in kept],
        options={"ftol": 1e-12, "gtol": 1e-6},
    )  # fmt: skip
    return (whole(found.x), float(found.fun)) if np.isfinite(found.fun) else None


def _negative_log_likelihood(x: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Minus the marginal log-likelihood of grades [2, n]."""
    k = len(x) - 2
    thresholds = np.concatenate([x[:1], x[:1] + np.cumsum(np.exp(x[1:k]))])
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    shift = np.exp(x[-1]) * nodes[:, None, None] + np.array([[0.0], [x[-2]]])
    upper = special.expit(edges[codes + 1] - shift)  # [nodes, 2, n]
    lower = special.expit(edges[codes] - shift)
    log_p = np.log(np.maximum(upper - lower, 1e-300)).sum(axis=1)
    log_weights = np.log(weights / weights.sum())
    return -float(special.logsumexp(log_p + log_weights[:, None], axis=0).sum())


def _hessian(
    f: Callable[[NDArray[np.float64]], float], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    size, h = len(x), 1e-3
    steps = np.eye(size) * h
    result = np.empty((size, size))
    for i in range(size):
        for j in range(i + 1):
            result[i, j] = result[j, i] = (
                f(x + steps[i] + steps[j]) - f(x + steps[i] - steps[j])
                - f(x - steps[i] + steps[j]) + f(x - steps[i] - steps[j])
            ) / (4 * h * h)  # fmt: skip
    return result
