"""The vocabulary of judging: what a judge is shown, and what it says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from benchkit.cards import Card, construct
from benchkit.errors import ConfigError
from benchkit.judging.rubric import Rubric
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.runs.records import Manifest
from benchkit.types import Request, RunContext

VerdictStatus = Literal["scored", "unscored"]
SCORED: Final = "scored"  # status of a verdict with grades
INJECTION = "injection"  # a flag: the rationale tries to speak to the judge


@dataclass(frozen=True, slots=True)
class JudgeInput:
    """One answer, as a judge sees it. It never says which method gave it."""

    key: str
    """Name among those judged together."""
    request: Request
    item: str
    """The recommended item, a candidate."""
    rationale: str
    """The method's reasons, in its own words."""
    target: str | None = None
    """The item that the user took; None where the rubric hides it from the judge."""


@dataclass(frozen=True, slots=True)
class JudgePair(JudgeInput):
    """Two answers to one request, for a rubric that asks which is better; A is shown first.

    Item and rationale are those of A.
    """

    other_item: str = ""
    """The item that B recommends."""
    other_rationale: str = ""
    """B's reasons."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of one input."""

    key: str
    grades: Mapping[str, float]
    """A grade for each criterion of the rubric, within its limits; empty if unscored."""
    status: VerdictStatus = SCORED
    reason: str = ""
    """Why there are no grades, in words."""
    text: str = ""
    """The reply as it came."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """Numbers that the grades rest on, e.g. {"words": 31}."""
    flags: tuple[str, ...] = ()
    """What a reader must know, e.g. `INJECTION`."""
    usage: Mapping[str, float] = field(default_factory=dict)
    """What the verdict cost, e.g. {"prompt_tokens": 812}."""
    fault: str = ""
    """What the judge's engine did wrong, where it gave no readable answer or ran out of tokens
    before the first letter (`benchkit.faults.describe_fault`); '' if nothing. It is no verdict of
    the model: with too many, the judgement fails and is made again."""


@runtime_checkable
class Judge(Protocol):
    """Grades rationales by a rubric.

    A class has a pydantic model `Config` (with `extra="forbid"`) and is constructed with one
    validated instance of it; constructing must be quick and load no large package.
    """

    @property
    def rubric(self) -> Rubric:
        """What it grades by."""

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of its figures must know; tables show them as footnotes."""

    @property
    def models(self) -> tuple[str, ...]:
        """The language models behind it, to point out a judge that also wrote the rationales."""

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """Yield one verdict an input, in their order. A verdict does not depend on the others.

        What cannot be graded is `unscored` with its reason, never a number. Answers of language
        models belong in `run.cache`, so that none is paid for twice.
        """

    def estimate(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """Estimate what `judge` would ask a language model for, without asking."""


@runtime_checkable
class BatchJudge(Protocol):
    """A judge that may ask a server by its Batch endpoint."""

    @property
    def asks_by_batches(self) -> bool:
        """Whether it does."""

    def submit(self, inputs: Sequence[JudgeInput], run: RunContext) -> None:
        """Send what `judge` would ask, and do not wait; `judge` waits for the same batches."""


@runtime_checkable
class RewordableJudge(Protocol):
    """A judge that is asked in the words of its rubric."""

    def with_rubric(self, rubric: Rubric) -> Judge | None:
        """Return the judge asked by a rubric in other words, with the same criteria and reply.

        None where it reads no words of it.
        """


@runtime_checkable
class RepeatableJudge(Protocol):
    """A judge that can be asked once more, as if it had not been asked."""

    def repeat(self, number: int) -> Judge:
        """Return the judge whose answers are those of its call `number`, from 1.

        They are drawn anew, or asked for anew where nothing is drawn, and stored by themselves.
        """


@runtime_checkable
class MarginJudge(Protocol):
    """A judge whose verdicts have a log-probability."""

    def margins(
        self, inputs: Sequence[JudgeInput], verdicts: Sequence[Verdict], run: RunContext
    ) -> Iterator[float | None]:
        """Yield by how much the log-probability of each verdict exceeds that of the next grade.

        None where the engine gives none, or the verdict is not in the form that was asked for.
        """


@runtime_checkable
class RunJudge(Judge, Protocol):
    """A judge of one run's answers."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know of its verdicts of this run, once it has judged."""


@runtime_checkable
class JudgeOfRuns(Protocol):
    """A judge whose verdicts are of certain runs, as those in a file are."""

    def for_run(self, run: Manifest) -> RunJudge | None:
        """Return the judge of a run's answers; None where it has nothing to say of them."""

    def check_runs(self, runs: Iterable[tuple[Manifest, frozenset[str]]]) -> None:
        """Raise ConfigError for a verdict of no answer. runs: all there are, with their cases."""


def construct_judge(card: Card, config: BaseModel | None) -> Judge:
    """Return the judge of a card. Raises ConfigError where it does not say what it grades by."""
    judge: Judge = construct(card, config)
    missing = [name for name in ("rubric", "caveats", "models") if not hasattr(judge, name)]
    if missing:
        cause = f"judge {card.name!r}: it has no {', '.join(missing)}"
        raise ConfigError(cause, "write a class as benchkit.judging.verdicts.Judge describes it")
    return judge
