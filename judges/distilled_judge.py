"""A judge distilled from another's grades: an ordinal regression on the features of rationales.

It grades for nothing what took a language model, or people, to learn from; how well it agrees with
them is known from cross-validation, and said with its grades. It has their biases as far as its
features show them. Length is no feature unless it is asked for.

Cross-validation holds out whole users, since a user who is asked several times has nearly the same
history each time. What it grades of a user whose labels it was fitted to is in-sample: the verdict
has a flag, and the remarks a count.

    [[judging.judges]]
    judge = "distilled"
    config = { labels = ["runs/.../judgements/llm-1a2b.parquet"] }

Labels have to be of the dataset that is judged. What was fitted once can be saved and used with any
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
from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.judging.verdicts import INJECTION, JudgeInput, Verdict
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.teachers.encoder import TextEncoder
from benchkit.types import Catalog, RunContext
from judges.distillation import (
    DistilledModel,
    fit_distilled_model,
    load_distilled_model,
    save_distilled_model,
)
from judges.features import FEATURES, FeatureReader
from judges.heuristic import EMPTY_RATIONALE, UNKNOWN_ITEM
from judges.injection import detect_injection
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
    "history_named",
    "item_named",
    "named_others",
    "named_disliked",
    "rating_conflicts",
    "history_max",
    "history_mean",
    "item_max",
    "item_mean",
    "item_history",
    "longest_repeat",
    "repeated_sentences",
)
_UNKNOWN = ("named_candidates", "named_outside")  # records do not hold the candidates
_AT_ONCE = 1024
IN_SAMPLE = "in-sample"  # a flag: labels of the same user were learnt from


class DistilledConfig(BaseModel):
    """labels: files of grades, records: judgements with what CSV labels are of, and raters: who
    counts of them; see `judges.training_labels`. model: instead of labels, a file that `save_distilled_model` wrote.

    features: names in `judges.features.FEATURES`. folds: of the cross-validation; labels of one
    user are in one fold. penalty: precision of the coefficients' prior; 0 has none.
    decision: `expected` gives the whole grade nearest to the expected one, which has the least
        expected squared error, by which QWK weighs; `likely` the most likely grade, which is nearly
        always the most frequent one where one prevails.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rubric: str = "rationale-0-3"
    labels: tuple[Path, ...] = ()
    records: tuple[Path, ...] = ()
    raters: tuple[str, ...] = ()
    model: Path | None = None
    features: tuple[str, ...] = Field(default=DEFAULT_FEATURES, min_length=1)
    folds: int = Field(default=5, ge=2)
    penalty: float = Field(default=1.0, ge=0)
    seed: int = 0
    decision: Literal["expected", "likely"] = "expected"

    @model_validator(mode="after")
    def _possible(self) -> Self:
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
        """Of the files, as grades depend on what is in them."""
        content = hashlib.sha256()
        for path in (*self.labels, *self.records, *([self.model] if self.model else [])):
            try:
                content.update(hashlib.sha256(path.read_bytes()).digest())
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror}", "correct the path") from None
        return content.hexdigest()[:16]


