"""Strengths of methods from comparisons two by two, with ties (Davidson 1970).

With strengths s_i > 0 and a tie parameter v >= 0, of a comparison of i and j

    P(i wins) = s_i / (s_i + s_j + v sqrt(s_i s_j))
    P(tie)    = v sqrt(s_i s_j) / (s_i + s_j + v sqrt(s_i s_j))

Davidson's model is taken rather than ties as half wins: judges tie often, and half wins pull
strengths together the more the more ties there are, so that strengths of judges that tie more or
less often could not be compared. Without ties it is the model of Bradley and Terry (1952).

Its log-likelihood is concave in log strengths and log v, and maximised by Newton's method. A method
that always wins has no finite estimate: log strengths are kept within `BOUND`, odds of 3,000 to 1.

Reference: Davidson (1970), On extending the Bradley-Terry model to accommodate ties in paired
comparison experiments, JASA 65.
"""

from dataclasses import dataclass

import numpy as np

from benchkit import seeds
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.bootstrap import percentile_interval, split_draws

BOUND = 8.0
RESAMPLES = 1000
_ITERATIONS = 100
_AT_ONCE = 250
_RIDGE = 1e-9
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
    """Log strengths of k methods, mean 0, and win rates, with 95 % intervals over users."""

    log_strength: Floats
    """[k]."""
    low: Floats
    high: Floats
    tie: float
    """Davidson's v; 0 without a tie."""
    win_rate: Floats
    """[k, k] share of its comparisons with the column that the row won, a tie counting half; NaN
    where there was none."""
    win_low: Floats
    win_high: Floats


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
    """Return strengths and win rates; intervals are percentiles over resampled users.

    Raises:
        ValueError: There is no comparison.
    """
    if not len(comparisons.user):
        raise ValueError("needs a comparison")
    users = int(comparisons.user.max()) + 1
    rng = seeds.generator("bradley-terry", seed, users)
    observed = comparisons.tally(np.ones((1, users)))
    theta, log_v = fit_davidson(observed[:, 0], observed[:, 1])
    drawn_theta, drawn_rates = [], []
    for size in split_draws(resamples, _AT_ONCE):
        weights = rng.multinomial(users, np.full(users, 1 / users), size=size).astype(np.float64)
        counts = comparisons.tally(weights)
        drawn_theta.append(fit_davidson(counts[:, 0], counts[:, 1])[0])
        drawn_rates.append(_win_rates(counts))
    thetas, rates = np.concatenate(drawn_theta), np.concatenate(drawn_rates)
    limits = np.array([percentile_interval(thetas[:, i], level) for i in range(comparisons.k)])
    k = comparisons.k
    win_low, win_high = np.full((k, k), np.nan), np.full((k, k), np.nan)
    for row in range(k):
        for column in range(k):
            values = rates[:, row, column]
            values = values[~np.isnan(values)]
            if len(values):
                win_low[row, column], win_high[row, column] = percentile_interval(values, level)
    return Strengths(
        theta[0], limits[:, 0], limits[:, 1],
        float(np.exp(log_v[0])) if observed[0, 1].any() else 0.0,
        _win_rates(observed)[0], win_low, win_high,
    )  # fmt: skip


def _win_rates(counts: Floats) -> Floats:
    """Return [m, k, k] shares of counts [m, 2, k, k]; NaN where two were not compared."""
    wins, ties = counts[:, 0], counts[:, 1]
    total = wins + wins.transpose(0, 2, 1) + ties
    rates: Floats = np.full(total.shape, np.nan)
    np.divide(wins + ties / 2, total, out=rates, where=total > 0)
    return rates
