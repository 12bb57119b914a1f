"""Means that a judge gives, corrected by labels of people: prediction-powered inference.

The judge graded all N answers of a method, people n of them, drawn at random. The mean of people's
grades is right and imprecise; the judge's mean is precise and wrong by an unknown bias. The
corrected mean

    mean of people's grades - lambda (judge's mean of the labelled - judge's mean of all)

is right whatever the judge does, and the better the judge, the more precise. lambda is tuned
(Angelopoulos, Duchi and Zrnic 2023, "PPI++"): at its best it is the slope of people's grades on
the judge's, so that this is the regression estimator of survey sampling; it is 0 for a useless
judge. Methods have lambdas of their own (Fisch et al. 2024, "Stratified PPI").

All estimates are sums of influences, one number for each answer, whose sums over the units (users)
give the variance of any linear combination of methods, also where users have answers of several.

Small samples: residuals are scaled up for the fitted mean and slope, the quantile is Student's t
with Satterthwaite's degrees of freedom, and where the interval of the labels alone is narrower it
is reported instead (lambda = 0), so that a bad judge never costs anything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtrit

from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.calibration.answer_group import AnswerGroup


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and interval."""

    value: float
    error: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class CalibratedEstimate:
    """A mean, or a combination of means, three ways."""

    corrected: Estimate
    labels_alone: Estimate
    """From people's grades alone."""
    judge_alone: Estimate
    """From the judge's grades alone; its interval knows nothing of the judge's bias."""
    tuning: tuple[float, ...]
    """Lambda of each group, as a multiple of (labelled - all); 0 where the judge is of no use."""
    n_labels: int
    effective_labels: float
    """How many labels alone would be as precise."""


@dataclass(frozen=True, eq=False)
class _Terms:
    """Influences of one group, times its coefficient."""

    group: AnswerGroup
    people: float
    """Coefficient x mean of people's grades, and of what is certain."""
    gap: float
    """Coefficient x (judge's mean of the labelled - of all)."""
    judge: float
    people_influence: Floats
    """[n + m] of `people`."""
    gap_influence: Floats
    """[n + m] of `gap`."""
    labelled_gap: Floats
    """[n + m] of the labelled part of `gap` alone."""
    judge_influence: Floats
    labelled: Floats
    """[n + m] 1 where labelled."""
    units: Ints


def calibrate_mean(
    group: AnswerGroup, *, level: float = 0.95, textbook: bool = False
) -> CalibratedEstimate:
    """Return the corrected mean of a group.

    textbook: As the library ppi_py: its estimate of lambda, cut to [0, 1], no corrections for small
        samples, and the normal quantile. For groups of equal weights without shared units.
    """
    if not textbook:
        return calibrate_contrast([group], [1.0], level=level)
    term = _terms(group, 1.0)
    slope = _textbook_slope(group)
    quantile = float(ndtri((1 + level) / 2))
    corrected, alone = (
        _interval(term.people - value * term.gap, _sum_squares([term], [value]), quantile)
        for value in (slope, 0.0)
    )
    return _collect([term], [slope], corrected, alone, quantile)


def calibrate_contrast(
    groups: Sequence[AnswerGroup], coefficients: Sequence[float], *, level: float = 0.95
) -> CalibratedEstimate:
    """Return the corrected sum of coefficients x means, such as a difference of two methods.

    Slopes are fitted to the combination, so that a difference profits from users whose answers of
    both methods were labelled.
    """
    terms = [_terms(g, c) for g, c in zip(groups, coefficients, strict=True)]
    slopes = _fit_slopes(terms)
    none = [0.0] * len(terms)
    tail = (1 + level) / 2
    corrected, alone = (_small_sample(terms, values, tail) for values in (slopes, none))
    if not corrected.half_width < alone.half_width:
        corrected, slopes = alone, none
    return _collect(terms, slopes, corrected, alone, float(ndtri(tail)))


def calibrate_share(group: AnswerGroup, *, level: float = 0.95) -> CalibratedEstimate:
    """Return the corrected mean of a group of indicators, with intervals for shares.

    Of a grade that fewer than ten labels have, intervals cover 91 to 97 % instead of 95
    (leaderboards/benchmarks/calibration.json): what the judge explains of so few is not known well.
    """
    estimate = calibrate_mean(group, level=level)
    corrected, alone = map(share_interval, (estimate.corrected, estimate.labels_alone))
    if corrected.half_width > alone.half_width:
        return replace(
            estimate, corrected=alone, labels_alone=alone, tuning=(0.0,),
            effective_labels=float(estimate.n_labels),
        )  # fmt: skip
    return replace(estimate, corrected=corrected, labels_alone=alone)


def share_interval(estimate: Estimate) -> Estimate:
    """Return the estimate of a share with Wilson's interval for as many answers as its error says.

    Near 0 and 1 the symmetric interval covers too little. A value beyond, which a correction can
    lead to, is cut off.
    """
    value = min(1.0, max(0.0, estimate.value))
    variance = value * (1 - value)
    if variance == 0:
        return replace(
            estimate, value=value, low=max(0.0, estimate.low), high=min(1.0, estimate.high)
        )
    ratio = estimate.half_width**2 / variance  # squared quantile / effective number
    centre = (value + ratio / 2) / (1 + ratio)
    half = math.sqrt(ratio * variance + ratio**2 / 4) / (1 + ratio)
    return replace(estimate, value=value, low=max(0.0, centre - half), high=min(1.0, centre + half))


