"""Faults of engines: questions without an answer, because what a server said cannot be read.

A fault is no answer of the model. A few are counted and named; more than a share of the questions
end what is under way, as it would measure the server.
"""

from collections import Counter

from pydantic import BaseModel, ConfigDict

from benchkit.errors import EngineError

DEFAULT_MAX_FAULT_SHARE = 0.02
UNKNOWN_CAUSE = "status 'error' without a cause"
NO_TEXT = (
    "the answer ended at max_tokens without any text (a model's thinking stands elsewhere, in"
    " reasoning_content): raise max_tokens in [decoding], or turn the model's thinking off"
)
_CAUSES_IN_MESSAGE = 3
_RECORDED_CAUSES = 20


def describe_fault(finish: str, text: str, cause: str = "") -> str:
    """Return why an answer is a fault of the engine, '' if it is the model's.

    Args:
        finish: How it ended, as `Completion.finish`.
        text: What it says; a model may spend all its tokens before the first letter.
        cause: What the server did, where that is known.

    >>> describe_fault("length", "So far"), describe_fault("length", " ") == NO_TEXT
    ('', True)
    """
    if finish == "error":
        return cause or UNKNOWN_CAUSE
    return NO_TEXT if finish == "length" and not text.strip() else ""


class FaultTally:
    """Counts the faults among a known number of questions.

    Args:
        total: Number of questions.
        max_share: Share of them that may have faults.
        noun: What the questions are, in messages.
    """

    def __init__(self, total: int, max_share: float = 1.0, noun: str = "cases") -> None:
        self.total, self.max_share, self.noun = total, max_share, noun
        self.causes: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Return how many questions have a fault."""
        return self.causes.total()

    @property
    def share(self) -> float:
        """Return the share of the questions that have a fault."""
        return self.count / self.total if self.total else 0.0

    def add(self, cause: str) -> None:
        """Count the fault of one question; what is not asked yet need not be known.

        Raises:
            EngineError: There are more than `max_share` allows.
        """
        self.causes[cause or UNKNOWN_CAUSE] += 1
        if self.share > self.max_share:
            raise EngineError(
                f"{self.describe()}; at most {self.max_share:.4g} may be (max_fault_share)",
                "mend what the server does, then run again: what a server answered is kept, and"
                " only the rest is asked; or raise max_fault_share",
            )

    def describe(self) -> str:
        """Return how many questions have which fault, in words.

        >>> tally = FaultTally(50)
        >>> tally.add("the content is null")
        >>> tally.describe()
        '1 of 50 cases without a readable answer (.020): the content is null'
        """
        causes = self.causes.most_common(_CAUSES_IN_MESSAGE)
        several = len(self.causes) > 1
        parts = [f"{n} x {cause}" if several else cause for cause, n in causes]
        if len(self.causes) > len(parts):
            parts.append(f"{len(self.causes) - len(parts)} other causes")
        share = f"{self.share:.3f}".removeprefix("0")
        return (
            f"{self.count} of {self.total} {self.noun} without a readable answer ({share}):"
            f" {'; '.join(parts)}"
        )


class FaultRecord(BaseModel):
    """What a manifest records of a tally of faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    """The protocol, or the judge."""
    faults: int
    total: int
    """Questions."""
    causes: dict[str, int]
    """Cause -> questions, the most frequent causes."""

    @classmethod
    def from_tally(cls, stage: str, tally: FaultTally) -> "FaultRecord":
        """Return the record of counted faults."""
        causes = dict(tally.causes.most_common(_RECORDED_CAUSES))
        return cls(stage=stage, faults=tally.count, total=tally.total, causes=causes)

    @property
    def share(self) -> float:
        """Share of the questions that have faults."""
        return self.faults / self.total
