"""What a call of `run` or `judge` did."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunReport:
    """What a call of `run` did.

    Attributes:
        n_runs: Runs that were asked for.
        n_computed: Those computed now; the others were in the store.
        n_failed: Runs, judgements and methods that failed or are not installed.
        n_judgements: Judgements made now; None where the suite has no judges.
    """

    n_runs: int = 0
    n_computed: int = 0
    n_failed: int = 0
    n_judgements: int | None = None

    @property
    def line(self) -> str:
        """What was done, in words."""
        judged = "" if self.n_judgements is None else f", {self.n_judgements} judgements made now"
        return f"{self.n_runs} runs, {self.n_computed} computed now{judged}"
