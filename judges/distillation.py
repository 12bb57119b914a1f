"""What a judge's grades say of the features of rationales: models, and how well they agree."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchkit import io, seeds
from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError, DataError
from benchkit.files.checksums import pop_checksum, sign_record
from benchkit.judging.rubric import Criterion, Rubric
from benchkit.stats.arrays import Floats, Ints
from judges.features import FEATURES
from judges.ordinal_regression import (
    OrdinalModel,
    expected_grades,
    feature_matrix,
    fit_ordinal_model,
)

_MIN_LABELS = 20


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CrossValidationReport(_Model):
    """Agreement with the labels in cross-validation; None where undefined."""

    labels: int
    """Number of labels."""
    users: int
    """Number of users; the labels of a user are held out together."""
    folds: int
    kappa: float | None
    """Kappa with quadratic weights; its 95 % interval is over users."""
    kappa_low: float | None
    kappa_high: float | None
    spearman: float | None
    spearman_low: float | None
    spearman_high: float | None
    exact: float
    """Share of equal grades."""
    majority: float
    """The same for always giving the most frequent label."""
    mae: float
    """Mean absolute error, in grades."""
    confusion: tuple[tuple[int, ...], ...]
    """Rows are labels, columns predictions, by ascending grade."""


class DistilledModel(_Model):
    """What was distilled: a model and a report for each criterion."""

    version: Literal[2] = 2  # in the first, cases of one user were not held out together
    rubric: str
    rubric_hash: str
    source: str
    """Whose grades they were, in words."""
    penalty: float
    seed: int
    models: dict[str, OrdinalModel]
    reports: dict[str, CrossValidationReport]
    left_out: tuple[str, ...] = ()
    """Features that were the same in all labels, and so say nothing."""
    users: tuple[str, ...]
    """Users whose rationales were labelled."""
    items: str = ""
    """Hash of the catalogue that they are of, "" if unknown."""

    def caveat(self, criterion: str) -> str:
        """Return one line for a table's footnote."""
        report = self.reports[criterion]
        return (
            f"distilled from {self.source}, QWK {_format(report.kappa)}"
            f" [{_format(report.kappa_low)}, {_format(report.kappa_high)}]"
            f" over {report.labels} labels in cross-validation, users held out"
        )

    def to_markdown(self) -> str:
        """Return agreement, confusion and coefficients, in Markdown."""
        parts = [self._criterion_markdown(name) for name in self.reports]
        if self.left_out:
            parts.append(f"The same in all labels, and left out: {', '.join(self.left_out)}.")
        return "\n\n".join(parts) + "\n"

    def _criterion_markdown(self, name: str) -> str:
        model, report = self.models[name], self.reports[name]
        lines = [
            f"**{name}**: {self.caveat(name)}",
            "",
            f"Spearman {_format(report.spearman)} [{_format(report.spearman_low)},"
            f" {_format(report.spearman_high)}], mean absolute error {report.mae:.2f}, equal"
            f" {report.exact:.0%} (the most frequent grade alone: {report.majority:.0%});"
            f" {report.labels} labels of {report.users} users in {report.folds} folds.",
            "",
        ]
        grades = " | ".join(map(str, range(len(report.confusion))))
        lines.append(f"| label \\ predicted, from the lowest grade | {grades} |")
        lines.append(f"| --- |{' --: |' * len(report.confusion)}")
        for level, row in enumerate(report.confusion):
            lines.append(f"| {level} | {' | '.join(map(str, row))} |")
        lines += ["", "| feature | coefficient | |", "| --- | --: | --- |"]
        order = np.argsort(-np.abs(model.coefficients), kind="stable")
        for i in order.tolist():
            feature = model.features[i]
            lines.append(f"| {feature} | {model.coefficients[i]:+.2f} | {FEATURES[feature]} |")
        return "\n".join(lines)


