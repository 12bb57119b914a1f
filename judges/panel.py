"""Several judges as one: the median of their grades, where enough of them gave one."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, computed_field, model_validator

from benchkit import cards
from benchkit.config.judging import JudgeSpec
from benchkit.errors import ConfigError
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import (
    SCORED,
    BatchJudge,
    Judge,
    JudgeInput,
    RepeatableJudge,
    RewordableJudge,
    Verdict,
    construct_judge,
)
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.types import RunContext

DISAGREEMENT = "disagreement"  # a flag: the members' grades lie far apart


class PanelConfig(BaseModel):
    """A panel of judges."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    judges: tuple[JudgeSpec, ...] = Field(
        min_length=2, exclude=True,
        description="Each with its name or dotted path and its config; all by the same rubric.",
    )  # fmt: skip
    quorum: PositiveInt | None = Field(
        default=None, description="How many must have graded an input, by default more than half."
    )
    gap: float = Field(
        default=1, ge=0,
        description="Grades of a criterion that lie further apart, in steps of the rubric's scale,"
        " give the verdict the flag `disagreement`.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _check_judges(self) -> Self:
        labels = [spec.name for spec in self.judges]
        if twice := [label for label, times in Counter(labels).items() if times > 1]:
            raise ConfigError(
                f"judge label {twice[0]!r} stands twice on the panel", "give one another label"
            )
        if self.min_graded > len(self.judges):
            raise ConfigError(
                f"a quorum of {self.min_graded} needs more than {len(self.judges)} judges",
                "lower the quorum",
            )
        for spec in self.judges:
            cards.build_config(cards.find_card(spec.judge, "judge"), spec.config)
        return self

    @property
    def min_graded(self) -> int:
        """How many must have graded an input."""
        return self.quorum or len(self.judges) // 2 + 1

    @computed_field  # type: ignore[prop-decorator]
    @property
    def members(self) -> list[dict[str, Any]]:
        """What each judge's verdicts depend on, so that the panel's identity holds it."""
        return [identify_judge(spec) for spec in self.judges]


class Panel:
    """Asks each judge and takes the median of the grades of each criterion.

    Of an even number it is the mean of the two in the middle, which may lie between two grades.
    Evidence: each member's grade ("mistral: rating"), `scored`, how many graded, and for each
    criterion `spread: name`, the largest grade less the smallest. Flags are the members' own, and
    `disagreement`.
    """

    Config = PanelConfig
    gives_margins = False  # a median has no probability
    rubric: Rubric
    caveats: tuple[str, ...]
    models: tuple[str, ...]

    def __init__(self, config: PanelConfig) -> None:
        judges = {spec.name: make_judge(spec) for spec in config.judges}
        self._set_judges(judges, config.min_graded, config.gap)

    @classmethod
    def from_judges(
        cls, judges: dict[str, Judge], quorum: int | None = None, gap: float = 1
    ) -> Self:
        """Return a panel of judges that are constructed already, by label."""
        panel = cls.__new__(cls)
        panel._set_judges(judges, quorum or len(judges) // 2 + 1, gap)
        return panel

    def _set_judges(self, judges: dict[str, Judge], min_graded: int, gap: float) -> None:
        self._judges, self._min_graded, self._gap = judges, min_graded, gap
        rubrics = {judge.rubric.hash: judge.rubric for judge in judges.values()}
        if len(rubrics) > 1:
            names = ", ".join(sorted({rubric.name for rubric in rubrics.values()}))
            raise ConfigError(
                f"the panel's judges grade by different rubrics: {names}", "give all the same"
            )
        self.rubric = next(iter(rubrics.values()))
        models = [model for judge in judges.values() for model in judge.models]
        self.models = tuple(dict.fromkeys(models))
        caveats = [
            f"median of {len(judges)} judges, of whom {min_graded} must grade: {', '.join(judges)}"
        ]
        if shared := sorted(model for model, times in Counter(models).items() if times > 1):
            caveats.append(f"several judges of the panel are the same model: {', '.join(shared)}")
        for label, judge in judges.items():
            caveats += [f"{label}: {caveat}" for caveat in judge.caveats]
        self.caveats = tuple(caveats)

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """Yield verdicts as `Judge.judge` does. Where one judge cannot go on, the panel cannot."""
        of_judges = [judge.judge(inputs, run) for judge in self._judges.values()]
        for judge_input, *verdicts in zip(inputs, *of_judges, strict=True):
            yield self._combine(judge_input.key, dict(zip(self._judges, verdicts, strict=True)))

    @property
    def asks_by_batches(self) -> bool:
        """Whether a member asks a server by its Batch endpoint."""
        return any(isinstance(j, BatchJudge) and j.asks_by_batches for j in self._judges.values())

    def submit(self, inputs: Sequence[JudgeInput], run: RunContext) -> None:
        """Send the questions of the members that ask by batches, so that these run at once."""
        for judge in self._judges.values():
            if isinstance(judge, BatchJudge) and judge.asks_by_batches:
                judge.submit(inputs, run)

    def estimate(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """Sum the estimates of all judges; the cost is known if that of all who ask is."""
        return sum((judge.estimate(inputs, run) for judge in self._judges.values()), NO_COST)

    def with_rubric(self, rubric: Rubric) -> "Panel | None":
        """Return the panel asked by a rubric in other words; None where a member reads none."""
        judges = {
            label: judge.with_rubric(rubric)
            for label, judge in self._judges.items()
            if isinstance(judge, RewordableJudge)
        }
        members = {label: judge for label, judge in judges.items() if judge is not None}
        if len(members) < len(self._judges):
            return None
        return Panel.from_judges(members, self._min_graded, self._gap)

    def repeat(self, number: int) -> "Panel":
        """Return the panel of another call."""
        judges = {
            label: judge.repeat(number) if isinstance(judge, RepeatableJudge) else judge
            for label, judge in self._judges.items()
        }
        return Panel.from_judges(judges, self._min_graded, self._gap)

    def _combine(self, key: str, verdicts: dict[str, Verdict]) -> Verdict:
        scored = {label: v for label, v in verdicts.items() if v.status == SCORED}
        evidence = {"scored": float(len(scored))}
        medians: dict[str, float] = {}
        flags = dict.fromkeys(flag for v in verdicts.values() for flag in v.flags)
        for criterion in self.rubric.criteria if scored else ():
            name = criterion.name
            grades = {label: v.grades[name] for label, v in scored.items()}
            evidence |= {f"{label}: {name}": grade for label, grade in grades.items()}
            spread = max(grades.values()) - min(grades.values())
            evidence[f"spread: {name}"] = spread
            if spread > self._gap:
                flags[DISAGREEMENT] = None
            medians[name] = float(median(grades.values()))
        reason = ""
        if len(scored) < self._min_graded:
            whys = [f"{label}: {v.reason}" for label, v in verdicts.items() if label not in scored]
            count = f"{len(scored)} of {len(verdicts)} judges graded, {self._min_graded} are needed"
            medians, reason = {}, f"{count} ({'; '.join(whys)})"
        usage: Counter[str] = Counter()
        for verdict in verdicts.values():
            usage.update(verdict.usage)
        return Verdict(
            key,
            medians,
            "unscored" if reason else SCORED,
            reason,
            "\n\n".join(f"[{label}]\n{v.text}" for label, v in verdicts.items() if v.text),
            evidence,
            tuple(flags),
            dict(usage),
            "; ".join(f"{label}: {v.fault}" for label, v in verdicts.items() if v.fault),
        )


def make_judge(spec: JudgeSpec) -> Judge:
    """Return the judge that a setting names."""
    card = cards.find_card(spec.judge, "judge")
    return construct_judge(card, cards.build_config(card, spec.config))


def identify_judge(spec: JudgeSpec) -> dict[str, Any]:
    """Return what the verdicts of such a judge depend on."""
    card = cards.find_card(spec.judge, "judge")
    config = cards.build_config(card, spec.config)
    return {"label": spec.name, **cards.identify_component(card, config)}
