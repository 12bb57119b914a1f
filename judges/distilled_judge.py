"""A judge distilled from another's grades: an ordinal regression on the features of rationales.

It grades for nothing what took a language model, or people, to learn from; how well it agrees with
them is known from cross-validation, and reported with its grades. It has their biases as far as its
features show them. Length is not a feature unless it is asked for.

Cross-validation holds out whole users, since a user with several cases has nearly the same history
each time. A grade for a user whose labels it was fitted to is in-sample: the verdict has a flag,
and the caveats a count.

    [[judging.judges]]
    judge = "distilled"
    config = { labels = ["runs/.../judgements/llm-1a2b.parquet"] }

Labels have to be of the dataset that is judged. A fitted model can be saved and used with any
(`fit_from_labels(...)`, `save_distilled_model`, and `model` in the configuration).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from benchkit.errors import ConfigError
from benchkit.judging.rubric import load_rubric
from benchkit.judging.verdicts import SCORED, JudgeInput, Verdict
from benchkit.lm.teachers.encoder import TextEncoder
from benchkit.types import Catalog, RunContext
from judges.distillation import (
    DistilledModel,
    fit_distilled_model,
    load_distilled_model,
    save_distilled_model,
)
from judges.feature_judge import Evidence, FeatureJudge, Grades
from judges.features import FEATURES, FeatureReader
from judges.ordinal_regression import expected_grades
from judges.training_labels import read_training_labels

__all__ = [
    "DistilledConfig",
    "DistilledJudge",
    "DistilledModel",
    "fit_distilled_model",
    "fit_from_labels",
    "load_distilled_model",
    "save_distilled_model",
]

DEFAULT_FEATURES = (
    "history_named", "item_named", "named_others", "named_disliked", "rating_conflicts",
    "history_max", "history_mean", "item_max", "item_mean", "item_history", "longest_repeat",
    "repeated_sentences",
)  # fmt: skip
_UNKNOWN = ("named_candidates", "named_outside")  # records do not hold the candidates
IN_SAMPLE = "in-sample"  # a flag: labels of the same user were learnt from


class DistilledConfig(BaseModel):
    """Settings of a distilled judge: either labels to learn from, or a saved model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rubric: str = "rationale-0-3"
    """Of the labels: a name, or the path of a TOML file."""
    labels: tuple[Path, ...] = Field(
        default=(), description="Files of grades; see `judges.training_labels`."
    )
    records: tuple[Path, ...] = Field(
        default=(), description="Judgements that hold what the labels of CSV files are of."
    )
    raters: tuple[str, ...] = Field(
        default=(), description="Raters in CSV files that count; by default all but judges."
    )
    model: Path | None = Field(
        default=None, description="Instead of labels, a file of `save_distilled_model`."
    )
    features: tuple[str, ...] = Field(
        default=DEFAULT_FEATURES, min_length=1,
        description="Names in `judges.features.FEATURES`.",
    )  # fmt: skip
    folds: int = Field(
        default=5, ge=2,
        description="Folds of the cross-validation; labels of one user are in one fold.",
    )  # fmt: skip
    penalty: float = Field(
        default=1.0, ge=0, description="Precision of the coefficients' prior; 0 has none."
    )
    seed: int = 0
    decision: Literal["expected", "likely"] = Field(
        default="expected",
        description="`expected` gives the whole grade nearest to the expected one, which has the"
        " least expected squared error, by which QWK weighs; `likely` the most likely grade, which"
        " is nearly always the most frequent one where one prevails.",
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if bool(self.labels) == (self.model is not None):
            raise ValueError("give either labels or a model")
        if unknown := [name for name in self.features if name not in FEATURES]:
            raise ValueError(f"no feature {unknown[0]!r}; known: {', '.join(FEATURES)}")
        if hidden := [name for name in self.features if name in _UNKNOWN]:
            raise ValueError(f"labels do not tell {hidden[0]}; named_others is both together")
        if len(set(self.features)) < len(self.features):
            raise ValueError("a feature is named twice")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def content_hash(self) -> str:
        """Hash of the files, as grades depend on what is in them."""
        content = hashlib.sha256()
        for path in (*self.labels, *self.records, *([self.model] if self.model else [])):
            try:
                content.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror}", "correct the path") from None
        return content.hexdigest()[:16]