def _terms(group: AnswerGroup, coefficient: float) -> _Terms:
    labelled, shares = group.labelled, group.shares
    n, n_certain = len(labelled), len(group.certain)
    y, f = group.people[labelled], group.judge
    mean, mean_labelled, mean_all = float(shares @ y), float(shares @ f[labelled]), float(f.mean())
    people = np.zeros(n + n_certain)
    people[:n][labelled] = shares * (y - mean)
    gap = np.zeros(n + n_certain)
    gap[:n][labelled] = shares * (f[labelled] - mean_labelled)
    labelled_gap = gap.copy()
    if group.equally_weighted:
        # Labelled and other answers are two independent samples, each around its own mean.
        gap[:n][labelled] -= (f[labelled] - mean_labelled) / n
        if not labelled.all():
            gap[:n][~labelled] = -(f[~labelled] - f[~labelled].mean()) / n
    else:
        gap[:n] -= (f - mean_all) / n
    judge = np.zeros(n + n_certain)
    judge[:n][group.judged] = (f - mean_all)[group.judged] / max(1, group.n_judged)
    total, mean_judge = mean, mean_all
    scale = coefficient * n / (n + n_certain)
    if n_certain:
        share = n / (n + n_certain)
        rest = float(group.certain.sum()) / (n + n_certain)
        total, mean_judge = share * mean + rest, share * mean_all + rest
        for influence, part, whole in ((people, mean, total), (judge, mean_all, mean_judge)):
            influence[:n] += (part - whole) / n
            influence[n:] = (group.certain - whole) / n
    return _Terms(
        group,
        coefficient * total,
        scale * (mean_labelled - mean_all),
        coefficient * mean_judge,
        scale * people,
        scale * gap,
        scale * labelled_gap,
        scale * judge,
        np.concatenate([labelled, np.zeros(n_certain)]),
        np.concatenate([group.units, group.certain_units]),
    )


def _textbook_slope(group: AnswerGroup) -> float:
    """Return ppi_py's lambda, as a multiple of (labelled - all) instead of (labelled - others)."""
    labelled = group.labelled
    n, n_others = int(labelled.sum()), int((~labelled).sum())
    y, f = group.people[labelled], group.judge[labelled]
    covariance = float(np.mean((y - y.mean()) * (f - f.mean())))
    variance = float(np.var(group.judge, ddof=1))
    if not n_others or not variance:
        return 0.0
    tuned = min(1.0, max(0.0, covariance / ((1 + n / n_others) * variance)))
    return tuned * (n + n_others) / n_others


def _fit_slopes(terms: Sequence[_Terms]) -> list[float]:
    """Return the slopes that make the labelled units' residuals smallest."""
    size = 1 + max(int(term.units.max()) for term in terms)
    target = np.zeros(size)
    columns = []
    for term in terms:
        at_labels = np.where(term.labelled > 0, term.people_influence, 0.0)
        target += np.bincount(term.units, at_labels, size)
        columns.append(np.bincount(term.units, term.labelled_gap, size))
    if len(columns) == 1:
        square = float(columns[0] @ columns[0])
        return [float(columns[0] @ target) / square if square > 0 else 0.0]
    slopes = np.linalg.lstsq(np.column_stack(columns), target, rcond=None)[0]
    return [float(slope) for slope in slopes]


def _sum_squares(terms: Sequence[_Terms], slopes: Sequence[float]) -> float:
    """Return the sum of squares of the units' influences."""
    size = 1 + max(int(term.units.max()) for term in terms)
    total = np.zeros(size)
    for term, slope in zip(terms, slopes, strict=True):
        total += np.bincount(term.units, term.people_influence - slope * term.gap_influence, size)
    return float(total @ total)


def _small_sample(terms: Sequence[_Terms], slopes: Sequence[float], tail: float) -> Estimate:
    size = 1 + max(int(term.units.max()) for term in terms)
    total = np.zeros(size)
    squares, freedoms = [], []
    for term, slope in zip(terms, slopes, strict=True):
        influence = term.people_influence - slope * term.gap_influence
        fitted = 1 + (slope != 0)
        n_units = term.group.n_labelled_units
        at_labels = term.labelled > 0
        influence[at_labels] *= np.sqrt(n_units / max(1, n_units - fitted))
        total += np.bincount(term.units, influence, size)
        part = np.bincount(term.units[at_labels], influence[at_labels], size)
        squares.append(float(part @ part))
        kish = 1 / float(np.sum(term.group.shares**2))
        freedoms.append(max(1.0, min(kish, n_units) - fitted))
    variance = float(total @ total)
    uncertain = sum(s**2 / f for s, f in zip(squares, freedoms, strict=True))
    freedom = max(min(freedoms), variance**2 / uncertain) if uncertain > 0 else np.inf
    quantile = float(stdtrit(freedom, tail)) if np.isfinite(freedom) else float(ndtri(tail))
    value = sum(t.people - s * t.gap for t, s in zip(terms, slopes, strict=True))
    return _interval(value, variance, quantile)


def _interval(value: float, variance: float, quantile: float) -> Estimate:
    error = float(np.sqrt(variance))
    return Estimate(float(value), error, float(value - quantile * error),
                    float(value + quantile * error))  # fmt: skip


def _collect(
    terms: Sequence[_Terms],
    slopes: Sequence[float],
    corrected: Estimate,
    alone: Estimate,
    quantile: float,
) -> CalibratedEstimate:
    size = 1 + max(int(term.units.max()) for term in terms)
    total = np.zeros(size)
    for term in terms:
        total += np.bincount(term.units, term.judge_influence, size)
    judge = _interval(sum(term.judge for term in terms), float(total @ total), quantile)
    n = sum(int(term.labelled.sum()) for term in terms)
    gain = np.inf if alone.error > 0 else 1.0
    if corrected.error > 0:
        gain = (alone.error / corrected.error) ** 2
    most = sum(len(term.group.judge) for term in terms)
    return CalibratedEstimate(
        corrected, alone, judge, tuple(slopes), n, min(float(n * gain), float(most))
    )
