"""Correct a judge's figures by people's labels, and ask whether it could replace people."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from benchkit.report.calibration.judged_answers import JudgedAnswers
from benchkit.stats.arrays import Floats
from benchkit.stats.calibration.alternative_annotator import (
    AlternativeAnnotatorTest,
    compare_with_annotators,
)
from benchkit.stats.calibration.answer_group import (
    AnswerGroup,
    describe_unlike_labels,
    find_refusal,
)
from benchkit.stats.calibration.equal_labels import (
    describe_equal_labels,
    widen_for_equal_labels,
)
from benchkit.stats.calibration.human_ceiling import Ceiling, measure_ceiling
from benchkit.stats.calibration.prediction_powered import (
    CalibratedEstimate,
    Estimate,
    calibrate_contrast,
    calibrate_share,
)
from benchkit.stats.calibration.scale_limits import clip_to_scale
from benchkit.stats.calibration.transport import TransportCheck, check_transport

DEFAULT_EPSILON = 0.15
_MATTERS = 0.1  # of the scale: a smaller shift between methods is of no interest
_MAX_PAIRS = 10


@dataclass(frozen=True)
class MethodShare:
    """How often a method's answers have a grade."""

    grade: float
    judge: float
    """Share by the judge."""
    corrected: Estimate | None
    """None where people gave the grade to no answer, so that nothing is known of its share."""


@dataclass(frozen=True)
class MethodCalibration:
    """One method."""

    method: str
    n_answers: int
    """Answers that went to the judge."""
    n_judged: int
    """Of these, how many it gave a grade."""
    n_labels: int
    """Of the answers, how many people graded."""
    reason: str = ""
    """Why its mean cannot be corrected."""
    caution: str = ""
    """What speaks against the correction."""
    mean: CalibratedEstimate | None = None
    """None with a reason."""
    shares: tuple[MethodShare, ...] = ()
    transport: TransportCheck | None = None
    """Whether the calibration of the other methods holds for it."""


@dataclass(frozen=True)
class MethodDifference:
    """Mean of `first` minus mean of `second`."""

    first: str
    second: str
    estimate: CalibratedEstimate


@dataclass(frozen=True, eq=False)
class CalibrationReport:
    """One judge on one task, by one criterion."""

    answers: JudgedAnswers
    methods: tuple[MethodCalibration, ...]
    overall: CalibratedEstimate | None
    """Mean over the answers of all methods, if each can be corrected."""
    differences: tuple[MethodDifference, ...]
    matters: float
    """The smallest shift between methods that matters."""
    replacement: AlternativeAnnotatorTest
    ceiling: tuple[Ceiling, ...]

    @property
    def has_unlabelled(self) -> bool:
        """Whether there are answers that the judge alone graded."""
        return any(not group.labelled.all() for group in self.answers.groups)

    @property
    def has_means(self) -> bool:
        """Whether means by people are of interest: of all judged answers, or to be corrected."""
        return self.has_unlabelled or not self.answers.of_file


def measure_calibration(
    answers: JudgedAnswers, *, epsilon: float = DEFAULT_EPSILON, seed: int = 0
) -> CalibrationReport:
    """Return means, shares, differences, transport checks, and whether people can be replaced.

    Args:
        answers: What a judge and people graded.
        epsilon: By how much a person has to be better than the judge
            (`stats.calibration.alternative_annotator`).
        seed: Of the bootstrap.
    """
    reasons = [find_refusal(group) for group in answers.groups]
    matters = _MATTERS * _scale_range(answers)
    usable = [not reason for reason in reasons]
    transports = map(
        _forget_degenerate,
        check_transport([g for g, ok in zip(answers.groups, usable, strict=True) if ok], matters),
    )
    methods = []
    first = 0  # label of the method
    for name, group, reason in zip(answers.methods, answers.groups, reasons, strict=True):
        grades = answers.grades[first : first + int(group.labelled.sum())]
        first += len(grades)
        counts = name, len(group.judge), group.n_judged, len(grades)
        if reason:
            methods.append(MethodCalibration(*counts, reason))
            continue
        cautions = describe_unlike_labels(group), describe_equal_labels(group, _limits(answers))
        methods.append(
            MethodCalibration(
                *counts, "", "; ".join(filter(None, cautions)), _contrast(answers, [group], [1.0]),
                _shares(group, grades, answers.categories), next(transports),
            )
        )  # fmt: skip
    return CalibrationReport(
        answers,
        tuple(methods),
        _overall(answers) if all(usable) and len(usable) > 1 else None,
        tuple(_differences(answers, methods)),
        matters,
        compare_with_annotators(
            answers.grades, answers.judge_grades, answers.people,
            epsilon=epsilon, clusters=answers.units,
        ),
        () if answers.categories is None else _ceiling(answers, seed),
    )  # fmt: skip