class DistilledJudge(FeatureJudge):
    """Grades by an ordinal regression, which is fitted when it is first needed.

    Evidence: the features of the model, for each criterion the expected grade and the probability
    of each level (`rating_expected`, `rating_p2`), and QWK with the labels in cross-validation.
    `fitted_model` is None before it is fitted; `caveats` report its agreement once it is, and how
    many of its last grades are in-sample. Raises ConfigError for a file that is not there, or a
    model of another rubric.
    """

    Config = DistilledConfig
    gives_margins = True

    def __init__(self, config: DistilledConfig, encoder: TextEncoder | None = None) -> None:
        super().__init__(config.rubric, encoder)
        self._config = config
        self._catalog: Catalog | None = None
        self._graded = self._in_sample = 0
        self.fitted_model: DistilledModel | None = None
        for path in (*config.labels, *config.records):
            if not path.is_file():
                raise ConfigError(f"{path}: no such file", "correct the path")
        if config.model is not None:
            self.fitted_model = load_distilled_model(config.model)
            if self.fitted_model.rubric_hash != self.rubric.hash:
                raise ConfigError(
                    f"{config.model} grades by the rubric {self.fitted_model.rubric!r}, which is"
                    f" not {self.rubric.name!r} as it is now",
                    "choose its rubric, or fit the judge again",
                )

    @property
    def caveats(self) -> tuple[str, ...]:
        """What it was fitted to and how well it agrees, and how many grades are in-sample."""
        if self.fitted_model is None:
            names = ", ".join(path.name for path in self._config.labels)
            return (f"distilled from {names}, by the features of rationales",)
        caveats = [self.fitted_model.caveat(criterion.name) for criterion in self.rubric.criteria]
        if self._in_sample:
            caveats.append(
                f"{self._in_sample} of the {self._graded} rationales it graded are of users whose"
                " labels it was fitted to: there it can agree more than in cross-validation"
            )
        return tuple(caveats)

    def to_markdown(self) -> str:
        """Return agreement with the labels and coefficients; empty before it is fitted."""
        return "" if self.fitted_model is None else self.fitted_model.to_markdown()

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """Yield verdicts as `Judge.judge` does. Raises DataError for labels of no use."""
        self._graded = self._in_sample = 0
        if not inputs:
            return
        distilled = self._fit_once(run)
        known = frozenset(distilled.users if distilled.items == _hash_items(run.catalog) else ())
        for judge_input, verdict in zip(inputs, super().judge(inputs, run), strict=True):
            if verdict.status == SCORED:
                self._graded += 1
                if judge_input.request.user in known:
                    self._in_sample += 1
                    verdict = replace(verdict, flags=(*verdict.flags, IN_SAMPLE))
            yield verdict

    def grade(
        self,
        judge_input: JudgeInput,  # noqa: ARG002
        features: Mapping[str, float],
    ) -> tuple[Grades, Evidence]:
        """Return the grades by the fitted model."""
        assert self.fitted_model is not None  # noqa: S101 - `judge` fits it
        grades: Grades = {}
        evidence: Evidence = {}
        for name, model in self.fitted_model.models.items():
            probabilities = model.probabilities([features])
            likely = model.levels[int(probabilities[0].argmax())]
            expected = int(expected_grades(probabilities, model.levels)[0])
            grades[name] = float(expected if self._config.decision == "expected" else likely)
            evidence |= {feature: features[feature] for feature in model.features}
            mean = float(probabilities[0] @ np.array(model.levels))
            evidence[f"{name}_expected"] = round(mean, 4)
            for level, probability in zip(model.levels, probabilities[0], strict=True):
                evidence[f"{name}_p{level}"] = round(float(probability), 4)
            kappa = self.fitted_model.reports[name].kappa
            if kappa is not None:
                evidence[f"{name}_kappa"] = round(kappa, 4)
        return grades, evidence

    def _fit_once(self, run: RunContext) -> DistilledModel:
        loaded = self._config.model is not None
        if self.fitted_model is None or not (loaded or self._catalog is run.catalog):
            self.fitted_model = fit_from_labels(self._config, run, self._reader)
            self._catalog = run.catalog
        return self.fitted_model


def fit_from_labels(
    config: DistilledConfig, run: RunContext, reader: FeatureReader | None = None
) -> DistilledModel:
    """Fit a model to the labels of a configuration, on the items of `run.catalog`.

    Raises:
        DataError: Where the labels cannot be read or learnt from.
    """
    rubric = load_rubric(config.rubric)
    labels = read_training_labels(config.labels, config.records, rubric, run.catalog, config.raters)
    features = (reader or FeatureReader()).read(labels.judge_inputs, run)
    rows = [row for row, values in enumerate(features) if values is not None]
    source = ", ".join(path.name for path in config.labels)
    if labels.n_guessed_users:
        source += f" (users of {labels.n_guessed_users} labels read off the names of cases)"
    return fit_distilled_model(
        [values for values in features if values is not None],
        {name: [grades[row] for row in rows] for name, grades in labels.grades.items()},
        [labels.users[row] for row in rows],
        rubric,
        config.features,
        source=source,
        items=_hash_items(run.catalog),
        folds=config.folds,
        penalty=config.penalty,
        seed=config.seed,
    )


def _hash_items(catalog: Catalog) -> str:
    """Hash a catalogue's items: users of other data can have the same names."""
    return hashlib.sha256("\n".join(catalog.ids).encode("utf-8", "surrogatepass")).hexdigest()[:16]
