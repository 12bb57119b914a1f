"""Statements of a rationale, and what a check says of each."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol, runtime_checkable

from benchkit.judging.verdicts import JudgeInput
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.runs.record_values import StatementLabel
from benchkit.types import RunContext

_WORST_FIRST: Final[tuple[StatementLabel, ...]] = (
    "contradicted", "not_supported", "supported", "not_checkable", "unread", "no_answer",
)  # fmt: skip


class Statement(NamedTuple):
    """A part of a rationale that says one thing: characters `start:stop` of it."""

    text: str
    start: int
    stop: int


class StatementCheck(NamedTuple):
    """What a check says of one statement."""

    start: int
    """Its first character in the rationale."""
    stop: int
    """The character after its last."""
    label: StatementLabel
    reason: str
    """Why, in words; for a model its reply."""
    usage: Mapping[str, float] = MappingProxyType({})
    """What asking for it took, e.g. {"prompt_tokens": 812}."""


@runtime_checkable
class StatementChecker(Protocol):
    """A judge that also checks the statements of rationales, apart from its grades."""

    @property
    def checks_statements(self) -> bool:
        """Whether it does, by its settings."""

    def check_statements(
        self, inputs: Sequence[JudgeInput], run: RunContext
    ) -> Iterator[tuple[StatementCheck, ...]]:
        """Yield the checks of each input's statements, in the order of the inputs and texts."""

    def estimate_statements(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """Estimate what `check_statements` would ask a language model for, without asking."""


def worst_label(labels: Sequence[StatementLabel]) -> StatementLabel:
    """Return the label of a text by those of its statements: one fault makes it faulty.

    >>> worst_label(["not_checkable", "supported", "contradicted"])
    'contradicted'
    >>> worst_label([])
    'not_checkable'
    """
    return next((label for label in _WORST_FIRST if label in labels), "not_checkable")
