"""An offline judge: rules on what a rationale names and how near it is to history and item.

History and item each have a level of being referred to: 3 it is named (by a whole name, see
`benchkit.judging.item_mentions`), 2 a sentence is close to it, 1 near to it, 0 neither. Rules take
levels and flaws only. A flaw is a name of an item that the model was not shown, a rating stated the
wrong way round, or the same passage twice. No rule looks at the length.

The cosines of "near" and "close" were read off 100 rationales that a language model wrote for
Amazon groceries, and off 200 of the template teacher for MovieLens 100K, each beside its own
customer and another's. 0.55 is reached by a sentence with its own item in 98 % of the groceries and
99 % of the movies, with another's in 1 % of both; with its own history in 96 % of the groceries,
with another's in 3 %. 0.40 is reached with another's item by 7 % and 27 %. Phrases that fit anyone
stay under 0.25. Among many past choices something is always close: of MovieLens histories (62 items
in the median) half are close to another's rationale, which then fails by naming unknown items.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from benchkit.errors import ConfigError
from benchkit.judging.item_mentions import title_index
from benchkit.judging.statements.rules import check_rationale
from benchkit.judging.statements.statement import StatementCheck
from benchkit.judging.verdicts import JudgeInput
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.lm.teachers.encoder import TextEncoder
from benchkit.types import RunContext
from judges.feature_judge import Evidence, FeatureJudge, Grades

HEURISTIC_CAVEAT = (
    "a heuristic: rules on names and sentence similarity; neither a person nor a language model"
    " has judged, and what convinces it need not convince them"
)


class HeuristicConfig(BaseModel):
    """Settings of the heuristic judge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rubric: str = Field(
        default="rationale-0-3", description="One of the rubrics that there are rules for."
    )
    near: float = Field(
        default=0.40, ge=-1, le=1, description="Cosine from which a sentence is near."
    )
    close: float = Field(
        default=0.55, ge=-1, le=1, description="Cosine from which a sentence is close."
    )
    vague: float = Field(
        default=0.25, ge=-1, le=1,
        description="The largest cosine of phrases that fit anyone; lower ones count as this, so"
        " that adding such phrases changes nothing.",
    )  # fmt: skip
    apart: float = Field(
        default=0.30, ge=-1, le=1,
        description="Mean cosine at which `coherence-1-7` gives its lowest grade: about that of"
        " phrases that fit anyone.",
    )  # fmt: skip
    together: float = Field(
        default=0.70, ge=-1, le=1,
        description="Mean cosine at which it gives its highest grade: about that of the upper"
        " quarter of the rationales of a language model for their own customers.",
    )  # fmt: skip
    repeat: PositiveInt = Field(
        default=10,
        description="Words of a passage that must not be in a rationale twice; rationales of a"
        " language model have up to 5.",
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.near >= self.close:
            raise ValueError(f"near {self.near:g} is not below close {self.close:g}")
        if self.apart >= self.together:
            raise ValueError(f"apart {self.apart:g} is not below together {self.together:g}")
        return self


class _Signs(NamedTuple):
    """What the rules look at."""

    history: int
    """Level of the history, 0 to 3."""
    item: int
    """Level of the item, 0 to 3."""
    named: int
    """Items of the history that are named."""
    past: int
    """All items of the history."""
    outside: int
    """Names of what the model was not shown."""
    conflicts: int
    """Ratings stated the wrong way round."""
    repeats: bool
    """Whether it repeats itself."""
    similarity: float
    """Mean cosine, for coherence."""


def _rationale(signs: _Signs, _: HeuristicConfig) -> dict[str, int]:
    """Grade 0 to 3, of which 0 is not given.

    1: it refers to neither history nor item, or names what the model was not shown. 3: both are
    named or close, and there is no flaw. 2: all else.
    """
    if signs.outside or not (signs.history or signs.item):
        return {"rating": 1}
    sound = not signs.conflicts and not signs.repeats
    return {"rating": 3 if sound and min(signs.history, signs.item) >= 2 else 2}


def _quality(signs: _Signs, _: HeuristicConfig) -> dict[str, int]:
    """Grade each criterion by itself.

    grounding: 1 without a reference to the history, 2 near, 3 close, 4 one item named, 5 two named,
    or the only one there is. specificity: from both levels together; 5 needs the history named and
    the item close, or the other way round. faithfulness: 5 less 2 for each name of what the model
    was not shown and 1 for each wrong rating; 3 at most where nothing of history or item is said,
    as nothing can be known of it. persuasiveness: the lower of grounding and specificity, less 1
    for each kind of flaw.
    """
    grounding = 1 + signs.history
    grounding += signs.history == 3 and signs.named >= min(2, signs.past)
    specificity = (1, 2, 3, 3, 4, 5, 5)[signs.history + signs.item]
    faithfulness = 5 if signs.history or signs.item else 3
    faithfulness -= 2 * signs.outside + signs.conflicts
    flaws = (signs.outside > 0) + (signs.conflicts > 0) + signs.repeats
    return {
        "grounding": grounding,
        "specificity": specificity,
        "faithfulness": max(1, faithfulness),
        "persuasiveness": max(1, min(grounding, specificity) - flaws),
    }


def _coherence(signs: _Signs, config: HeuristicConfig) -> dict[str, int]:
    """Grade from 1 at `apart` to 7 at `together`.

    By the mean similarity of the nearest sentence with the history, of the nearest one with the
    item, and of the item with the history; 4 at most where it names what the model was not shown.
    """
    share = (signs.similarity - config.apart) / (config.together - config.apart)
    grade = 1 + int(6 * min(max(share, 0.0), 1.0) + 0.5)
    return {"coherence": min(grade, 4) if signs.outside else grade}


_Rule = Callable[[_Signs, HeuristicConfig], dict[str, int]]
RULES: Mapping[str, _Rule] = {
    "rationale-0-3": _rationale,
    "rationale-0-3-vocabulary": _rationale,
    "rationale-quality": _quality,
    "coherence-1-7": _coherence,
}


class HeuristicJudge(FeatureJudge):
    """Grades offline by `RULES`; deterministic. Evidence: all of `judges.features.FEATURES`.

    The encoder is of sentences, MiniLM by default. Raises ConfigError for a rubric without rules.
    """

    Config = HeuristicConfig
    checks_statements = True
    caveats: tuple[str, ...] = (HEURISTIC_CAVEAT,)

    def __init__(self, config: HeuristicConfig, encoder: TextEncoder | None = None) -> None:
        if config.rubric not in RULES:
            raise ConfigError(
                f"the heuristic judge has no rules for the rubric {config.rubric!r}",
                f"choose one of {', '.join(RULES)}, or another judge",
            )
        super().__init__(config.rubric, encoder)
        self._config = config

    def grade(
        self, judge_input: JudgeInput, features: Mapping[str, float]
    ) -> tuple[Grades, Evidence]:
        """Return the grades by the rules, or the rubric's for an item that the user did not take.

        The latter where the rubric shows the target and has such a grade.
        """
        wrong = judge_input.target is not None and judge_input.target != judge_input.item
        if wrong and self.rubric.wrong is not None:
            grades = {criterion.name: self.rubric.wrong for criterion in self.rubric.criteria}
        else:
            grades = RULES[self._config.rubric](_signs(features, self._config), self._config)
        return {name: float(grade) for name, grade in grades.items()}, dict(features)

    def check_statements(
        self, inputs: Sequence[JudgeInput], run: RunContext
    ) -> Iterator[tuple[StatementCheck, ...]]:
        """Yield what `benchkit.judging.statements.rules` say of each input's statements."""
        index = title_index(run.catalog)
        return (check_rationale(judge_input, index) for judge_input in inputs)

    def estimate_statements(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:  # noqa: ARG002
        """Return no cost: no language model is asked."""
        return NO_COST


def _signs(features: Mapping[str, float], config: HeuristicConfig) -> _Signs:
    def level(named: float, nearest: float) -> int:
        return 3 if named else (nearest >= config.near) + (nearest >= config.close)

    nearest = (max(features[name], config.vague) for name in ("history_max", "item_max"))
    return _Signs(
        history=level(features["history_named"], features["history_max"]),
        item=level(features["item_named"], features["item_max"]),
        named=int(features["history_named"]),
        past=int(features["history_length"]),
        outside=int(features["named_outside"]),
        conflicts=int(features["rating_conflicts"]),
        repeats=features["longest_repeat"] >= config.repeat or features["repeated_sentences"] > 0,
        similarity=(sum(nearest) + features["item_history"]) / 3,
    )
