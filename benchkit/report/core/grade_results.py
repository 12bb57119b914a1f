"""What tables of grades are made of."""

import re
from dataclasses import dataclass, field
from typing import Any

from benchkit.report.core.results import Cell
from benchkit.stats.ordinal_mixed_model import OrdinalEffect


@dataclass(frozen=True)
class GradeBucket:
    """Grades of the cases with a history of `low` to `high` events (or more).

    n: answers with a grade. mean: None where no judged answer has one. sd: of a sample, None where
    there is no second grade.
    """

    low: int
    high: int | None
    n: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class GradeComparison:
    """A method beside the one with the highest mean, on the same cases.

    better, worse, equal: cases on which the method's grade is higher, lower or the same as that
    of `best`. p: two-sided sign test, Holm-adjusted over the table. ordinal: log odds of a higher
    grade for `best`, by a mixed model, its p Holm-adjusted, too; or None, and `without` says why.
    """

    label: str
    best: str
    better: int
    worse: int
    equal: int
    p: float
    ordinal: OrdinalEffect | None
    missing_reason: str = ""


@dataclass(frozen=True)
class GradeRow:
    """One method, as one judge graded it on one task, over all its seeds.

    status: "complete", or why there are no grades. asked: answers looked at; scored: those with a
    grade. stages: answers by what decided (a `stage` of `records.JUDGEMENTS`). valid, right: share
    of all answers asked that name a candidate, that name the item taken.
    shares: grade -> share of all answers asked, of the first criterion; the rest is unscored.
    means: mean of each criterion. given_correct: of the first, over answers that name the item
    taken. at_length: of the first, over judged answers, at the table's mean length. hallucinating:
    share of the judged rationales that name an item of the catalogue from nowhere, where that was
    counted. words: median. buckets: the first criterion by length of history.
    """

    label: str
    family: str
    status: str
    n_answers: int = 0
    n_graded: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    valid: Cell | None = None
    correct: Cell | None = None
    shares: dict[float, float] = field(default_factory=dict)
    means: dict[str, Cell] = field(default_factory=dict)
    mean_if_correct: Cell | None = None
    length_adjusted_mean: Cell | None = None
    hallucinating: Cell | None = None
    injections: int = 0
    median_words: float | None = None
    buckets: tuple[GradeBucket, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class GradeTable:
    """All methods on one task, as one judge graded them.

    judge: its label. kind: the name it is registered by, e.g. `heuristic`. answers: which answer of
    a case was judged. comparisons: of each method with the one of the highest mean, Holm-adjusted.
    """

    task: str
    judge: str
    judge_name: str
    rubric: dict[str, Any]
    rubric_hash: str
    judged_answer: str
    caveats: tuple[str, ...]
    rows: tuple[GradeRow, ...]
    comparisons: tuple[GradeComparison, ...]

    @property
    def main_criterion(self) -> str:
        """The criterion that is shown where there is room for one."""
        return str(self.rubric["criteria"][0]["name"])

    @property
    def judge_title(self) -> str:
        """'quality (heuristic)', or the label alone where it says the kind."""
        says = re.search(rf"(?<!\w){re.escape(self.judge_name)}(?!\w)", self.judge, re.IGNORECASE)
        return self.judge if says else f"{self.judge} ({self.judge_name})"
