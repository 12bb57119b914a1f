"""An offline judge: rules on what a rationale names and how near it is to history and item.

History and item each have a level of being referred to: 3 it is named (by a whole name, see
`benchkit.judging.item_mentions`), 2 a sentence is close to it, 1 near to it, 0 neither. Rules take
levels and flaws only. A flaw is a name of an item that the model was not shown, a rating told the
wrong way round, or the same passage twice. No rule looks at the length.

Where "near" and "close" lie was read off 100 rationales that a language model wrote for Amazon
groceries, and off 200 of the template teacher for MovieLens 100K, each beside its own customer and
another's. 0.55 is reached by a sentence with its own item in 98 % of the groceries and 99 % of the
movies, with another's in 1 % of both; with its own history in 96 % of the groceries, with another's
in 3 %. 0.40 is reached with another's item by 7 % and 27 %. Phrases that fit anyone stay under
0.25. Among many past choices something is always close: of MovieLens histories (62 items in the
median) half are close to another's rationale, which then fails by naming what is not there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from benchkit.errors import ConfigError
from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.judging.verdicts import INJECTION, JudgeInput, Verdict
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.teachers.encoder import TextEncoder
from benchkit.types import RunContext
from judges.features import FeatureReader
from judges.injection import detect_injection

_AT_ONCE = 1024  # exhibits whose texts are encoded together
HEURISTIC_CAVEAT = (
    "a heuristic: rules on names and sentence similarity; neither a person nor a language model"
    " has judged, and what convinces it need not convince them"
)
EMPTY_RATIONALE = "the rationale is empty"
UNKNOWN_ITEM = "the recommended item is not in the catalogue"


class HeuristicConfig(BaseModel):
    """rubric: one of those that there are rules for.

    near, close: cosines from which a sentence is near or close to an item.
    vague: the largest cosine of phrases that fit anyone; lower ones count as this, so that adding
        such phrases changes nothing.
    apart, together: mean cosines at which `coherence-1-7` gives its lowest and highest grade:
        about what phrases that fit anyone have, and what the upper quarter of the rationales of a
        language model for their own customers has.
    repeat: words of a passage that must not stand in a rationale twice; rationales of a language
        model have up to 5.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rubric: str = "rationale-0-3"
    near: float = Field(default=0.40, ge=-1, le=1)
    close: float = Field(default=0.55, ge=-1, le=1)
    vague: float = Field(default=0.25, ge=-1, le=1)
    apart: float = Field(default=0.30, ge=-1, le=1)
    together: float = Field(default=0.70, ge=-1, le=1)
    repeat: PositiveInt = 10

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.near >= self.close:
            raise ValueError(f"near {self.near:g} is not below close {self.close:g}")
        if self.apart >= self.together:
            raise ValueError(f"apart {self.apart:g} is not below together {self.together:g}")
        return self


class _Signs(NamedTuple):
    """What the rules look at.

    history, item: levels, 0 to 3. named, past: items of the history that are named, and all of
    them. outside: names of what the model was not shown. conflicts: ratings told the wrong way
    round.
    repeats: whether it repeats itself. similarity: mean cosine, for coherence.
    """

    history: int
    item: int
    named: int
    past: int
    outside: int
    conflicts: int
    repeats: bool
    similarity: float


def _rationale(signs: _Signs, _: HeuristicConfig) -> dict[str, int]:
    """1: it refers to neither history nor item, or names what the model was not shown. 3: both are
    named or close, and there is no flaw. 2: all else."""
    if signs.outside or not (signs.history or signs.item):
        return {"rating": 1}
    sound = not signs.conflicts and not signs.repeats
    return {"rating": 3 if sound and min(signs.history, signs.item) >= 2 else 2}


