"""What judges said of a run, as the page shows it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchkit.store import Run


@dataclass(frozen=True)
class Verdicts:
    """One judge's verdicts of one run. rows: by case id; `grades` is {criterion: grade}."""

    label: str
    rows: dict[str, dict[str, Any]]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """{"judge", "cases", "scored": cases with a grade, "means": {criterion: mean grade}}.

        What a judge could not grade is in no mean; how much that is can be seen.
        """
        graded = [row["grades"] for row in self.rows.values() if row["status"] == "scored"]
        names = dict.fromkeys(name for grades in graded for name in grades)
        values = {name: [g[name] for g in graded if name in g] for name in names}
        return {
            "judge": self.label,
            "cases": len(self.rows),
            "scored": len(graded),
            "means": {name: f"{sum(found) / len(found):.3f}" for name, found in values.items()},
        }


def read(run: Run) -> list[Verdicts]:
    """All complete judgements of a run, in the order of their files."""
    return [
        Verdicts(
            judgement.label,
            {
                row["case_id"]: {**row, "grades": grades(row["grades"])}
                for row in run.verdicts(judgement).iter_rows(named=True)
            },
        )
        for judgement in run.judgements()
        if judgement.status == "complete"
    ]


def case_ids(run: Run) -> list[str]:
    """Cases that some judge was shown, or would have been."""
    return [
        case
        for judgement in run.judgements()
        if judgement.status == "complete"
        for case in run.verdicts(judgement)["case_id"]
    ]


def grades(stored: list[dict[str, Any]]) -> dict[str, float]:
    """Criterion -> grade, from a list of {criterion, grade}."""
    return {entry["criterion"]: entry["grade"] for entry in stored}
