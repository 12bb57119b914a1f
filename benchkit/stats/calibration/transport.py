"""Does a correction that was fitted on some methods hold for another one?

People's grades of the other methods are regressed on the judge's. Where the relation is the same
for the method in question, what the line predicts of its labelled answers is right on average; the
mean of people's grades minus prediction is the shift. A judge that favours the method, or that
reads its style differently, shifts it; so does quality itself, as the line of a noisy judge is too
flat for methods that are far better or worse than the others.

That no shift is seen says little where labels are few. Each check therefore has the smallest shift
that it would find with a power of 80 %: where that is more than what matters, the answer is open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from benchkit.stats.arrays import Floats
from benchkit.stats.calibration.answer_group import AnswerGroup
from benchkit.stats.multiple_testing import holm

TransportVerdict = Literal["shifted", "holds", "open"]
_POWER = 0.8
_ROUNDING = 1e-9  # times the range of the grades


@dataclass(frozen=True)
class TransportCheck:
    """One method against the calibration of the others."""

    shift: float
    """Mean of people's grades minus what the others' line predicts."""
    low: float
    high: float
    p: float
    """Of no shift, Holm-adjusted over the methods."""
    detectable: float
    """The smallest shift that is found with 80 % power, before the adjustment."""
    verdict: TransportVerdict
    """shifted: p < .05; holds: none is seen, and one that matters would have been; else open."""
    slope: float
    """Of people's grades on the judge's, among the others."""


def check_transport(
    groups: Sequence[AnswerGroup], matters: float, *, level: float = 0.95
) -> list[TransportCheck | None]:
    """Return a check of each group against all the others; None where it cannot be made.

    Args:
        groups: The methods; three labels or more of each are needed.
        matters: The smallest shift that matters, in grades.
        level: Of the intervals.
    """
    checks = [
        _check(group, [*groups[:i], *groups[i + 1 :]], level) for i, group in enumerate(groups)
    ]
    adjusted = holm([np.nan if check is None else check.p for check in checks])
    return [
        None if check is None else _judge(replace(check, p=float(p)), matters, 1 - level)
        for check, p in zip(checks, adjusted, strict=True)
    ]


def _judge(check: TransportCheck, matters: float, significance: float) -> TransportCheck:
    if check.p < significance:
        return replace(check, verdict="shifted")
    return replace(check, verdict="holds" if check.detectable <= matters else "open")


def _check(
    group: AnswerGroup, others: Sequence[AnswerGroup], level: float
) -> TransportCheck | None:
    labelled = [g for g in others if g.n_labelled_units >= 3]
    if not labelled or group.n_labelled_units < 3:
        return None
    y, f, weights, units = _stack(labelled)
    design = np.column_stack([np.ones(len(f)), f])
    gram = (design * weights[:, None]).T @ design
    if np.linalg.matrix_rank(gram) < 2:
        design, gram = design[:, :1], gram[:1, :1]
    inverse = np.linalg.inv(gram)
    coefficients = inverse @ (design.T @ (weights * y))
    residuals = y - design @ coefficients
    at = group.labelled
    of_method = np.column_stack([np.ones(int(at.sum())), group.judge[at]])[:, : design.shape[1]]
    rest = group.people[at] - of_method @ coefficients
    shift = float(group.shares @ rest)
    size = 1 + max(int(units.max()), int(group.units.max()))
    from_fit = -(weights * residuals) * (design @ (inverse @ (group.shares @ of_method)))
    parts = (
        (np.bincount(units, from_fit, size), len(np.unique(units)), design.shape[1]),
        (np.bincount(group.units[at], group.shares * (rest - shift), size),
         group.n_labelled_units, 1),
    )  # fmt: skip
    total = np.zeros(size)
    uncertain = 0.0
    for influence, n, fitted in parts:
        scaled = influence * np.sqrt(n / max(1, n - fitted))
        total += scaled
        uncertain += float(scaled @ scaled) ** 2 / max(1, n - fitted)
    variance, rounding = float(total @ total), _rounding([group, *labelled])
    shift = 0.0 if abs(shift) < rounding else shift
    if variance <= rounding**2:
        return TransportCheck(shift, shift, shift, float(shift == 0), 0.0, "open",
                              _slope(coefficients))  # fmt: skip
    error, freedom = float(np.sqrt(variance)), max(1.0, variance**2 / uncertain)
    quantile = float(stdtrit(freedom, (1 + level) / 2))
    p = 2 * float(stdtr(freedom, -abs(shift) / error))
    detectable = (quantile + float(stdtrit(freedom, _POWER))) * error
    return TransportCheck(
        shift, shift - quantile * error, shift + quantile * error, p, detectable, "open",
        _slope(coefficients),
    )  # fmt: skip


def _rounding(groups: Sequence[AnswerGroup]) -> float:
    """Return what is no more than rounding beside grades of this range."""
    y, f, _, _ = _stack(groups)
    return _ROUNDING * (float(np.ptp(np.concatenate([y, f]))) or 1.0)


def _slope(coefficients: Floats) -> float:
    return float(coefficients[1]) if len(coefficients) > 1 else 0.0


def _stack(groups: Sequence[AnswerGroup]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the labels of all groups with their weights, which are 1 on average in each."""
    y = np.concatenate([g.people[g.labelled] for g in groups])
    f = np.concatenate([g.judge[g.labelled] for g in groups])
    weights = np.concatenate([g.shares * len(g.shares) for g in groups])
    units = np.concatenate([g.units[g.labelled] for g in groups])
    return y, f, weights, units
