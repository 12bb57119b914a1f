"""A cheap judge first, and a strong one where the cheap one is unsure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from benchkit.config.judging import JudgeSpec
from benchkit.errors import ConfigError
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import (
    SCORED,
    BatchJudge,
    Judge,
    JudgeInput,
    MarginJudge,
    RepeatableJudge,
    RewordableJudge,
    Verdict,
)
from benchkit.lm.cost_estimate import CallCost, CostEstimate
from benchkit.types import RunContext
from judges.composite.verdict_margins import margin_of_probabilities
from judges.panel import identify_judge, make_judge

ESCALATED = "escalated"  # a flag: the strong judge was asked
Doubt = Literal["unscored", "disagreement", "boundary", "margin"]
_BATCH = 256  # inputs at a time, so that verdicts come as they are there


class CascadeConfig(BaseModel):
    """A cheap and a strong judge, and when the strong one is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cheap: JudgeSpec = Field(exclude=True, description="The judge of all answers.")
    strong: JudgeSpec = Field(
        exclude=True, description="The judge of those that the cheap one is unsure of."
    )
    unsure: tuple[Doubt, ...] = Field(
        default=("unscored", "disagreement"),
        min_length=1,
        description="When the cheap judge is unsure, any of: `unscored`, it gave no grade;"
        " `disagreement`, its grades differ when it is asked `samples` times; `boundary`, a grade"
        " is within half a step of one of `boundaries`; `margin`, the log-probability of its"
        " verdict exceeds that of the next one by less than `margin`.",
    )
    samples: int = Field(
        default=2, ge=2, le=9, description="How often the cheap judge is asked for `disagreement`."
    )
    boundaries: tuple[float, ...] = Field(
        default=(), description="Where a decision changes, e.g. [2.5]: grades 2 and 3 are unsure."
    )
    margin: float = Field(
        default=1.0, gt=0,
        description="Natural logarithm of how much likelier the verdict must be than the next.",
    )  # fmt: skip
    likely_share: float = Field(
        default=0.3, ge=0, le=1, exclude=True,
        description="Share of the answers that `--estimate` takes as likely to be escalated.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check_doubts(self) -> Self:
        if ("boundary" in self.unsure) != bool(self.boundaries):
            raise ConfigError(
                '`boundaries` and unsure = ["boundary"] need each other', "give both, or none"
            )
        for setting, doubt in (("margin", "margin"), ("samples", "disagreement")):
            if setting in self.model_fields_set and doubt not in self.unsure:
                raise ConfigError(
                    f'`{setting}` says nothing without "{doubt}" in `unsure`',
                    f'add "{doubt}" to `unsure`, or leave out `{setting}`',
                )
        if repeated := [one for one, n in Counter(self.unsure).items() if n > 1]:
            raise ConfigError(f'`unsure` names "{repeated[0]}" twice', "name each doubt once")
        if "unscored" not in self.unsure:
            raise ConfigError(
                "what the cheap judge cannot grade would stay unscored",
                'add "unscored" to `unsure`',
            )
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def members(self) -> list[dict[str, Any]]:
        """What both judges' verdicts depend on, so that the cascade's identity holds it."""
        return [identify_judge(self.cheap), identify_judge(self.strong)]


class Cascade:
    """Asks the cheap judge about all inputs, and the strong one where the cheap one is unsure.

    A verdict is the cheap judge's, or the strong one's with the flag `escalated`, also where that
    one gives no grade. Evidence: `doubt: NAME` for each reason to escalate and the cheap judge's
    grades (`cheap: rating`). Usage counts what both used, together and apart (`strong:
    prompt_tokens`), with `escalated` for each input that went on; caveats say the share.
    """

    Config = CascadeConfig
    rubric: Rubric
    models: tuple[str, ...]

    def __init__(self, config: CascadeConfig) -> None:
        self._set_judges(make_judge(config.cheap), make_judge(config.strong), config)

    @classmethod
    def from_judges(cls, cheap: Judge, strong: Judge, config: CascadeConfig) -> "Cascade":
        """Return a cascade of judges that are constructed already."""
        cascade = cls.__new__(cls)
        cascade._set_judges(cheap, strong, config)
        return cascade

    def _set_judges(self, cheap: Judge, strong: Judge, config: CascadeConfig) -> None:
        if cheap.rubric.hash != strong.rubric.hash:
            raise ConfigError(
                "the judges of the cascade grade by different rubrics:"
                f" {cheap.rubric.name}, {strong.rubric.name}",
                "give both the same",
            )
        if "disagreement" in config.unsure and not isinstance(cheap, RepeatableJudge):
            raise ConfigError(
                f"judge {config.cheap.name!r} says the same whenever it is asked",
                'leave "disagreement" out of `unsure`',
            )
        if "margin" in config.unsure and not getattr(cheap, "gives_margins", True):
            raise ConfigError(
                f"judge {config.cheap.name!r} gives no log-probabilities, so that the margin of a"
                " verdict is never known, and every answer would go to the strong judge",
                'leave "margin" out of `unsure`, or take a cheap judge whose engine scores answers'
                " to a rubric of one criterion, or a distilled one",
            )
        _refuse_boundaries_off_scale(config.boundaries, cheap.rubric)
        self._cheap, self._strong, self._config = cheap, strong, config
        self._n_judged = self._n_escalated = 0
        self.rubric = cheap.rubric
        self.models = tuple(dict.fromkeys((*cheap.models, *strong.models)))

    @property
    def caveats(self) -> tuple[str, ...]:
        """Which judges there are, and how many answers went to the strong one."""
        config = self._config
        doubts = ", ".join(config.unsure)
        parts = [f"{config.cheap.name} first, {config.strong.name} where it is unsure ({doubts})"]
        if self._n_judged:
            share = self._n_escalated / self._n_judged
            parts.append(
                f"{self._n_escalated:,} of {self._n_judged:,} escalated ({100 * share:.1f} %)"
            )
        for judge, spec in ((self._cheap, config.cheap), (self._strong, config.strong)):
            parts += [f"{spec.name}: {caveat}" for caveat in judge.caveats]
        return tuple(parts)

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """Yield verdicts as `Judge.judge` does."""
        self._n_judged = self._n_escalated = 0
        for start in range(0, len(inputs), _BATCH):
            yield from self._judge_part(inputs[start : start + _BATCH], run)

    def _judge_part(self, part: Sequence[JudgeInput], run: RunContext) -> list[Verdict]:
        samples = [list(self._cheap.judge(part, run))]
        if "disagreement" in self._config.unsure and isinstance(self._cheap, RepeatableJudge):
            calls = range(1, self._config.samples)
            samples += [list(self._cheap.repeat(number).judge(part, run)) for number in calls]
        margins = self._measure_margins(part, samples[0], run)
        doubts = [
            self._find_doubts([of_call[i] for of_call in samples], margins[i])
            for i in range(len(part))
        ]
        unsure = [one for one, reasons in zip(part, doubts, strict=True) if reasons]
        strong = iter(list(self._strong.judge(unsure, run)) if unsure else ())
        self._n_judged += len(part)
        self._n_escalated += len(unsure)
        combined = []
        for of_calls, reasons in zip(zip(*samples, strict=True), doubts, strict=True):
            combined.append(_combine(of_calls, next(strong) if reasons else None, reasons))
        return combined

    def _measure_margins(
        self, part: Sequence[JudgeInput], verdicts: Sequence[Verdict], run: RunContext
    ) -> list[float | None]:
        if "margin" not in self._config.unsure:
            return [None] * len(part)
        margins = [margin_of_probabilities(v.evidence, self.rubric) for v in verdicts]
        if isinstance(self._cheap, MarginJudge) and None in margins:
            margins = list(self._cheap.margins(part, verdicts, run))
        return margins

    def _find_doubts(self, samples: Sequence[Verdict], margin: float | None) -> tuple[Doubt, ...]:
        """Return why the cheap judge is unsure of an input, by its verdicts of each call."""
        first, unsure = samples[0], self._config.unsure
        if first.status != SCORED:
            return ("unscored",)
        doubts: list[Doubt] = []
        grades = [dict(v.grades) if v.status == SCORED else None for v in samples]
        if any(grade != grades[0] for grade in grades[1:]):
            doubts.append("disagreement")
        step = 0.5 if self.rubric.half_grades else 1.0
        near = (
            abs(grade - boundary) <= step / 2
            for grade in first.grades.values()
            for boundary in self._config.boundaries
        )
        if any(near):
            doubts.append("boundary")
        if "margin" in unsure and (margin is None or margin < self._config.margin):
            doubts.append("margin")  # also where nothing is known of it
        return tuple(doubts)

    @property
    def gives_margins(self) -> bool:
        """Whether a verdict's margin may be known: by the probabilities of the cheap judge."""
        return bool(getattr(self._cheap, "gives_margins", True))

    @property
    def asks_by_batches(self) -> bool:
        """Whether the cheap judge asks a server by its Batch endpoint."""
        return isinstance(self._cheap, BatchJudge) and self._cheap.asks_by_batches

    def submit(self, inputs: Sequence[JudgeInput], run: RunContext) -> None:
        """Send the cheap judge's questions; which ones the strong judge gets is not known yet."""
        if isinstance(self._cheap, BatchJudge) and self._cheap.asks_by_batches:
            self._cheap.submit(inputs, run)

    def estimate(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """Estimate the cost: at most, all inputs are escalated; likely, `likely_share` of them."""
        total = self._cheap.estimate(inputs, run)
        if "disagreement" in self._config.unsure and isinstance(self._cheap, RepeatableJudge):
            for number in range(1, self._config.samples):
                total += self._cheap.repeat(number).estimate(inputs, run)
        strong = self._strong.estimate(inputs, run)
        load, share = strong.likely or strong.upper_bound, self._config.likely_share
        tokens = round(share * load.prompt_tokens), round(share * load.completion_tokens)
        cost = None if load.cost is None else share * load.cost
        likely = CallCost(round(share * load.calls), *tokens, cost)
        return total + CostEstimate(*strong.upper_bound, strong.n_cached, likely)

    def with_rubric(self, rubric: Rubric) -> "Cascade | None":
        """Return the cascade asked by a rubric in other words; None where a judge reads none."""
        both = [
            judge.with_rubric(rubric) if isinstance(judge, RewordableJudge) else None
            for judge in (self._cheap, self._strong)
        ]
        if both[0] is None or both[1] is None:
            return None
        return Cascade.from_judges(both[0], both[1], self._config)

    def repeat(self, number: int) -> "Cascade":
        """Return the cascade of another call; none of its samples is one of the first call's."""
        number *= self._config.samples
        both = [
            judge.repeat(number) if isinstance(judge, RepeatableJudge) else judge
            for judge in (self._cheap, self._strong)
        ]
        return Cascade.from_judges(both[0], both[1], self._config)


def _refuse_boundaries_off_scale(boundaries: Sequence[float], rubric: Rubric) -> None:
    """Raise ConfigError for a boundary that lies between two grades of no criterion."""
    scales = {(criterion.low, criterion.high): None for criterion in rubric.criteria}
    for boundary in boundaries:
        if not any(low < boundary < high for low, high in scales):
            known = " and ".join(f"{low} to {high}" for low, high in scales)
            raise ConfigError(
                f"boundary {boundary:g} is not within the scale of rubric {rubric.name}, {known}",
                "name boundaries between two of its grades",
            )


def _combine(
    samples: Sequence[Verdict], strong: Verdict | None, doubts: Sequence[Doubt]
) -> Verdict:
    """Return the verdict on an input: the strong judge's, if it was asked."""
    first = samples[0]
    usage: Counter[str] = Counter()
    for verdict in samples:
        usage.update(verdict.usage)
        usage.update({f"cheap: {name}": value for name, value in verdict.usage.items()})
    if strong is None:
        return replace(first, usage=dict(usage))
    evidence = {**strong.evidence, **{f"doubt: {doubt}": 1.0 for doubt in doubts}}
    evidence |= {f"cheap: {name}": grade for name, grade in first.grades.items()}
    usage.update(strong.usage)
    usage.update({f"strong: {name}": value for name, value in strong.usage.items()})
    usage[ESCALATED] += 1
    flags = tuple(dict.fromkeys((*first.flags, *strong.flags, ESCALATED)))
    return replace(strong, evidence=evidence, flags=flags, usage=dict(usage))
