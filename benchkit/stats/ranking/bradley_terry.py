"""Strengths of methods from comparisons two by two, with ties (Davidson 1970).

With strengths s_i > 0 and a tie parameter v >= 0, of a comparison of i and j

    P(i wins) = s_i / (s_i + s_j + v sqrt(s_i s_j))
    P(tie)    = v sqrt(s_i s_j) / (s_i + s_j + v sqrt(s_i s_j))

Davidson's model is taken rather than ties as half wins: judges tie often, and half wins pull
strengths together the more the more ties there are, so that strengths of judges that tie more or
less often could not be compared. Without ties it is the model of Bradley and Terry (1952).

Its log-likelihood is concave in log strengths and log v, and maximised by Newton's method. A method
that always wins has no finite estimate, and neither have strengths and v where nothing is decided:
`fit_davidson` keeps them within `BOUND`, odds of 3,000 to 1, and `rank_by_comparisons` says that
they are infinite or unknown. Strengths are finite at most among methods of which each reaches each
other by a chain of wins and ties (Ford 1957).

Reference: Davidson (1970), On extending the Bradley-Terry model to accommodate ties in paired
comparison experiments, JASA 65; Ford (1957), Solution of a ranking problem from binary comparisons,
American Mathematical Monthly 64.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.bootstrap import constant_share_limits, percentile_interval, split_draws

BOUND = 8.0
RESAMPLES = 1000
_ITERATIONS = 100
_AT_ONCE = 250
_RIDGE = 1e-9
_BEYOND = 1e3  # stands for an infinite strength where percentiles are taken
_NO_TIES = -60.0  # log v where nothing tied: v is 0 but for rounding


@dataclass(frozen=True)
class Comparisons:
    """Comparisons of k methods, by the user whose answers were compared."""

    user: Ints
    """[n] numbered from 0."""
    first: Ints
    """[n] one method."""
    second: Ints
    """[n] the other one."""
    outcome: Ints
    """[n] 1 where the first won, -1 where the second did, 0 for a tie."""
    k: int

    def tally(self, weights: Floats) -> Floats:
        """Return [m, 2, k, k]: how often row beat column, and how often they tied (symmetric).

        weights: [m, users] how often each user counts.
        """
        pair = self.first * self.k + self.second
        turned = self.second * self.k + self.first
        counts = np.zeros((len(weights), 2, self.k * self.k))
        users = weights.shape[1]
        for row, cell, chosen in (
            (0, pair, self.outcome > 0),
            (0, turned, self.outcome < 0),
            (1, pair, self.outcome == 0),
            (1, turned, self.outcome == 0),
        ):
            by_user = np.zeros((users, self.k * self.k))
            np.add.at(by_user, (self.user[chosen], cell[chosen]), 1)
            counts[:, row] += weights @ by_user
        return counts.reshape(len(weights), 2, self.k, self.k)


@dataclass(frozen=True)
class Strengths:
    """Log strengths of k methods, and shares of comparisons, with 95 % intervals over users."""

    log_strength: Floats
    """[k] mean 0 over those that have one; infinite for a method that won, or lost, all comparisons
    by which it is connected with these; NaN where there is no estimate."""
    low: Floats
    """[k] -inf where the limit is beyond what comparisons of these users can bound."""
    high: Floats
    tie: float
    """Davidson's v; 0 without a tie, NaN where there is no estimate."""
    won: Floats
    """[k] share of all its comparisons that a method won, a tie counting half."""
    won_low: Floats
    won_high: Floats
    win_rate: Floats
    """[k, k] the same of its comparisons with the column; NaN where there was none."""
    win_low: Floats
    win_high: Floats
    is_decided: bool = True
    """Whether some comparison was no tie."""


