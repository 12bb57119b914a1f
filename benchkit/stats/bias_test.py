"""How far something moved, and how far it must move to be seen: effects of probes.

A shift is a mean of changes, tested by sign flips. A share is that of changes that are not zero,
tested against a tolerance. For both, `detectable` is the least true effect that a test at a level
sees with a power. It is the larger of two: what noise hides, by the t test's power; and what
numbers hide, since a judge that moves few grades, all one way and without noise, needs some that
move before any test can reject.

Users are the units of all of it, where they have several cases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.arrays import Floats
from benchkit.stats.clusters import Clusters, count_clusters
from benchkit.stats.permutation_test import count_differences, sign_flip_p_values
from benchkit.stats.power import minimum_detectable_effect
from benchkit.stats.sign_flip_interval import sign_flip_interval

POWER = 0.8
LEVEL = 0.05
_NAN = float("nan")


@dataclass(frozen=True)
class Effect:
    """A mean change, or a share of changes, with its uncertainty; NaN without a value."""

    n: int
    """Cases."""
    units: int
    """Users, or the n cases where each user has one."""
    value: float
    low: float
    """Lower limit of the 95 % interval; of a shift -inf where the test could reject no mean."""
    high: float
    p: float
    """Of a mean of zero (two-sided), or of a share within the tolerance (one-sided)."""
    se: float
    """Standard error over users."""
    step: float = 1.0
    """Least change that one case can show; of a shift."""
    tolerance: float | None = None
    """Share that is no finding; None for a shift."""
    effective_n: float = _NAN
    """How many independent cases a share is worth."""

    def detectable(self, alpha: float = LEVEL, power: float = POWER) -> float:
        """Return the least effect that a test at level `alpha` sees with `power`.

        NaN where no effect could be seen, however large.
        """
        if self.n == 0:
            return _NAN
        if self.tolerance is not None:
            return _detectable_share(int(self.effective_n), self.tolerance, alpha, power)
        needed = min_same_signs(alpha)
        if self.units < needed:
            return _NAN
        by_number = self.step * _share_with_hits(needed, self.units, power)
        by_noise = self.se * _detectable_shift(self.units - 1, alpha, power)
        return max(by_number, by_noise)


def measure_shifts(
    changes: Sequence[ArrayLike], clusters: Sequence[Clusters | None], step: float, seed: int = 0
) -> list[Effect]:
    """Return the mean of each set of changes [n], with the sign-flip test of a mean of zero.

    The interval has the means that the same test does not reject, so that it excludes zero just
    where p is at most .05. Fewer than six users reject none: it has no limits then.

    Args:
        changes: Change of each case.
        clusters: For each set the cases of each user, where users have several.
        step: Least change that a case can show.
        seed: Seed of the bootstrap and of the sign flips.
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in changes]
    sums = [x if c is None else c.sum(x) for x, c in zip(arrays, clusters, strict=True)]
    p_values = sign_flip_p_values([count_differences(x) for x in sums], seed=seed).tolist()
    effects = []
    for x, cluster, p in zip(arrays, clusters, p_values, strict=True):
        if not len(x):
            effects.append(Effect(0, 0, _NAN, _NAN, _NAN, _NAN, _NAN, step))
            continue
        units = count_clusters(cluster, len(x))
        low, high = sign_flip_interval(x, LEVEL, seed, cluster)
        if np.ptp(x) == 0 and (not x.any() or math.isfinite(low)):
            # Equal changes have no spread, however few they are: some users may differ by a step.
            spread = step * _upper_share_of_none(units)
            low, high = float(x[0]) - spread, float(x[0]) + spread
        low, high = _as_tested(low, high, float(x.mean()), p)
        effects.append(
            Effect(len(x), units, float(x.mean()), low, high, p, _error(x, cluster), step)
        )
    return effects


def _as_tested(low: float, high: float, value: float, p: float) -> tuple[float, float]:
    """Return the limits on that side of zero where p says they are, whose draws are others."""
    if p > LEVEL:
        return min(low, 0.0), max(high, 0.0)
    tiny = math.ulp(0.0)
    return (max(low, tiny), high) if value > 0 else (low, min(high, -tiny))


def measure_share(moved: ArrayLike, clusters: Clusters | None, tolerance: float) -> Effect:
    """Return the mean of `moved` [n] (0 to 1 each), tested against at most `tolerance`.

    The interval and the test are Clopper and Pearson's of as many independent cases as the
    standard error over users is worth, at least as many as there are users.

    Reference: Korn and Graubard (1998), Confidence intervals for proportions with small expected
    number of positive counts estimated from survey data; without their factor of degrees of
    freedom, which is 1 for as many users as cases.
    """
    from scipy.special import betainc, betaincinv

    x = np.asarray(moved, dtype=np.float64)
    n = len(x)
    if not n:
        return Effect(0, 0, _NAN, _NAN, _NAN, _NAN, _NAN, tolerance=tolerance)
    units, share, se = count_clusters(clusters, n), float(x.mean()), _error(x, clusters)
    worth = float(units)
    if clusters is None:
        worth = float(n)
    elif 0 < share < 1:
        worth = min(max(share * (1 - share) / se**2, units), n) if se > 0 else float(n)
    hits = share * worth
    low = float(betaincinv(hits, worth - hits + 1, 0.025)) if hits else 0.0
    high = float(betaincinv(hits + 1, worth - hits, 0.975)) if hits < worth else 1.0
    p = float(betainc(hits, worth - hits + 1, tolerance)) if hits else 1.0
    return Effect(n, units, share, low, high, p, se, tolerance=tolerance, effective_n=worth)


def min_same_signs(alpha: float) -> int:
    """Return how many changes, all of one sign and size, a sign-flip test rejects at `alpha`.

    >>> min_same_signs(0.05)
    6
    """
    return 1 + math.ceil(-math.log2(alpha) - 1e-12)


def _error(x: Floats, clusters: Clusters | None) -> float:
    by_user = x if clusters is None else clusters.linearize(x)
    units = len(by_user)
    return float(by_user.std(ddof=1)) / math.sqrt(units) if units > 1 else _NAN


def _upper_share_of_none(units: int) -> float:
    """Return the upper 95 % limit (two-sided) of a share of which `units` showed none."""
    return 1 - float(0.025 ** (1 / units))


@lru_cache(maxsize=4096)
def _detectable_shift(df: int, alpha: float, power: float) -> float:
    return minimum_detectable_effect(1.0, df, power, alpha)


@lru_cache(maxsize=4096)
def _share_with_hits(hits: int, n: int, power: float) -> float:
    """Return the share of which n have `hits` or more with probability `power`."""
    from scipy.special import betaincinv

    return float(betaincinv(hits, n - hits + 1, power))


@lru_cache(maxsize=4096)
def _detectable_share(n: int, tolerance: float, alpha: float, power: float) -> float:
    from scipy.stats import binom

    hits = int(binom.isf(alpha, n, tolerance)) + 1  # the least number that is rejected
    return _NAN if hits > n else _share_with_hits(hits, n, power)