class DistilledJudge:
    """Grades by an ordinal regression, which is fitted when it is first needed.

    Evidence: the features of the model, for each criterion the expected grade and the probability
    of each level (`rating_expected`, `rating_p2`), and QWK with the labels in cross-validation.
    `distilled` is the model, None before it is fitted; `remarks` tell its agreement once it is, and
    how many it graded last are in-sample.
    Raises ConfigError for a file that is not there, or a model of another rubric.
    """

    Config = DistilledConfig
    models: tuple[str, ...] = ()

    def __init__(self, config: DistilledConfig, encoder: TextEncoder | None = None) -> None:
        self._config = config
        self._reader = FeatureReader(encoder)
        self._catalog: Catalog | None = None
        self._graded = self._in_sample = 0
        self.rubric: Rubric = load_rubric(config.rubric)
        self.fitted_model: DistilledModel | None = None
        for path in (*config.labels, *config.records):
            if not path.is_file():
                raise ConfigError(f"{path}: no such file", "correct the path")
        if config.model is not None:
            self.fitted_model = load_distilled_model(config.model)
            if self.fitted_model.rubric_hash != self.rubric.hash:
                raise ConfigError(
                    f"{config.model} grades by the rubric {self.fitted_model.rubric!r}, which is not"
                    f" {self.rubric.name!r} as it stands",
                    "choose its rubric, or fit_from_labels again",
                )

    @property
    def caveats(self) -> tuple[str, ...]:
        if self.fitted_model is None:
            named = ", ".join(path.name for path in self._config.labels)
            return (f"distilled from {named}, by the features of rationales",)
        told = tuple(self.fitted_model.caveat(criterion.name) for criterion in self.rubric.criteria)
        return (*told, *self._own_labels())

    def to_markdown(self) -> str:
        """Agreement with the labels and coefficients, in Markdown; empty before it is fitted."""
        return "" if self.fitted_model is None else self.fitted_model.to_markdown()

    def judge(self, exhibits: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """As `Judge.judge`. Raises DataError where the labels cannot be learnt from."""
        self._graded = self._in_sample = 0
        if not exhibits:
            return
        distilled = self._fitted(run)
        known = frozenset(distilled.users if distilled.items == _items(run.catalog) else ())
        for start in range(0, len(exhibits), _AT_ONCE):
            part = exhibits[start : start + _AT_ONCE]
            for exhibit, features in zip(part, self._reader.read(part, run), strict=True):
                verdict = self._verdict(exhibit, features, distilled)
                self._graded += verdict.status == "scored"
                if verdict.status == "scored" and exhibit.request.user in known:
                    self._in_sample += 1
                    verdict = replace(verdict, flags=(*verdict.flags, IN_SAMPLE))
                yield verdict

    def estimate(self, exhibits: Sequence[JudgeInput], run: RunContext) -> CostEstimate:  # noqa: ARG002
        """As `Judge.estimate`: no language model is asked."""
        return CostEstimate(0, 0, 0, 0.0, 0)

    def _own_labels(self) -> tuple[str, ...]:
        """What a reader must know of grades that are in-sample."""
        if not self._in_sample:
            return ()
        return (
            f"{self._in_sample} of the {self._graded} rationales it graded are of users whose"
            " labels it was fitted to: there it can agree more than in cross-validation",
        )

    def _fitted(self, run: RunContext) -> DistilledModel:
        loaded = self._config.model is not None
        if self.fitted_model is None or not (loaded or self._catalog is run.catalog):
            self.fitted_model = fit_from_labels(self._config, run, self._reader)
            self._catalog = run.catalog
        return self.fitted_model

    def _verdict(
        self, exhibit: JudgeInput, features: Mapping[str, float] | None, distilled: DistilledModel
    ) -> Verdict:
        if features is None or not exhibit.rationale.strip():
            return Verdict(
                exhibit.key, {}, "unscored", EMPTY_RATIONALE if features else UNKNOWN_ITEM
            )
        grades: dict[str, float] = {}
        evidence: dict[str, float] = {}
        for name, model in distilled.models.items():
            shares = model.probabilities([features])
            likely = model.levels[int(shares[0].argmax())]
            by_mean = int(expected_grades(shares, model.levels)[0])
            grades[name] = float(by_mean if self._config.decision == "expected" else likely)
            evidence |= {feature: features[feature] for feature in model.features}
            evidence[f"{name}_expected"] = round(float(shares[0] @ np.array(model.levels)), 4)
            for level, share in zip(model.levels, shares[0], strict=True):
                evidence[f"{name}_p{level}"] = round(float(share), 4)
            kappa = distilled.reports[name].kappa
            if kappa is not None:
                evidence[f"{name}_kappa"] = round(kappa, 4)
        flags = (INJECTION,) if detect_injection(exhibit.rationale, self.rubric) else ()
        return Verdict(exhibit.key, grades, evidence=evidence, flags=flags)


def fit_from_labels(
    config: DistilledConfig, run: RunContext, reader: FeatureReader | None = None
) -> DistilledModel:
    """Fit what a configuration with labels asks for, on the items of `run.catalog`.

    Raises DataError where the labels cannot be read or learnt from.
    """
    rubric = load_rubric(config.rubric)
    labels = read_training_labels(config.labels, config.records, rubric, run.catalog, config.raters)
    features = (reader or FeatureReader()).read(labels.judge_inputs, run)
    there = [place for place, found in enumerate(features) if found is not None]
    source = ", ".join(path.name for path in config.labels)
    if labels.n_guessed_users:
        source += f" (users of {labels.n_guessed_users} labels read off the names of cases)"
    return fit_distilled_model(
        [found for found in features if found is not None],
        {name: [values[place] for place in there] for name, values in labels.grades.items()},
        [labels.users[place] for place in there],
        rubric,
        config.features,
        source=source,
        items=_items(run.catalog),
        folds=config.folds,
        penalty=config.penalty,
        seed=config.seed,
    )


def _items(catalog: Catalog) -> str:
    """Hash of a catalogue's items: users of other data can have the same names."""
    return hashlib.sha256("\n".join(catalog.ids).encode("utf-8", "surrogatepass")).hexdigest()[:16]