def fit_distilled_model(
    features: Sequence[Mapping[str, float]],
    grades: Mapping[str, Sequence[float]],
    users: Sequence[str],
    rubric: Rubric,
    names: Sequence[str],
    *,
    source: str,
    items: str = "",
    folds: int = 5,
    penalty: float = 1.0,
    seed: int = 0,
) -> DistilledModel:
    """Fit each criterion of a rubric to the labels that there are of it.

    Args:
        features: [n] features of each labelled input.
        grades: Criterion -> [n] grades, NaN where there is none; one between two whole grades is
            rounded, half up.
        users: [n] whose rationale it is; all of one user are held out together in cross-validation.
        rubric: The rubric of the grades.
        names: The features to use.
        source: Whose grades they are, in words.
        items: Hash of the catalogue.
        folds: Folds of the cross-validation.
        penalty: Precision of the coefficients' prior.
        seed: Seed of the folds.

    Raises:
        DataError: Where labels are too few, all alike, or outside the rubric, where no feature
            differs in them, and, without a penalty, where a feature separates the grades.
    """
    missing = [criterion.name for criterion in rubric.criteria if criterion.name not in grades]
    if missing:
        raise DataError(
            f"the labels have no grades of {', '.join(missing)}",
            f"label every criterion of the rubric {rubric.name}, or choose its rubric",
        )
    models, reports, left_out = {}, {}, set()
    for criterion in rubric.criteria:
        labels = np.asarray(grades[criterion.name], dtype=np.float64)
        labelled = np.flatnonzero(~np.isnan(labels))
        y = _round_grades(labels[labelled], criterion)
        x = feature_matrix(features, names)[labelled]
        groups = np.unique(np.asarray(users)[labelled], return_inverse=True)[1]
        _check_enough_labels(y, groups, criterion.name, folds)
        models[criterion.name] = fit_ordinal_model(x, y, names, penalty)
        left_out |= set(names) - set(models[criterion.name].features)
        predicted = _cross_validate(x, y, groups, names, criterion, folds, penalty, seed)
        reports[criterion.name] = _report(y, predicted, groups, criterion, folds, seed)
    return DistilledModel(
        rubric=rubric.name,
        rubric_hash=rubric.hash,
        source=source,
        penalty=penalty,
        seed=seed,
        models=models,
        reports=reports,
        left_out=tuple(sorted(left_out)),
        users=tuple(sorted(set(users))),
        items=items,
    )


def save_distilled_model(distilled: DistilledModel, path: Path) -> None:
    """Write a model as JSON. Raises StoreError where that fails."""
    io.write_json(path, sign_record(distilled.model_dump(mode="json")))


def load_distilled_model(path: Path) -> DistilledModel:
    """Read a saved model. Raises ConfigError where it cannot be read, or is something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}", "give the file of a distilled judge") from None
    hint = "fit and save the judge again"
    if isinstance(values, dict) and not pop_checksum(values)[1]:
        raise ConfigError(f"{path}: damaged: its content is not what was written", hint)
    return validate_model(DistilledModel, values, str(path), hint=hint)


def _cross_validate(
    x: Floats,
    y: Ints,
    groups: Ints,
    names: Sequence[str],
    criterion: Criterion,
    folds: int,
    penalty: float,
    seed: int,
) -> Ints:
    """Return [n] grades predicted by models that saw nothing of a label's user."""
    order = seeds.generator("distilled-folds", criterion.name, seed).permutation(groups.max() + 1)
    fold = order[groups] % folds
    predicted = np.empty_like(y)
    for number in range(folds):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(np.unique(y[inside])) == 1:
            predicted[outside] = y[inside[0]]
            continue
        model = fit_ordinal_model(x[inside], y[inside], names, penalty)
        columns = [names.index(name) for name in model.features]
        probabilities = model.predict_proba(x[outside][:, columns])
        predicted[outside] = expected_grades(probabilities, model.levels)
    return predicted


def _report(
    y: Ints, predicted: Ints, groups: Ints, criterion: Criterion, folds: int, seed: int
) -> CrossValidationReport:
    from benchkit.stats.agreement.two_raters import pair_agreement

    scale = list(criterion.grades)
    agreement = pair_agreement(y, predicted, scale, groups, permutations=1, seed=seed)
    kappa, spearman = agreement.estimates["kappa"], agreement.estimates["spearman"]
    confusion = np.zeros((len(scale), len(scale)), dtype=int)
    np.add.at(confusion, (y - criterion.low, predicted - criterion.low), 1)
    return CrossValidationReport(
        labels=len(y),
        users=int(groups.max()) + 1,
        folds=folds,
        kappa=_none_if_nan(kappa.value),
        kappa_low=_none_if_nan(kappa.low),
        kappa_high=_none_if_nan(kappa.high),
        spearman=_none_if_nan(spearman.value),
        spearman_low=_none_if_nan(spearman.low),
        spearman_high=_none_if_nan(spearman.high),
        exact=float((y == predicted).mean()),
        majority=float(confusion.sum(axis=1).max() / len(y)),
        mae=float(np.abs(y - predicted).mean()),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def _round_grades(grades: Floats, criterion: Criterion) -> Ints:
    whole = np.floor(grades + 0.5).astype(np.int64)
    wrong = (whole < criterion.low) | (whole > criterion.high)
    if wrong.any():
        raise DataError(
            f"{criterion.name} {grades[wrong][0]:g} is outside {criterion.low}..{criterion.high}",
            "choose the rubric by which the labels were given",
        )
    return whole


def _check_enough_labels(y: Ints, groups: Ints, name: str, folds: int) -> None:
    users = groups.max(initial=-1) + 1
    if len(y) < _MIN_LABELS or users < folds:
        raise DataError(
            f"{len(y)} labels of {users} users for {name} are too few to learn from",
            f"give {_MIN_LABELS} labels or more, of at least as many users as folds ({folds})",
        )
    if len(np.unique(y)) == 1:
        raise DataError(
            f"all {len(y)} labels of {name} are {y[0]}: there is nothing to learn",
            "label rationales of different quality",
        )


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _format(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
