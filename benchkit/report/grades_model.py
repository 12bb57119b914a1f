"""What tables of grades are made of."""

from dataclasses import dataclass, field
from typing import Any

from benchkit.report.model import Cell
from benchkit.stats.ordinal_mixed import OrdinalEffect


@dataclass(frozen=True)
class Bucket:
    """Grades of the cases with a history of `low` to `high` events (or more). sd: of a sample."""

    low: int
    high: int | None
    n: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Comparison:
    """A method beside the one with the highest mean, on the same cases.

    better, worse, equal: cases on which the method's grade is higher, lower or the same as that
    of `best`. p: two-sided sign test, Holm-adjusted over the table. ordinal: log odds of a higher
    grade for `best`, by a mixed model, its p Holm-adjusted, too; None where the counts do not allow
    it.
    """

    label: str
    best: str
    better: int
    worse: int
    equal: int
    p: float
    ordinal: OrdinalEffect | None


@dataclass(frozen=True)
class GradeRow:
    """One method, as one judge graded it on one task, over all its seeds.

    status: "complete", or why there are no grades. asked: answers looked at; scored: those with a
    grade. stages: answers by what decided (`invalid`, `wrong`, `missing`, `judged`).
    shares: grade -> share of all answers asked, of the first criterion; the rest is unscored.
    means: mean of each criterion. given_correct: of the first, over answers that name the item
    taken. at_length: of the first, over judged answers, at the table's mean length. hallucinating:
    share of the judged rationales that name an item of the catalogue from nowhere, where the judge
    counts them. words: median. buckets: the first criterion by length of history.
    """

    label: str
    family: str
    status: str
    asked: int = 0
    scored: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    shares: dict[float, float] = field(default_factory=dict)
    means: dict[str, Cell] = field(default_factory=dict)
    given_correct: Cell | None = None
    at_length: Cell | None = None
    hallucinating: Cell | None = None
    injections: int = 0
    words: float | None = None
    buckets: tuple[Bucket, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class GradeTable:
    """All methods on one task, as one judge graded them.

    answers: which answer of a case was judged. comparisons: of each method with the one of the
    highest mean, Holm-adjusted.
    """

    task: str
    judge: str
    rubric: dict[str, Any]
    rubric_hash: str
    answers: str
    remarks: tuple[str, ...]
    rows: tuple[GradeRow, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def main(self) -> str:
        """The criterion that is shown where there is room for one."""
        return str(self.rubric["criteria"][0]["name"])
