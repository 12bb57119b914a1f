"""Two methods graded on the same cases: a cumulative logit model with a random effect a case.

P(y <= k) = sigma(theta_k - beta x - u_case), u ~ N(0, sd^2). Grades are ordered, not equally
spaced, and cases differ in how well any method can do. statsmodels' `OrderedModel` has no random
effects.

Where users have several cases, cases are not independent, which the effect of a case does not say:
the estimate stays, and its error is the sandwich over users, G / (G - 1) inverse(H) S inverse(H), S
the sum over G users of the outer products of their scores, with Student's t of G - 1.

Reference: McCullagh (1980); Hedeker and Gibbons (1994); Liang and Zeger (1986).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special
from scipy import stats as scipy_stats

from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.clusters import Clusters, find_clusters

_NODES = 25  # of Gauss-Hermite quadrature; 15 and 41 agree to four digits for sd up to 3
_NO_SPREAD = 0.05  # sd of the cases that counts as none
_MIN_USERS = 20
_MIN_COUNT = 5  # grades of a level, below which its threshold cannot be estimated


@dataclass(frozen=True)
class OrdinalEffect:
    """How much higher the second method is graded."""

    effect: float
    """Log odds of a higher grade."""
    low: float
    """Lower limit of its 95 % Wald interval."""
    high: float
    p: float
    """Two-sided p by the likelihood ratio, or where users have several cases by Wald's test."""
    sd: float
    """SD of the cases."""
    cases: int


def compare_grades(
    first: ArrayLike, second: ArrayLike, clusters: Clusters | None = None
) -> OrdinalEffect | None:
    """Fit the model to paired grades [n] of two methods; NaN where there is none.

    clusters: the cases of each user, where users have several.

    Returns None where counts do not allow it: fewer than two levels with 5 grades each, fewer than
    20 users, methods that never differ, or grades that are all higher for one method.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    paired = ~(np.isnan(a) | np.isnan(b))
    grades = np.stack([a[paired], b[paired]])
    levels, counts = np.unique(grades, return_counts=True)
    users = None if clusters is None else find_clusters(clusters.index[paired])
    n_units = grades.shape[1] if users is None else len(users)
    enough = n_units >= _MIN_USERS and (counts >= _MIN_COUNT).sum() >= 2
    if not enough or np.array_equal(*grades):
        return None
    codes = _merge_rare_levels(np.searchsorted(levels, grades), counts)
    start = _initial_parameters(codes)
    full = _fit(codes, start)
    null = _fit(codes, start, fix_effect=True)
    if full is None or null is None:
        return None
    (estimate, loss), (_, loss_of_null) = full, null
    information = _hessian(lambda x: _negative_log_likelihood(x, codes), estimate)
    if estimate[-1] < np.log(_NO_SPREAD):  # the likelihood is flat there, and says nothing of beta
        information[-1] = information[:, -1] = 0.0
        information[-1, -1] = 1.0
    try:
        covariance: Floats = np.linalg.inv(information).astype(np.float64)
    except np.linalg.LinAlgError:
        return None
    if users is not None:
        covariance = _sandwich(covariance, _scores(estimate, codes), users)
    variance = float(covariance[-2, -2])
    effect = float(estimate[-2])
    if not variance > 0 or abs(effect) > 10:  # separated: the odds have no finite estimate
        return None
    half = float(scipy_stats.norm.ppf(0.975)) * variance**0.5
    p = float(scipy_stats.chi2.sf(max(0.0, 2 * (loss_of_null - loss)), 1))
    if users is not None:
        half = float(scipy_stats.t.ppf(0.975, n_units - 1)) * variance**0.5
        p = 2 * float(scipy_stats.t.sf(abs(effect) / variance**0.5, n_units - 1))
    sd = float(np.exp(estimate[-1]))
    return OrdinalEffect(effect, effect - half, effect + half, p, sd, codes.shape[1])


def _merge_rare_levels(codes: Ints, counts: Ints) -> Ints:
    """Return the codes with rare levels put together with their neighbours."""
    merged = np.zeros(len(counts), dtype=np.int64)
    level = gathered = 0
    for index, count in enumerate(counts):
        merged[index] = level
        gathered += int(count)
        if gathered >= _MIN_COUNT and counts[index + 1 :].sum() >= _MIN_COUNT:
            level, gathered = level + 1, 0
    return merged[codes]


def _initial_parameters(codes: Ints) -> Floats:
    """Return [k - 1 thresholds: the first, then logarithms of steps; beta; log sd]."""
    shares = np.bincount(codes.ravel()) / codes.size
    thresholds = special.logit(np.cumsum(shares)[:-1])
    steps = np.log(np.maximum(np.diff(thresholds), 1e-3))
    return np.concatenate([thresholds[:1], steps, [0.0, np.log(0.5)]])


def _fit(codes: Ints, start: Floats, fix_effect: bool = False) -> tuple[Floats, float] | None:
    """Return the maximum of the likelihood and its negative logarithm; beta is 0 if fixed."""
    beta = len(start) - 2

    def expand(x: Floats) -> Floats:
        return np.insert(x, beta, 0.0) if fix_effect else x

    def loss(x: Floats) -> float:
        return _negative_log_likelihood(expand(x), codes)

    bounds = [(-12.0, 12.0)] * (beta + 1) + [(-6.0, 2.5)]
    if fix_effect:
        start = np.delete(start, beta)
        del bounds[beta]
    result = optimize.minimize(
        loss, start, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-6},
    )  # fmt: skip
    return (expand(result.x), float(result.fun)) if np.isfinite(result.fun) else None


def _negative_log_likelihood(x: Floats, codes: Ints) -> float:
    """Return minus the marginal log-likelihood of grades [2, n]."""
    return -float(_log_likelihoods(x, codes).sum())


def _log_likelihoods(x: Floats, codes: Ints) -> Floats:
    """Return [n] the marginal log-likelihood of the two grades of each case."""
    k = len(x) - 2
    thresholds = np.concatenate([x[:1], x[:1] + np.cumsum(np.exp(x[1:k]))])
    edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    shift = np.exp(x[-1]) * nodes[:, None, None] + np.array([[0.0], [x[-2]]])
    upper = special.expit(edges[codes + 1] - shift)  # [nodes, 2, n]
    lower = special.expit(edges[codes] - shift)
    log_p = np.log(np.maximum(upper - lower, 1e-300)).sum(axis=1)
    log_weights = np.log(weights / weights.sum())
    each: Floats = special.logsumexp(log_p + log_weights[:, None], axis=0)
    return each


def _scores(x: Floats, codes: Ints, step: float = 1e-4) -> Floats:
    """Return [parameters, n] the derivatives of each case's log-likelihood, by central differences.

    That by log sd is 0 where the cases do not spread.
    """
    rows = []
    for direction in np.eye(len(x)) * step:
        above, below = (_log_likelihoods(x + sign * direction, codes) for sign in (1, -1))
        rows.append((above - below) / (2 * step))
    if x[-1] < np.log(_NO_SPREAD):
        rows[-1] = np.zeros_like(rows[-1])
    return np.array(rows)


def _sandwich(inverse: Floats, scores: Floats, users: Clusters) -> Floats:
    """Return the covariance of estimates that is robust to what cases of a user share.

    Args:
        inverse: [parameters, parameters] inverse of the information.
        scores: [parameters, n].
        users: The cases of each user.
    """
    by_user = users.sum(scores)
    g = len(users)
    covariance: Floats = g / (g - 1) * inverse @ (by_user @ by_user.T) @ inverse
    return covariance


def _hessian(f: Callable[[Floats], float], x: Floats) -> Floats:
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
