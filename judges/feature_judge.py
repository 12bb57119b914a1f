"""What judges that grade the features of rationales share: they ask no language model."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.judging.verdicts import INJECTION, JudgeInput, Verdict
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.teachers.encoder import TextEncoder
from benchkit.types import RunContext
from judges.features import FeatureReader
from judges.injection import detect_injection

EMPTY_RATIONALE = "the rationale is empty"
UNKNOWN_ITEM = "the recommended item is not in the catalogue"
_AT_ONCE = 1024  # inputs whose texts are encoded together

Grades = dict[str, float]
"""Criterion -> grade."""
Evidence = dict[str, float]
"""Name -> number that the grades rest on."""


class FeatureJudge(ABC):
    """Reads the features of rationales and grades them; a subclass says how."""

    models: tuple[str, ...] = ()
    gives_margins = False
    """Whether evidence has the probability of each grade."""

    def __init__(self, rubric: str, encoder: TextEncoder | None = None) -> None:
        self.rubric: Rubric = load_rubric(rubric)
        self._reader = FeatureReader(encoder)

    @abstractmethod
    def grade(
        self, judge_input: JudgeInput, features: Mapping[str, float]
    ) -> tuple[Grades, Evidence]:
        """Return the grades of an input from its `FEATURES`, and what they rest on."""

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """Yield verdicts as `Judge.judge` does."""
        for start in range(0, len(inputs), _AT_ONCE):
            part = inputs[start : start + _AT_ONCE]
            for judge_input, features in zip(part, self._reader.read(part, run), strict=True):
                yield self._verdict(judge_input, features)

    def estimate(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:  # noqa: ARG002
        """Return no cost: no language model is asked."""
        return CostEstimate(0, 0, 0, 0.0, 0)

    def _verdict(self, judge_input: JudgeInput, features: Mapping[str, float] | None) -> Verdict:
        if features is None or not judge_input.rationale.strip():
            reason = EMPTY_RATIONALE if features else UNKNOWN_ITEM
            return Verdict(judge_input.key, {}, "unscored", reason)
        grades, evidence = self.grade(judge_input, features)
        flags = (INJECTION,) if detect_injection(judge_input.rationale, self.rubric) else ()
        return Verdict(judge_input.key, grades, evidence=evidence, flags=flags)
