"""Studentized differences of all pairs of methods, and joint draws of them without differences.

A draw flips the signs of users: all that methods have at a user changes sign together, so that
pairs stay as dependent on each other as they are. This is the bootstrap with random signs as
weights (Liu 1988), which keeps the sum of squares that a difference is divided by, and for one pair
it is the sign-flip test. A bootstrap that draws users with replacement would need that sum for each
pair and resample, and where few users differ it finds differences that are none.

Trainings are not paired. Between methods with three seeds and more, a difference is divided by its
error over users and seeds (`crossed_effects`), and a draw has a new effect of each training, and a
new estimate of how much trainings vary, from what was estimated.

Reference: Romano and Wolf (2005), Exact and approximate stepdown methods for multiple hypothesis
testing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.stats.arrays import Bools, Floats, Ints
from benchkit.stats.bootstrap import split_draws
from benchkit.stats.clusters import Clusters
from benchkit.stats.crossed_effects import MIN_SEEDS, estimate_trainings

SIGN_DRAWS = 1_999
_SIGNS_AT_ONCE = 4_000_000
_DECIMALS = 12  # values that differ by less differ by the order of summing
# [256, 8] the signs that the bits of a byte stand for
_SIGNS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32) * 2 - 1


@dataclass(frozen=True, eq=False)
class PairedStatistics:
    """The studentized difference of each pair of k methods, and draws where nothing differs."""

    means: Floats
    """[k] over cases and seeds."""
    observed: Floats
    """[k, k] difference of the means of row and column over its error; 0 where all is equal."""
    flips: NDArray[np.float32]
    """[draws, k] sums over users with random signs."""
    squares: Floats
    """[k, k] sum of squares of the users' differences."""
    seeded: Bools
    """[k] whether a method has seeds enough to say how much trainings vary."""
    shifts: NDArray[np.float32]
    """[draws, k] what the drawn trainings add to the sums."""
    variances: NDArray[np.float32]
    """[draws, k] the variance that an estimate from the drawn trainings would add."""

    def null(self, a: Ints, b: Ints, part: slice = slice(None)) -> NDArray[np.float32]:
        """Return [m, pairs] absolute statistics of the pairs a, b in some of the draws."""
        sums = self.flips[part][:, a] - self.flips[part][:, b]
        squares = self.squares[a, b].astype(np.float32)
        error = np.broadcast_to(np.sqrt(squares), sums.shape)
        both = np.flatnonzero(self.seeded[a] & self.seeded[b])
        if len(both):
            x, y = a[both], b[both]
            sums[:, both] += self.shifts[part][:, x] - self.shifts[part][:, y]
            added = self.variances[part][:, x] + self.variances[part][:, y]
            error = error.copy()
            error[:, both] = _error(squares[both], added)
        drawn: NDArray[np.float32] = np.abs(_ratio(sums, error))
        return drawn

    def select(self, methods: Sequence[int]) -> "PairedStatistics":
        """Return the statistics of some of the methods, in their order."""
        chosen = list(methods)
        block = np.ix_(chosen, chosen)
        return replace(
            self,
            means=self.means[chosen],
            observed=self.observed[block],
            flips=self.flips[:, chosen],
            squares=self.squares[block],
            seeded=self.seeded[chosen],
            shifts=self.shifts[:, chosen],
            variances=self.variances[:, chosen],
        )


