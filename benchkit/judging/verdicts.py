"""The vocabulary of judging: what a judge is shown, and what it says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from benchkit.cards import Card, construct
from benchkit.errors import ConfigError
from benchkit.judging.rubric import Rubric
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.types import Request, RunContext

VerdictStatus = Literal["scored", "unscored"]
INJECTION = "injection"  # a flag: the rationale tries to speak to the judge


@dataclass(frozen=True, slots=True)
class JudgeInput:
    """One answer, as a judge sees it. It never says which method gave it.

    key: names it among those judged together. item: what was recommended, a candidate.
    rationale: why, in the words of the method.
    target: the item that the user took; None where the rubric keeps it from the judge.
    """

    key: str
    request: Request
    item: str
    rationale: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of an exhibit.

    grades: one for each criterion of the rubric, within its limits; empty if unscored.
    reason: why there is none, in words. text: the reply as it came.
    evidence: numbers that the grade rests on, e.g. {"words": 31}.
    flags: what a reader must know, e.g. `INJECTION`. usage: e.g. {"prompt_tokens": 812}.
    """

    key: str
    grades: Mapping[str, float]
    status: VerdictStatus = "scored"
    reason: str = ""
    text: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    usage: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Judge(Protocol):
    """Grades rationales by a rubric.

    A class carries a pydantic model `Config` (with `extra="forbid"`) and is constructed with one
    validated instance of it; constructing must be quick and load no large package.

    rubric: what it grades by. caveats: what a reader of its figures must know, e.g. that it is a
    heuristic; tables show them as footnotes. models: the language models behind it, so that a
    judge that also wrote the rationales can be pointed out.
    """

    @property
    def rubric(self) -> Rubric: ...

    @property
    def caveats(self) -> tuple[str, ...]: ...

    @property
    def models(self) -> tuple[str, ...]: ...

    def judge(self, exhibits: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """One verdict an exhibit, in their order. A verdict does not depend on the others.

        What cannot be graded is `unscored` with its reason, never a number. `run.cache` is where
        answers of language models are kept, so that what was paid for is not asked again.
        """

    def estimate(self, exhibits: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """What `judge` would ask a language model for. Nothing is asked."""


def construct_judge(card: Card, config: BaseModel | None) -> Judge:
    """Return the judge of a card. Raises ConfigError where it does not say what it grades by."""
    judge: Judge = construct(card, config)
    missing = [name for name in ("rubric", "caveats", "models") if not hasattr(judge, name)]
    if missing:
        cause = f"judge {card.name!r}: it has no {', '.join(missing)}"
        raise ConfigError(cause, "write a class as benchkit.judging.verdicts.Judge describes it")
    return judge