def _quality(signs: _Signs, _: HeuristicConfig) -> dict[str, int]:
    """Each criterion by itself.

    grounding: 1 without a reference to the history, 2 near, 3 close, 4 one item named, 5 two named,
    or the only one there is. specificity: from both levels together; 5 needs the history named and
    the item close, or the other way round. faithfulness: 5 less 2 for each name of what the model
    was not shown and 1 for each wrong rating; 3 at most where nothing of history or item is told,
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
    """From 1 at `apart` to 7 at `together` by the mean similarity of the nearest sentence with the
    history, of the nearest one with the item, and of the item with the history; 4 at most where
    something is named that the model was not shown."""
    share = (signs.similarity - config.apart) / (config.together - config.apart)
    grade = 1 + int(6 * min(max(share, 0.0), 1.0) + 0.5)
    return {"coherence": min(grade, 4) if signs.outside else grade}


_Rule = Callable[[_Signs, HeuristicConfig], dict[str, int]]
RULES: Mapping[str, _Rule] = {
    "rationale-0-3": _rationale,
    "rationale-quality": _quality,
    "coherence-1-7": _coherence,
}


class HeuristicJudge:
    """Grades offline by `RULES`; deterministic. Evidence: all of `judges.features.FEATURES`.

    encoder: of sentences, MiniLM by default. Raises ConfigError for a rubric without rules.
    """

    Config = HeuristicConfig
    models: tuple[str, ...] = ()
    caveats: tuple[str, ...] = (HEURISTIC_CAVEAT,)

    def __init__(self, config: HeuristicConfig, encoder: TextEncoder | None = None) -> None:
        self._config = config
        if config.rubric not in RULES:
            raise ConfigError(
                f"the heuristic judge has no rules for the rubric {config.rubric!r}",
                f"choose one of {', '.join(RULES)}, or another judge",
            )
        self.rubric: Rubric = load_rubric(config.rubric)
        self._rule = RULES[config.rubric]
        self._reader = FeatureReader(encoder)

    def judge(self, exhibits: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """As `Judge.judge`. What is not the item that the user took, where the rubric shows it,
        gets the rubric's grade for wrong items."""
        for start in range(0, len(exhibits), _AT_ONCE):
            part = exhibits[start : start + _AT_ONCE]
            for exhibit, features in zip(part, self._reader.read(part, run), strict=True):
                yield self._verdict(exhibit, features)

    def estimate(self, exhibits: Sequence[JudgeInput], run: RunContext) -> CostEstimate:  # noqa: ARG002
        """As `Judge.estimate`: no language model is asked."""
        return CostEstimate(0, 0, 0, 0.0, 0)

    def _verdict(self, exhibit: JudgeInput, features: Mapping[str, float] | None) -> Verdict:
        if features is None or not exhibit.rationale.strip():
            return Verdict(
                exhibit.key, {}, "unscored", EMPTY_RATIONALE if features else UNKNOWN_ITEM
            )
        wrong = exhibit.target is not None and exhibit.target != exhibit.item
        if wrong and self.rubric.wrong is not None:
            grades = {criterion.name: self.rubric.wrong for criterion in self.rubric.criteria}
        else:
            grades = self._rule(_signs(features, self._config), self._config)
        return Verdict(
            exhibit.key,
            {name: float(grade) for name, grade in grades.items()},
            evidence=dict(features),
            flags=(INJECTION,) if detect_injection(exhibit.rationale, self.rubric) else (),
        )


def _signs(features: Mapping[str, float], config: HeuristicConfig) -> _Signs:
    def level(named: float, nearest: float) -> int:
        return 3 if named else (nearest >= config.near) + (nearest >= config.close)

    said = (max(features[name], config.vague) for name in ("history_max", "item_max"))
    return _Signs(
        history=level(features["history_named"], features["history_max"]),
        item=level(features["item_named"], features["item_max"]),
        named=int(features["history_named"]),
        past=int(features["history_length"]),
        outside=int(features["named_outside"]),
        conflicts=int(features["rating_conflicts"]),
        repeats=features["longest_repeat"] >= config.repeat or features["repeated_sentences"] > 0,
        similarity=(sum(said) + features["item_history"]) / 3,
    )
