"""What a judge's grades say of the features of rationales: models, and how well they agree."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchkit import io, seeds
from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError, DataError
from benchkit.judging.rubric import Criterion, Rubric
from benchkit.stats.arrays import Floats, Ints
from judges.features import FEATURES
from judges.ordinal_regression import (
    OrdinalModel,
    expected_grades,
    feature_matrix,
    fit_ordinal_model,
)

_FEWEST = 20


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CrossValidationReport(_Model):
    """Agreement with the labels in cross-validation; None where undefined.

    labels: how many; users: of how many users, whose labels are held out together. kappa
    (quadratic weights) and spearman with 95 % intervals over users. exact: share of equal grades;
    majority: the same for always giving the most frequent label. mae: mean absolute error, in
    grades. confusion: rows are labels, columns predictions, by ascending grade.
    """

    labels: int
    users: int
    folds: int
    kappa: float | None
    kappa_low: float | None
    kappa_high: float | None
    spearman: float | None
    spearman_low: float | None
    spearman_high: float | None
    exact: float
    majority: float
    mae: float
    confusion: tuple[tuple[int, ...], ...]


class DistilledModel(_Model):
    """What was distilled: a model and a report a criterion. left_out: features that were the same
    in all labels, and so say nothing. source: whose grades they were, in words. users: whose
    rationales were labelled; items: hash of the catalogue that they are of, "" if not known."""

    version: Literal[2] = 2  # in the first, cases of one user were not held out together
    rubric: str
    rubric_hash: str
    source: str
    penalty: float
    seed: int
    models: dict[str, OrdinalModel]
    reports: dict[str, CrossValidationReport]
    left_out: tuple[str, ...] = ()
    users: tuple[str, ...]
    items: str = ""

    def caveat(self, criterion: str) -> str:
        """One line for a table's footnote."""
        found = self.reports[criterion]
        return (
            f"distilled from {self.source}, QWK {_format_or_undefined(found.kappa)}"
            f" [{_format_or_undefined(found.kappa_low)}, {_format_or_undefined(found.kappa_high)}]"
            f" over {found.labels} labels in cross-validation, users held out"
        )

    def to_markdown(self) -> str:
        """Agreement, confusion and coefficients, in Markdown."""
        parts = []
        for name, found in self.reports.items():
            model = self.models[name]
            lines = [f"**{name}**: {self.caveat(name)}", ""]
            lines.append(
                f"Spearman {_format_or_undefined(found.spearman)} [{_format_or_undefined(found.spearman_low)},"
                f" {_format_or_undefined(found.spearman_high)}], mean absolute error {found.mae:.2f}, equal"
                f" {found.exact:.0%} (the most frequent grade alone: {found.majority:.0%});"
                f" {found.labels} labels of {found.users} users in {found.folds} folds."
            )
            grades = " | ".join(map(str, range(len(found.confusion))))
            lines += ["", f"| label \\ predicted, from the lowest grade | {grades} |"]
            lines.append(f"| --- |{' --: |' * len(found.confusion)}")
            for place, row in enumerate(found.confusion):
                lines.append(f"| {place} | {' | '.join(map(str, row))} |")
            lines += ["", "| feature | coefficient | |", "| --- | --: | --- |"]
            order = np.argsort(-np.abs(model.coefficients), kind="stable")
            for place in order.tolist():
                feature = model.features[place]
                value = f"{model.coefficients[place]:+.2f}"
                lines.append(f"| {feature} | {value} | {FEATURES[feature]} |")
            parts.append("\n".join(lines))
        if self.left_out:
            parts.append(f"The same in all labels, and left out: {', '.join(self.left_out)}.")
        return "\n\n".join(parts) + "\n"


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

    features: of each labelled exhibit. grades: by criterion, [n], NaN where there is none; one
    between two whole grades is rounded, half up. users: [n] whose rationale it is; all of one user
    are held out together in cross-validation. names: of the features to use. items: hash of the
    catalogue.

    Raises DataError where labels are too few, all alike, or outside the rubric, where no feature
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
        given = np.asarray(grades[criterion.name], dtype=np.float64)
        there = np.flatnonzero(~np.isnan(given))
        y = _whole(given[there], criterion)
        x = feature_matrix(features, names)[there]
        groups = np.unique(np.asarray(users)[there], return_inverse=True)[1]
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
    """Write it as JSON. Raises StoreError where that fails."""
    io.write_json(path, distilled.model_dump(mode="json"))


def load_distilled_model(path: Path) -> DistilledModel:
    """What `save_distilled_model` wrote. Raises ConfigError where it cannot be read, or is something else."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "give the file of a distilled judge") from None
    return validate_model(DistilledModel, text, str(path), hint="fit and save the judge again")


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
    """[n] grades predicted by models that saw nothing of a label's user."""
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
        shares = model.predict_proba(x[outside][:, columns])
        predicted[outside] = expected_grades(shares, model.levels)
    return predicted


def _report(
    y: Ints, predicted: Ints, groups: Ints, criterion: Criterion, folds: int, seed: int
) -> CrossValidationReport:
    from benchkit.stats.agreement.two_raters import pair_agreement

    scale = list(criterion.grades)
    found = pair_agreement(y, predicted, scale, groups, permutations=1, seed=seed)
    kappa, spearman = found.estimates["kappa"], found.estimates["spearman"]
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


def _whole(grades: Floats, criterion: Criterion) -> Ints:
    whole = np.floor(grades + 0.5).astype(np.int64)
    wrong = (whole < criterion.low) | (whole > criterion.high)
    if wrong.any():
        raise DataError(
            f"{criterion.name} {grades[wrong][0]:g} is outside {criterion.low}..{criterion.high}",
            "choose the rubric by which the labels were given",
        )
    return whole


def _check_enough_labels(y: Ints, groups: Ints, name: str, folds: int) -> None:
    if len(y) < _FEWEST or groups.max(initial=0) + 1 < folds:
        users = groups.max(initial=-1) + 1
        raise DataError(
            f"{len(y)} labels of {users} users for {name} are too few to learn from",
            f"give {_FEWEST} labels or more, of at least as many users as folds ({folds})",
        )
    if len(np.unique(y)) == 1:
        raise DataError(
            f"all {len(y)} labels of {name} are {y[0]}: there is nothing to learn",
            "label rationales of different quality",
        )


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _format_or_undefined(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
