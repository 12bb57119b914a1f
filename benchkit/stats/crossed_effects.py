"""Users and seeds as crossed random effects: would another user, another training differ?

Each method has values [seeds, users]. Model: value = method + user (of the method) + seed (of the
method) + rest. Users are shared between two methods, so their effects are correlated; trainings are
not shared, even if their seeds have the same number. The design is balanced, so that the analysis
of variance gives each component in closed form; where none is negative these are the REML
estimates. A general mixed-model fit, as in statsmodels, would have to factor a matrix with a row
for each user, and would then test against the normal distribution, which three seeds do not allow:
the degrees of freedom here are Satterthwaite's (1946), as in Clark's (1973) quasi-F.

Where users have several cases, their values are those of `Clusters.linearize`.

Reference: Baayen, Davidson and Bates (2008).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.arrays import Floats
from benchkit.stats.clusters import Clusters

MIN_SEEDS = 3


class TrainingVariance(NamedTuple):
    """A method's number of seeds, the variance of their means, and the mean square of the rest."""

    seeds: int
    between: float
    rest: float


@dataclass(frozen=True)
class CrossedEffects:
    """Mean of a - b, its interval and two-sided p, over users and seeds."""

    n: int
    """Number of users."""
    seeds_a: int
    seeds_b: int
    difference: float
    low: float
    high: float
    p: float
    se: float
    """Standard error of the difference."""
    df: float
    """Its degrees of freedom."""
    sd_users: float
    """SD between users of a - b averaged over seeds."""
    sd_seeds_a: float
    """SD of a's mean between trainings, without what users add."""
    sd_seeds_b: float
    sd_rest_a: float
    """SD of what neither users nor seeds explain."""
    sd_rest_b: float

    def expected_error(self, n: float) -> tuple[float, float]:
        """Return the standard error and degrees of freedom to expect with n users.

        n may be infinite. Seeds are as many as here, and the components those estimated here. A
        test estimates its degrees of freedom anew, which with 3 seeds that vary much leaves it with
        a power of .72 where .80 follows from these.
        """
        methods = (
            (self.seeds_a, self.sd_seeds_a, self.sd_rest_a),
            (self.seeds_b, self.sd_seeds_b, self.sd_rest_b),
        )
        trainings = [TrainingVariance(s, sd**2 + rest**2 / n, rest**2) for s, sd, rest in methods]
        return _error(n, self.sd_users**2, trainings)


def try_crossed_effects(
    a: Floats, b: Floats, clusters: Clusters | None = None
) -> CrossedEffects | None:
    """Return `fit_crossed_effects`, or None where either method has fewer than 3 seeds.

    Those say too little of other trainings, so that only users are left to test over, with seeds
    averaged. With `clusters`, values are [seeds, cases] and these the cases of each user.
    """
    if clusters is not None:
        a, b = clusters.linearize(a), clusters.linearize(b)
    if min(len(a), len(b)) < MIN_SEEDS or a.shape[1] < 2:
        return None
    return fit_crossed_effects(a, b)


def fit_crossed_effects(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> CrossedEffects:
    """Compare a [seeds_a, n] with b [seeds_b, n], the same n users in the same order.

    Raises:
        ValueError: For fewer than 3 seeds of either, fewer than 2 users, or different users.
    """
    from scipy.stats import t

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"needs [seeds, users] of the same users, got {x.shape} and {y.shape}")
    if min(len(x), len(y)) < MIN_SEEDS or x.shape[1] < 2:
        raise ValueError(f"needs at least {MIN_SEEDS} seeds and 2 users")
    n = x.shape[1]
    by_user = x.mean(axis=0) - y.mean(axis=0)
    mean = float(by_user.mean())
    users = float(by_user.var(ddof=1))
    trainings = [estimate_trainings(values) for values in (x, y)]
    se, df = _error(n, users, trainings)
    half = float(t.isf((1 - level) / 2, df)) * se
    p = 2 * float(t.sf(abs(mean) / se, df)) if se > 0 else float(mean == 0)
    return CrossedEffects(
        n, len(x), len(y), mean, mean - half, mean + half, p, se, df,
        math.sqrt(users),
        *(math.sqrt(max(0.0, method.between - method.rest / n)) for method in trainings),
        *(math.sqrt(method.rest) for method in trainings),
    )  # fmt: skip


def _error(n: float, users: float, trainings: Sequence[TrainingVariance]) -> tuple[float, float]:
    """Return the standard error of a difference over n users, and its degrees of freedom.

    users: variance between users of the difference averaged over seeds.
    """
    # (share in the variance, degrees of freedom) of each independent mean square. That of users
    # and that of seeds both hold the rest, so it is taken off once.
    parts = [(users / n, n - 1.0)]
    for s, between, rest in trainings:
        parts += [(between / s, s - 1.0), (-rest / n / s, (s - 1.0) * (n - 1.0))]
    # A negative component stays in, which keeps the test at its level; half is far below chance.
    variance = max(sum(part for part, _ in parts), users / n / 2)
    spread = sum(part**2 / df for part, df in parts)
    return math.sqrt(variance), variance**2 / spread if spread > 0 else n - 1.0


def estimate_trainings(values: Floats) -> TrainingVariance:
    """Return the mean squares of values [seeds, users]."""
    s, n = values.shape
    seed_means, user_means = values.mean(axis=1), values.mean(axis=0)
    rest = values - seed_means[:, None] - user_means[None, :] + values.mean()
    square = float((rest**2).sum()) / ((s - 1) * (n - 1))
    return TrainingVariance(s, float(seed_means.var(ddof=1)), square)