def _forget_degenerate(check: TransportCheck | None) -> TransportCheck | None:
    """Return what is known of a shift without any variance: its value, and no more.

    So it is where all labels are equal, or on one line, by which a few may be by accident.
    """
    if check is None or check.detectable > 0:
        return check
    nan = float("nan")
    return replace(check, low=nan, high=nan, p=nan, detectable=nan, verdict="open")


def _scale_range(answers: JudgedAnswers) -> float:
    if answers.categories:
        return answers.categories[-1] - answers.categories[0]
    values = np.concatenate([group.judge[group.judged] for group in answers.groups])
    return float(np.ptp(values)) if len(values) else 0.0


def _limits(answers: JudgedAnswers) -> tuple[float, float] | None:
    """Return the lowest and the highest grade of the scale."""
    return (answers.categories[0], answers.categories[-1]) if answers.categories else None


def _contrast(
    answers: JudgedAnswers, groups: Sequence[AnswerGroup], coefficients: Sequence[float]
) -> CalibratedEstimate:
    estimate, limits = calibrate_contrast(groups, coefficients), _limits(answers)
    estimate = widen_for_equal_labels(estimate, groups, coefficients, limits)
    return clip_to_scale(estimate, groups, coefficients, limits) if limits else estimate


def _overall(answers: JudgedAnswers) -> CalibratedEstimate:
    sizes = [len(group.judge) + len(group.certain) for group in answers.groups]
    return _contrast(answers, answers.groups, [size / sum(sizes) for size in sizes])


def _shares(
    group: AnswerGroup, grades: Floats, categories: Sequence[float] | None
) -> tuple[MethodShare, ...]:
    """Return the shares of a method; grades: [labels, people] its labels."""
    shares = []
    n_people = (~np.isnan(grades)).sum(axis=1)
    for grade in categories or ():
        label_shares = (np.floor(grades + 0.5) == grade).sum(axis=1) / n_people
        indicator = group.indicate(grade, label_shares)
        by_judge = np.concatenate([indicator.judge, indicator.certain]).mean()
        estimate = None
        if 0 < label_shares.mean() < 1:
            estimate = calibrate_share(indicator).corrected
        shares.append(MethodShare(grade, float(by_judge), estimate))
    return tuple(shares)


def _differences(
    answers: JudgedAnswers, methods: Sequence[MethodCalibration]
) -> list[MethodDifference]:
    """Return all pairs of corrected methods, or with many those with the best."""
    groups = dict(zip(answers.methods, answers.groups, strict=True))
    means = {m.method: m.mean.corrected.value for m in methods if m.mean is not None}
    order = sorted(means, key=lambda name: -means[name])
    pairs = list(combinations(order, 2))
    if len(pairs) > _MAX_PAIRS:
        pairs = [(order[0], name) for name in order[1:]]
    return [
        MethodDifference(a, b, _contrast(answers, [groups[a], groups[b]], [1.0, -1.0]))
        for a, b in pairs
    ]


def _ceiling(answers: JudgedAnswers, seed: int) -> tuple[Ceiling, ...]:
    return measure_ceiling(
        answers.grades, answers.judge_grades, answers.categories or (), answers.units,
        answers.weights, seed=seed,
    )  # fmt: skip
