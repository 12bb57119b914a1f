"""Bootstrap intervals over cases (Efron 1979): of means, differences, ratios and any statistic.

A resample of n cases is a multinomial draw of how often each distinct case occurs. That is the same
law as drawing cases one by one, at a hundredth of the cost, since rank metrics and grades have few
distinct values. All intervals are deterministic for a seed.

Where users have several cases, users are drawn, each with all its cases (Davison and Hinkley 1997,
3.8), and the mean of a resample is over the cases in it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from benchkit import seeds
from benchkit.stats.arrays import Floats, Ints, Statistic
from benchkit.stats.clusters import Clusters

RESAMPLES = 2000
_MAX_DISTINCT = 4096  # with more distinct values drawing cases is as quick
_CASES_AT_ONCE = 4_000_000
_COUNTS_AT_ONCE = 2_000_000
_MAX_UNDEFINED = 0.05  # with a larger share of undefined resamples there is no interval
_DECIMALS = 12  # sums over users that differ by less are equal, but for the order of summing
_MIN_UNITS = 5  # fewer have some dozens of different resamples, too few for limits of 95 %
_DENSE_UNITS = 50_000_000  # larger tables of units and cells are held sparse
_NAN = float("nan")


class BootstrapInterval(NamedTuple):
    """Limits of an interval; NaN where there is none, and `reason` says why."""

    low: float
    high: float
    reason: str = ""


def split_draws(draws: int, step: int) -> Iterator[int]:
    """Yield the sizes of the chunks, of `step` or fewer, that `draws` are made in."""
    for start in range(0, draws, step):
        yield min(step, draws - start)


def draw_counts(
    rng: np.random.Generator, n: int, shares: Floats, draws: int, step: int
) -> Iterator[Floats]:
    """Yield chunks [m, k] of `draws`: how often kinds with `shares` [k] occur among n."""
    for size in split_draws(draws, step):
        yield rng.multinomial(n, shares, size=size).astype(np.float64)


def resample_sums(rng: np.random.Generator, cases: Floats, resamples: int) -> Floats:
    """Return [resamples, columns] sums over resampled rows of `cases` [n, columns]."""
    n = len(cases)
    distinct, counts = np.unique(cases, axis=0, return_counts=True)
    (drawn,) = draw_counts(rng, n, counts / n, resamples, resamples)
    return drawn @ distinct


def percentile_interval(values: Floats, level: float) -> tuple[float, float]:
    """Return the limits between which the central share `level` of resampled `values` lies."""
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def constant_share_limits(share: float, units: int, level: float = 0.95) -> tuple[float, float]:
    """Return the limits of a share that is the same in every resample of `units`.

    Units that differ, with 0 or 1 each, would have been missed with a probability of
    (1 - level) / 2 if there were as many of them as the limits allow for. Of a share of 0 or 1 they
    are those of Clopper and Pearson.

    >>> low, high = constant_share_limits(1.0, 8)
    >>> round(low, 3), high
    (0.631, 1.0)
    """
    unseen = 1 - ((1 - level) / 2) ** (1 / units)
    return share * (1 - unseen), share + (1 - share) * unseen


def mean_interval(
    values: ArrayLike,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Clusters | None = None,
) -> tuple[float, float]:
    """Return the percentile interval of the mean of `values` [n]; NaN limits for no values.

    With `clusters`, these are resampled, and the mean is still that of the cases.
    """
    x = np.asarray(values, dtype=np.float64)
    if not len(x):
        return _NAN, _NAN
    if (x == x[0]).all():
        return float(x[0]), float(x[0])
    if clusters is None:
        sums, sizes = x, np.ones(len(x))
        distinct, counts = np.unique(x, return_counts=True)
        distinct = distinct[:, None]
    else:
        sums, sizes = clusters.sum(x).round(_DECIMALS), clusters.sizes.astype(np.float64)
        distinct, counts = np.unique(np.column_stack([sums, sizes]), axis=0, return_counts=True)
    n = len(sums)  # users, or cases
    rng = seeds.generator("bootstrap", seed, n)
    if len(distinct) <= _MAX_DISTINCT:
        (drawn,) = draw_counts(rng, n, counts / n, resamples, resamples)
        means = drawn @ distinct[:, 0] / (n if clusters is None else drawn @ distinct[:, 1])
    else:
        draws = (rng.integers(0, n, n) for _ in range(resamples))
        means = np.array([sums[drawn].mean() / sizes[drawn].mean() for drawn in draws])
    return percentile_interval(means, level)


def mean_difference_intervals(
    values: Floats,
    pairs: Sequence[tuple[int, int]],
    level: float,
    resamples: int,
    seed: int,
    clusters: Clusters | None = None,
) -> list[tuple[float, float]]:
    """Return the percentile interval of the mean of row a - row b for each pair (a, b).

    All rows of `values` [methods, n] see the same resamples, so that cases stay paired. With
    `clusters`, these are resampled, and means are still those of the cases.
    """
    return metric_difference_intervals([values], [pairs], level, resamples, seed, clusters)[0]


def metric_difference_intervals(
    metrics: Sequence[Floats],
    pairs: Sequence[Sequence[tuple[int, int]]],
    level: float,
    resamples: int,
    seed: int,
    clusters: Clusters | None = None,
) -> list[list[tuple[float, float]]]:
    """Return `mean_difference_intervals` of several metrics of the same n cases.

    The draws depend on the cases alone and take most of the time, so that they are made once.

    Args:
        metrics: Values [methods, n] of each metric.
        pairs: The pairs (a, b) of each metric.
        level: Share of the resamples between the limits.
        resamples: Number of resamples.
        seed: Of the draws.
        clusters: The cases of each user, where users have several.
    """
    n = metrics[0].shape[1]
    bases = [values.mean(axis=1) for values in metrics]
    # Means stay exact where a method has one value only.
    centred = [(v - base[:, None]).T for v, base in zip(metrics, bases, strict=True)]
    sums, sizes = centred, np.ones(n)
    if clusters is not None:
        sums = [clusters.sum(part.T).T for part in centred]
        sizes = clusters.sizes.astype(np.float64)
    units = len(sums[0])  # users, or cases
    rng = seeds.generator("paired-bootstrap", seed, units)
    chunks: list[list[Floats]] = [[] for _ in metrics]
    for counts in _resample_counts(rng, units, resamples):
        total = n if clusters is None else (counts @ sizes)[:, None]
        for part, of_metric in zip(chunks, sums, strict=True):
            part.append(counts @ of_metric / total)
    intervals = []
    for part, base, of_metric in zip(chunks, bases, pairs, strict=True):
        means = np.concatenate(part) + base
        intervals.append(
            [percentile_interval(means[:, a] - means[:, b], level) for a, b in of_metric]
        )
    return intervals


def _resample_counts(rng: np.random.Generator, n: int, resamples: int) -> Iterator[Floats]:
    """Yield chunks [m, n] of `resamples`: how often each of n units is drawn."""
    for size in split_draws(resamples, max(1, _CASES_AT_ONCE // n)):
        drawn = rng.integers(0, n, size=(size, n), dtype=np.int32)
        drawn += np.arange(size, dtype=np.int32)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        yield counts.astype(np.float64)


def bca_intervals(
    statistics: Mapping[str, Statistic],
    cell: Ints,
    cluster: Ints | None = None,
    weight: Floats | None = None,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, BootstrapInterval]:
    """Return bias-corrected and accelerated (BCa) bootstrap intervals (Efron 1987) by name.

    All statistics see the same resamples. A resample that leaves a statistic undefined is dropped;
    if more than 5 % do, the statistic has no interval. Nor has it one of fewer than five units
    (items, or clusters), or where a limit would be the estimate itself although the statistic
    could be larger or smaller: the data are then too few to say how far off the estimate is.

    Args:
        statistics: Functions of the counts of cells, by name.
        cell: [n] cell of each item.
        cluster: [n] items that are drawn together, numbered from 0; by default each item alone.
        weight: [n] what a drawn item adds to its cell; by default 1.
    """
    patterns, times = _distinct_units(cell, cluster, weight)
    total = times.astype(np.float64) if patterns is None else times @ patterns
    step = max(1, _COUNTS_AT_ONCE // len(total))
    rng = seeds.generator("grade-bootstrap", seed, len(cell))
    n = int(times.sum())
    counts = draw_counts(rng, n, times / n, resamples, step)
    resampled = _evaluate(
        statistics, (part if patterns is None else part @ patterns for part in counts)
    )
    jackknife = _evaluate(statistics, _leave_one_out(total, patterns, len(times), step))
    return {
        name: _bca(float(s(total[None, :])[0]), resampled[name], jackknife[name], times, level)
        for name, s in statistics.items()
    }


def _distinct_units(cell: Ints, cluster: Ints | None, weight: Floats | None) -> tuple[Any, Ints]:
    """Return the distinct items or clusters [units, cells], None where each unit is one cell, and
    how often each occurs. A table that would take too much memory is sparse, its units as they
    are."""
    cells = int(cell.max()) + 1
    if cluster is None and weight is None:
        return None, np.bincount(cell, minlength=cells)
    if cluster is None:
        cluster = np.arange(len(cell))
    n_units = int(cluster.max()) + 1
    if n_units * cells > _DENSE_UNITS:
        from scipy.sparse import csr_array

        entries = np.ones(len(cell)) if weight is None else weight
        sparse = csr_array((entries, (cluster, cell)), shape=(n_units, cells))
        return sparse, np.ones(n_units, dtype=np.int64)
    units = np.zeros((n_units, cells))
    np.add.at(units, (cluster, cell), 1 if weight is None else weight)
    patterns, times = np.unique(units, axis=0, return_counts=True)
    return patterns, times


def _leave_one_out(total: Floats, patterns: Any, units: int, step: int) -> Iterator[Floats]:
    """Yield the counts of all data without one unit of each kind in turn."""
    for start in range(0, units, step):
        size = min(step, units - start)
        if patterns is None:
            yield total - np.eye(size, units, start)
        else:
            part = patterns[start : start + size]
            yield total - (part if isinstance(part, np.ndarray) else part.toarray())


def _evaluate(statistics: Mapping[str, Statistic], chunks: Iterable[Floats]) -> dict[str, Floats]:
    values: dict[str, list[Floats]] = {name: [] for name in statistics}
    for counts in chunks:
        counts = counts[counts.sum(axis=1) > 0]
        for name, statistic in statistics.items():
            values[name].append(statistic(counts))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def _bca(
    value: float, resampled: Floats, jackknife: Floats, times: Ints, level: float
) -> BootstrapInterval:
    from scipy.special import ndtr, ndtri

    if np.isnan(value):
        return BootstrapInterval(_NAN, _NAN)
    units = int(times.sum())
    if units < _MIN_UNITS:
        return BootstrapInterval(_NAN, _NAN, f"no interval: too little data ({units} to resample)")
    defined = resampled[~np.isnan(resampled)]
    if len(defined) < (1 - _MAX_UNDEFINED) * len(resampled):
        share = 1 - len(defined) / len(resampled)
        return BootstrapInterval(
            _NAN, _NAN, f"no interval: undefined in {100 * share:.0f} % of the resamples"
        )
    # Equal values differ by rounding, which must not decide on which side of `value` they are.
    near = 1e-10 * max(1.0, abs(value))
    if np.ptp(defined) <= near:
        return BootstrapInterval(_NAN, _NAN, "no interval: all resamples give the same value")
    below = (defined < value - near).mean() + (np.abs(defined - value) <= near).mean() / 2
    edge = 0.5 / len(defined)
    bias = ndtri(np.clip(below, edge, 1 - edge))
    shifted = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    quantiles = ndtr(bias + shifted / (1 - _acceleration(jackknife, times) * shifted))
    low, high = np.quantile(defined, quantiles)
    if min(high - value, value - low) <= near and abs(value) < 1 - near:
        return BootstrapInterval(
            _NAN, _NAN, "no interval: too little data (a limit would be the estimate itself)"
        )
    return BootstrapInterval(float(low), float(high))


def _acceleration(jackknife: Floats, times: Ints) -> float:
    """Return the skewness term from the jackknife values of units that occur `times`."""
    if len(jackknife) != len(times):
        return 0.0
    defined = ~np.isnan(jackknife)
    if not defined.any():
        return 0.0
    weights, values = times[defined], jackknife[defined]
    gap = np.average(values, weights=weights) - values
    spread = float(weights @ gap**2)
    return float(weights @ gap**3) / (6 * spread**1.5) if spread > 0 else 0.0
