"""How the preferences of a run were made, and how often choice and coherence are at odds."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel

from benchkit.report.training.artifacts import read_artifact, read_artifact_lines
from benchkit.runs.store import Run


class _Item(BaseModel):
    score: float | None = None


class _Preference(BaseModel):
    """The fields of a line of preferences.jsonl that matter here."""

    chosen: _Item
    rejected: tuple[_Item, ...]


class ElicitationCounts(BaseModel):
    """preferences.json: what became of the preferences that a teacher was asked for."""

    asked: int
    """Users asked about."""
    incomplete: int
    tied: int
    kept: int
    conflicts: float
    """Share in which a rejected item scores higher than the chosen one."""
    weak: float
    """Share whose chosen item scores below 4."""


@dataclass(frozen=True)
class PreferenceConflicts:
    """Shares of scored preferences in which a rejected item is as coherent as the chosen one.

    Reference: C-APO, Figure 3.
    """

    n: int
    """Preferences of which all items have scores."""
    share: float
    """Where a rejected item scores higher than the chosen one."""
    hard: float | None
    """Of preferences with several rejected items, where the first scores higher; None without."""
    easy: float | None
    """Of preferences with several rejected items, where the last scores higher; None without."""
    equal: float
    """Where the best rejected item scores just as high as the chosen one."""
    counts: ElicitationCounts | None
    """None if no teacher was asked."""


def read_conflicts(run: Run) -> PreferenceConflicts | None:
    """Read preferences.jsonl and preferences.json; None where preferences have no scores."""
    path, summary = run.artifacts / "preferences.jsonl", run.artifacts / "preferences.json"
    scored = []
    for preference in read_artifact_lines(path, _Preference) if path.is_file() else []:
        items = (preference.chosen, *preference.rejected)
        scores = [item.score for item in items if item.score is not None]
        if preference.rejected and len(scores) == len(items):
            scored.append(scores)
    if not scored:
        return None
    several = [scores for scores in scored if len(scores) > 2]
    return PreferenceConflicts(
        n=len(scored),
        share=_share(max(scores[1:]) > scores[0] for scores in scored),
        hard=_share(scores[1] > scores[0] for scores in several) if several else None,
        easy=_share(scores[-1] > scores[0] for scores in several) if several else None,
        equal=_share(max(scores[1:]) == scores[0] for scores in scored),
        counts=read_artifact(summary, ElicitationCounts) if summary.is_file() else None,
    )


def _share(values: Iterable[bool]) -> float:
    flags = list(values)
    return sum(flags) / len(flags)