def fit_davidson(wins: Floats, ties: Floats) -> tuple[Floats, Floats]:
    """Return log strengths [m, k], each with mean 0, and log v [m] (-60, in effect v = 0,
    where nothing tied).

    Args:
        wins: [m, k, k] how often row beat column.
        ties: [m, k, k] how often they tied, symmetric.

    >>> wins = np.array([[[0.0, 4.0, 16.0], [1.0, 0.0, 4.0], [1.0, 1.0, 0.0]]])
    >>> ties = np.array([[[0.0, 2.0, 4.0], [2.0, 0.0, 2.0], [4.0, 2.0, 0.0]]])
    >>> theta, log_v = fit_davidson(wins, ties)  # strengths 16, 4 and 1, v = 1
    >>> np.exp(theta - theta[:, -1:]).round(6).tolist(), np.exp(log_v).round(6).tolist()
    ([[16.0, 4.0, 1.0]], [1.0])
    """
    m, k, _ = wins.shape
    i, j = np.triu_indices(k, 1)
    won, lost, tied = wins[:, i, j], wins[:, j, i], ties[:, i, j]
    n = won + lost + tied
    has_ties = tied.sum(axis=1) > 0
    x = np.zeros((m, k + 1))  # log strengths, log v
    x[~has_ties, k] = _NO_TIES
    design = np.zeros((len(i), 2, k + 1))  # half differences of strengths, and v
    rows = np.arange(len(i))
    design[rows, 0, i], design[rows, 0, j], design[rows, 1, k] = 0.5, -0.5, 1.0
    for _ in range(_ITERATIONS):
        half = x @ design[:, 0].T
        logits = np.stack([half, -half, np.broadcast_to(x[:, k : k + 1], half.shape)])
        p = np.exp(logits - logits.max(axis=0))
        p /= p.sum(axis=0)
        # Gradient and curvature in the half difference d and in log v.
        g_d = won - lost - n * (p[0] - p[1])
        g_v = tied - n * p[2]
        h_dd = n * (p[0] + p[1] - (p[0] - p[1]) ** 2)
        h_dv = -n * (p[0] - p[1]) * p[2]
        h_vv = n * p[2] * (1 - p[2])
        gradient = g_d @ design[:, 0] + g_v @ design[:, 1]
        a, b = design[:, 0], design[:, 1]
        hessian = (
            np.einsum("mp,pr,ps->mrs", h_dd, a, a)
            + np.einsum("mp,pr,ps->mrs", h_dv, a, b)
            + np.einsum("mp,pr,ps->mrs", h_dv, b, a)
            + np.einsum("mp,pr,ps->mrs", h_vv, b, b)
        )
        gradient[~has_ties, k] = 0.0
        hessian[~has_ties, k, :k] = hessian[~has_ties, :k, k] = 0.0
        hessian += _RIDGE * np.eye(k + 1)
        # Strengths are known up to their sum: it is fixed at 0.
        hessian[:, :k, :k] += 1.0
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        step *= np.minimum(1.0, 2.0 / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-300))
        x = x + step
        x[:, :k] -= x[:, :k].mean(axis=1, keepdims=True)
        x[:, :k] = np.clip(x[:, :k], -BOUND, BOUND)
        x[has_ties, k] = np.clip(x[has_ties, k], -BOUND, BOUND)
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return x[:, :k], x[:, k]