def pair_statistics(
    values: Sequence[Floats],
    clusters: Clusters | None = None,
    draws: int = SIGN_DRAWS,
    seed: int = 0,
) -> PairedStatistics:
    """Compare all pairs of methods over the same cases. Deterministic for a seed.

    Args:
        values: Values [seeds, n] of each method; higher is better.
        clusters: The cases of each user, where users have several.
        draws: Number of draws.
        seed: Datasets that are taken together need different ones.

    Raises:
        ValueError: There is no method or case, cases differ in number, or a value is not finite.
    """
    if not values or len({of_method.shape[-1] for of_method in values}) > 1:
        raise ValueError("values must be [seeds, cases] of each method, over the same cases")
    pooled = np.stack([np.asarray(v, dtype=np.float64).mean(axis=0) for v in values])
    if not pooled.size or not np.isfinite(pooled).all():
        raise ValueError("values must be finite, of at least one case")
    sums = pooled if clusters is None else clusters.sum(pooled)
    sums = (sums - sums.mean(axis=0)).round(_DECIMALS)  # what is common to all cancels in pairs
    sums = sums[:, sums.any(axis=0)]
    gram = sums @ sums.T
    norms = np.diag(gram)
    squares = norms[:, None] + norms[None, :] - 2 * gram
    # What is left of equal rows by rounding is not a difference.
    squares[squares <= 1e-12 * (norms[:, None] + norms[None, :])] = 0.0
    totals = sums.sum(axis=1)
    differences = totals[:, None] - totals[None, :]
    rng = seeds.generator("sign-bootstrap", seed, len(values), sums.shape[1])
    flips = np.concatenate(list(_flip(rng, sums.T.astype(np.float32), draws)))
    seeded, added, shifts, variances = _draw_trainings(rng, values, clusters, draws)
    error = np.sqrt(squares)
    both = np.ix_(seeded, seeded)
    error[both] = _error(squares, added[:, None] + added[None, :])[both]
    return PairedStatistics(
        pooled.mean(axis=1), _ratio(differences, error), flips, squares, seeded, shifts, variances
    )


def _flip(
    rng: np.random.Generator, sums: NDArray[np.float32], draws: int
) -> Iterator[NDArray[np.float32]]:
    """Yield chunks [m, k] of `draws`: the total of `sums` [users, k] with random signs."""
    users = len(sums)
    n_bytes = -(-users // 8)
    for size in split_draws(draws, max(1, _SIGNS_AT_ONCE // max(1, users))):
        bits = np.frombuffer(rng.bytes(size * n_bytes), dtype=np.uint8)
        yield _SIGNS[bits].reshape(size, 8 * n_bytes)[:, :users] @ sums


def _draw_trainings(
    rng: np.random.Generator, values: Sequence[Floats], clusters: Clusters | None, draws: int
) -> tuple[Bools, Floats, NDArray[np.float32], NDArray[np.float32]]:
    """Return which methods have seeds enough, [k] the variance that trainings add to a sum, and
    [draws, k] what other trainings would add to sums and to that variance."""
    k, n = len(values), values[0].shape[1]
    seeded = np.array([len(of_method) >= MIN_SEEDS and n > 1 for of_method in values])
    added = np.zeros(k)
    shifts, variances = (np.zeros((draws, k), dtype=np.float32) for _ in range(2))
    for i in np.flatnonzero(seeded).tolist():
        by_user = values[i] if clusters is None else clusters.linearize(values[i])
        s, between, rest = estimate_trainings(by_user)
        if not between and not rest:
            continue
        common = rest / by_user.shape[1]  # of a seed's mean, what users add and `squares` has
        added[i] = n**2 * (between - common) / s
        shifts[:, i] = rng.normal(0, np.sqrt(max(0.0, added[i])), draws)
        estimates = between * rng.chisquare(s - 1, draws) / (s - 1)
        variances[:, i] = n**2 * (estimates - common) / s
    return seeded, added, shifts, variances


def _error(squares: NDArray[Any], added: NDArray[Any]) -> NDArray[Any]:
    """Return the errors of sums over users and trainings.

    A negative variance of trainings stays in, which keeps tests at their level; half of that of
    users is far below chance (as in `crossed_effects`).
    """
    error: NDArray[Any] = np.sqrt(np.maximum(squares + added, squares / 2))
    return error


def _ratio(sums: NDArray[Any], error: NDArray[Any]) -> NDArray[Any]:
    ratio: NDArray[Any] = np.divide(sums, error, out=np.zeros_like(sums), where=error > 0)
    return ratio
