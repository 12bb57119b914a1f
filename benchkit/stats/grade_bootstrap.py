"""Bootstrap intervals over items of statistics that are functions of counts."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from benchkit import seeds
from benchkit.stats.agreement.contingency import Floats, Ints, Statistic
from benchkit.stats.bootstrap import RESAMPLES

_AT_ONCE = 2_000_000  # counts held at once
_UNDEFINED = 0.05  # with a larger share of undefined resamples there is no interval


class BootstrapInterval(NamedTuple):
    """Limits; NaN where there is none, and why."""

    low: float
    high: float
    reason: str = ""


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
    """Bias-corrected and accelerated (BCa) bootstrap intervals (Efron 1987) of each statistic.

    cell: [n] the cell of each item. cluster: [n] items drawn together, numbered from 0; by default
    each item alone. weight: [n] what an item that is drawn adds to its cell; by default 1.
    A resample is a multinomial draw of how often each distinct item (or cluster) comes: the same
    law as drawing items, without ever drawing one. All statistics see the same resamples.
    Deterministic for a seed. A resample that leaves a statistic undefined is left out; if more than
    5 % do, the statistic has no interval.
    """
    kinds, times = _kinds(cell, cluster, weight)
    total = kinds.total(times)[None, :]
    rng = seeds.generator("grade-bootstrap", seed, len(cell))
    drawn = _evaluate(statistics, kinds.resampled(rng, times, resamples))
    left_out = _evaluate(statistics, kinds.left_out(times))
    return {
        name: _bca(float(s(total)[0]), drawn[name], left_out[name], times, level)
        for name, s in statistics.items()
    }


class _Kinds:
    """Distinct items or clusters; `patterns` [kinds, cells], or None where a kind is a cell."""

    def __init__(self, patterns: Floats | None, width: int) -> None:
        self._patterns = patterns
        self._step = max(1, _AT_ONCE // max(1, width))

    def total(self, times: Ints) -> Floats:
        if self._patterns is None:
            return times.astype(np.float64)
        total: Floats = times @ self._patterns
        return total

    def resampled(self, rng: np.random.Generator, times: Ints, size: int) -> Iterator[Floats]:
        n = int(times.sum())
        for start in range(0, size, self._step):
            step = min(self._step, size - start)
            counts = rng.multinomial(n, times / n, size=step).astype(np.float64)
            yield counts if self._patterns is None else counts @ self._patterns

    def left_out(self, times: Ints) -> Iterator[Floats]:
        """All data without one item of each kind in turn."""
        total = self.total(times)
        for start in range(0, len(times), self._step):
            stop = min(start + self._step, len(times))
            if self._patterns is None:
                rest = np.tile(total, (stop - start, 1))
                rest[np.arange(stop - start), np.arange(start, stop)] -= 1
                yield rest
            else:
                yield total - self._patterns[start:stop]


def _kinds(cell: Ints, cluster: Ints | None, weight: Floats | None) -> tuple[_Kinds, Ints]:
    """The kinds, and how often each comes."""
    cells = int(cell.max()) + 1
    if cluster is None and weight is None:
        return _Kinds(None, cells), np.bincount(cell, minlength=cells)
    if cluster is None:
        cluster = np.arange(len(cell))
    each = np.zeros((int(cluster.max()) + 1, cells))
    np.add.at(each, (cluster, cell), 1 if weight is None else weight)
    patterns, times = np.unique(each, axis=0, return_counts=True)
    return _Kinds(patterns, cells), times


def _evaluate(statistics: Mapping[str, Statistic], parts: Iterator[Floats]) -> dict[str, Floats]:
    values: dict[str, list[Floats]] = {name: [] for name in statistics}
    for counts in parts:
        counts = counts[counts.sum(axis=1) > 0]
        for name, statistic in statistics.items():
            values[name].append(statistic(counts))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def _bca(
    value: float, drawn: Floats, left_out: Floats, times: Ints, level: float
) -> BootstrapInterval:
    from scipy.special import ndtr, ndtri

    nothing = (float("nan"), float("nan"))
    if np.isnan(value):
        return BootstrapInterval(*nothing)
    there = drawn[~np.isnan(drawn)]
    if len(there) < (1 - _UNDEFINED) * len(drawn):
        share = 1 - len(there) / len(drawn)
        return BootstrapInterval(
            *nothing, f"no interval: undefined in {share:.0%} of the resamples"
        )
    # Equal values differ by rounding, which must not decide on which side of `value` they are.
    near = 1e-10 * max(1.0, abs(value))
    if np.ptp(there) <= near:
        return BootstrapInterval(*nothing, "no interval: all resamples give the same value")
    below = (there < value - near).mean() + (np.abs(there - value) <= near).mean() / 2
    edge = 0.5 / len(there)
    bias = ndtri(np.clip(below, edge, 1 - edge))
    tails = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    shifted = bias + tails
    places = ndtr(bias + shifted / (1 - _acceleration(left_out, times) * shifted))
    low, high = np.quantile(there, places)
    return BootstrapInterval(float(low), float(high))


def _acceleration(left_out: Floats, times: Ints) -> float:
    """From the jackknife values without each kind of item, `times` of which there are."""
    if len(left_out) != len(times):
        return 0.0
    there = ~np.isnan(left_out)
    if not there.any():
        return 0.0
    w, values = times[there], left_out[there]
    gap = np.average(values, weights=w) - values
    spread = float(w @ gap**2)
    return float(w @ gap**3) / (6 * spread**1.5) if spread > 0 else 0.0
