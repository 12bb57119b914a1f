"""What a call of `run` or `judge` did."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchkit.count_text import count_text

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.runs.job import Outcome


@dataclass(frozen=True)
class RunReport:
    """What a call of `run` did.

    Attributes:
        n_runs: Runs that were asked for.
        n_computed: Those computed now; the others were in the store.
        linked: Suite -> how many of its runs were linked now, as they are the same as runs here.
        n_failed: Runs, judgements and methods that failed or are not installed.
        n_judgements: Judgements made now; None where the suite has no judges.
    """

    n_runs: int = 0
    n_computed: int = 0
    n_failed: int = 0
    n_judgements: int | None = None
    linked: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield what was done in words, a line each."""
        yield f"{count_text(self.n_runs, 'run')}, {self.n_computed} computed now"
        for suite, count in self.linked.items():
            yield f"linked {count_text(count, 'run')} of suite {suite}"
        if self.n_judgements is not None:
            yield f"{count_text(self.n_judgements, 'judgement')} made now"


def print_old_failure(console: "Console", outcome: "Outcome") -> None:
    """Say that a run failed in an earlier call and was not done again, if that is so."""
    from rich.text import Text

    if outcome.manifest.status == "failed" and not outcome.computed:
        line = f" {outcome.job.title}, earlier: {outcome.manifest.error}"
        console.print(Text("failed", "red").append(line, "default"), soft_wrap=True)
        console.print("  do it again with --overwrite failed", highlight=False)