def rank_by_comparisons(
    comparisons: Comparisons, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Strengths:
    """Return strengths and shares won; intervals are percentiles over resampled users.

    A share that is the same in every resample, as where a method won all comparisons, has the
    interval in which users that differ would have been missed with a probability of 2.5 %.

    Raises:
        ValueError: There is no comparison.
    """
    if not len(comparisons.user):
        raise ValueError("needs a comparison")
    users = int(comparisons.user.max()) + 1
    rng = seeds.generator("bradley-terry", seed, users)
    observed = comparisons.tally(np.ones((1, users)))
    members = find_comparable(observed[0])
    theta, v = _estimate(observed, members)
    drawn_theta, drawn_shares = [], []
    for size in split_draws(resamples, _AT_ONCE):
        weights = rng.multinomial(users, np.full(users, 1 / users), size=size).astype(np.float64)
        counts = comparisons.tally(weights)
        if np.isfinite(theta).any():
            drawn_theta.append(_resampled_strengths(counts, members))
        drawn_shares.append(_shares(counts))
    low, high = np.where(theta > 0, theta, -np.inf), np.where(theta < 0, theta, np.inf)
    if drawn_theta:
        limits = [percentile_interval(x, level) for x in np.concatenate(drawn_theta).T]
        low[members], high[members] = np.array(limits).T
        low[low <= -BOUND], high[high >= BOUND] = -np.inf, np.inf
    shares = _shares(observed)[0]
    share_low, share_high = _share_limits(
        shares, np.concatenate(drawn_shares), _count_users(comparisons), level
    )
    return Strengths(
        theta, low, high, v,
        shares[:, -1], share_low[:, -1], share_high[:, -1],
        shares[:, :-1], share_low[:, :-1], share_high[:, :-1],
        is_decided=bool(observed[0, 0].any()),
    )  # fmt: skip


def find_comparable(counts: Floats) -> Ints:
    """Return the largest group of methods that may have finite strengths beside each other.

    Each reaches each other by wins and ties.

    Args:
        counts: [2, k, k] how often row beat column, and how often they tied.

    >>> wins = np.array([[0, 3, 3], [0, 0, 2], [0, 1, 0]])
    >>> find_comparable(np.stack([wins, np.zeros_like(wins)])).tolist()
    [1, 2]
    """
    group = _strong_groups(counts)
    return np.flatnonzero(group == np.bincount(group).argmax())


def _strong_groups(counts: Floats) -> Ints:
    from scipy.sparse.csgraph import connected_components

    reaches = counts.sum(axis=0) > 0
    return np.asarray(connected_components(reaches, connection="strong")[1], dtype=np.int64)


def _estimate(observed: Floats, members: Ints) -> tuple[Floats, float]:
    """Return strengths [k] and v of counts [1, 2, k, k]; NaN without a finite estimate."""
    theta: Floats = np.full(observed.shape[-1], np.nan)
    if len(members) < 2:
        return theta, np.nan
    part = observed[:, :, members[:, None], members]
    fitted, log_v = fit_davidson(part[:, 0], part[:, 1])
    if _is_unbounded(fitted, log_v)[0] or not part[0, 0].any():
        return theta, np.nan
    theta[members] = fitted[0]
    above, below = _reaches(observed[0].sum(axis=0) > 0, members)
    theta[above], theta[below] = np.inf, -np.inf
    return theta, float(np.exp(log_v[0])) if part[0, 1].any() else 0.0


def _reaches(edges: NDArray[np.bool_], members: Ints) -> tuple[Ints, Ints]:
    """Return which others reach the members by wins, and which are reached; no one is both."""
    from scipy.sparse.csgraph import breadth_first_order

    start = int(members[0])
    below = breadth_first_order(edges, start, return_predecessors=False)
    above = breadth_first_order(edges.T, start, return_predecessors=False)
    return np.setdiff1d(above, members), np.setdiff1d(below, members)


def _is_unbounded(theta: Floats, log_v: Floats) -> NDArray[np.bool_]:
    """Return [m] whether an estimate is at the bound, and no finite one is largest."""
    largest = np.maximum(np.abs(theta).max(axis=1), log_v)
    unbounded: NDArray[np.bool_] = largest >= BOUND - 1e-6
    return unbounded


def _resampled_strengths(counts: Floats, members: Ints) -> Floats:
    """Return [m, members] strengths of resamples, far beyond the bound where they are infinite."""
    part = counts[:, :, members[:, None], members]
    theta, log_v = fit_davidson(part[:, 0], part[:, 1])
    unbounded = _is_unbounded(theta, log_v)
    theta[unbounded] = np.sign(theta[unbounded].round(6)) * _BEYOND
    return theta


def _count_users(comparisons: Comparisons) -> Ints:
    """Return [k, k + 1] users whose comparisons row and column have, the last column of any."""
    k = comparisons.k
    users: Ints = np.zeros((k, k + 1), dtype=np.int64)
    ends = np.concatenate([comparisons.first, comparisons.second])
    others = np.concatenate([comparisons.second, comparisons.first])
    owner = np.tile(comparisons.user, 2)
    cells = np.concatenate(
        [np.column_stack([ends, others, owner]), np.column_stack([ends, 0 * others + k, owner])]
    )
    np.add.at(users, tuple(np.unique(cells, axis=0)[:, :2].T), 1)
    return users


def _share_limits(
    shares: Floats, drawn: Floats, users: Ints, level: float
) -> tuple[Floats, Floats]:
    """Return the limits of shares [k, k + 1] from resampled ones [m, k, k + 1]."""
    low, high = np.full(shares.shape, np.nan), np.full(shares.shape, np.nan)
    for place in zip(*np.nonzero(~np.isnan(shares)), strict=True):
        values = drawn[(slice(None), *place)]
        values = values[~np.isnan(values)]
        value = shares[place]
        if np.ptp(values) > 1e-12:
            low[place], high[place] = percentile_interval(values, level)
        else:
            limits = constant_share_limits(float(value), int(users[place]), level)
            low[place], high[place] = limits
    return low, high


def _shares(counts: Floats) -> Floats:
    """Return [m, k, k + 1] shares won of counts [m, 2, k, k], the last column of all comparisons.

    NaN where there is no comparison.
    """
    wins, ties = counts[:, 0], counts[:, 1]
    won, total = wins + ties / 2, wins + wins.transpose(0, 2, 1) + ties
    won, total = (np.concatenate([x, x.sum(axis=2, keepdims=True)], axis=2) for x in (won, total))
    rates: Floats = np.full(total.shape, np.nan)
    np.divide(won, total, out=rates, where=total > 0)
    return rates
