"""Statistics of preference training: smoothed margins, and weights against score gaps."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchkit.report.training.training_trace import FloatArray, TrainingTrace, column_nan_means

Phase = Literal["start", "end"]
PHASES: tuple[Phase, ...] = ("start", "end")
_SHARE = 0.2  # of the steps: how much the start and the end of training are
_WINDOW = 0.05  # of the steps: how many a smoothed value is the mean of
SATURATION_BOUNDS = (0.01, 0.99)  # a weight below the first or above the second is saturated


@dataclass(frozen=True)
class WeightBin:
    """The weights of pairs with low <= score gap < high; its statistics are None without pairs."""

    phase: Phase
    low: float
    high: float
    count: int
    mean: float | None = None
    q25: float | None = None
    median: float | None = None
    q75: float | None = None


@dataclass(frozen=True)
class WeightGapCorrelation:
    """Correlation of score gap and weight over n pairs; None where one of them is constant."""

    phase: Phase
    n: int
    pearson: float | None
    spearman: float | None


def smooth(values: FloatArray) -> FloatArray:
    """Return [n, k] centred means over a twentieth of the steps, fewer at the ends, without NaN."""
    reach = int(len(values) * _WINDOW) // 2
    rows = [values[max(0, i - reach) : i + reach + 1] for i in range(len(values))]
    return np.array([column_nan_means(row) for row in rows])


def phase_pairs(trace: TrainingTrace, phase: Phase) -> FloatArray:
    """Return [m, 2] score gap and weight of all pairs in the first or last fifth of the steps."""
    return np.concatenate(
        [trace.pairs[i] for i in range(len(trace.step))[phase_steps(trace, phase)]]
    )


def phase_steps(trace: TrainingTrace, phase: Phase) -> slice:
    """Return the first or the last fifth of the steps, at least one."""
    n = len(trace.step)
    size = max(1, round(_SHARE * n))
    return slice(0, size) if phase == "start" else slice(n - size, n)


def saturated_shares(trace: TrainingTrace) -> FloatArray:
    """Return [n] the share of each step's weights that are saturated; NaN where it has none."""
    low, high = SATURATION_BOUNDS
    weights = [pairs[:, 1] for pairs in trace.pairs]
    return np.array([np.mean((w < low) | (w > high)) if len(w) else np.nan for w in weights])


def weight_bins(trace: TrainingTrace) -> tuple[WeightBin, ...]:
    """Bin weights by score gap, in bins one wide around the whole numbers; none without weights.

    Both phases have the same bins, from the smallest gap to the largest.
    """
    pairs = {phase: phase_pairs(trace, phase) for phase in PHASES}
    centres = {phase: np.floor(of_phase[:, 0] + 0.5) for phase, of_phase in pairs.items()}
    every = np.concatenate(list(centres.values()))
    if not len(every):
        return ()
    bins = []
    for phase in PHASES:
        for centre in range(int(every.min()), int(every.max()) + 1):
            inside = pairs[phase][centres[phase] == centre, 1]
            edges = (phase, centre - 0.5, centre + 0.5, len(inside))
            if len(inside):
                q25, median, q75 = map(float, np.quantile(inside, (0.25, 0.5, 0.75)))
                bins.append(WeightBin(*edges, float(inside.mean()), q25, median, q75))
            else:
                bins.append(WeightBin(*edges))
    return tuple(bins)


def weight_gap_correlations(trace: TrainingTrace) -> tuple[WeightGapCorrelation, ...]:
    """Correlate score gap and weight at the start and at the end; none without weights."""
    from scipy import stats

    result = []
    for phase in PHASES if trace.weighted else ():
        gap, weight = phase_pairs(trace, phase).T
        if len(gap) < 2 or np.ptp(gap) == 0 or np.ptp(weight) == 0:
            result.append(WeightGapCorrelation(phase, len(gap), None, None))
            continue
        pearson = float(stats.pearsonr(gap, weight).statistic)
        spearman = float(stats.spearmanr(gap, weight).statistic)
        result.append(WeightGapCorrelation(phase, len(gap), pearson, spearman))
    return tuple(result)
