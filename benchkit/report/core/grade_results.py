"""The data of tables of grades."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchkit.report.core.cell import Cell

if TYPE_CHECKING:  # it loads scipy
    from benchkit.report.calibration.measurement import CalibrationReport
    from benchkit.stats.ordinal_mixed_model import OrdinalEffect


@dataclass(frozen=True)
class GradeBucket:
    """Grades of the cases with a history of `low` to `high` events (or more)."""

    low: int
    high: int | None
    n: int
    """Answers with a grade."""
    mean: float | None
    """None where no judged answer has a grade."""
    sd: float | None
    """Of a sample; None where there is no second grade."""


@dataclass(frozen=True)
class GradeComparison:
    """A method beside the one with the highest mean, on the same cases."""

    label: str
    best: str
    better: int
    """Users whose mean grade of `label` is higher than that of `best`."""
    worse: int
    equal: int
    p: float
    """Of the two-sided sign test, Holm-adjusted over the table."""
    ordinal: "OrdinalEffect | None"
    """Log odds of a higher grade for `best`, by a mixed model, with its p Holm-adjusted."""
    missing_reason: str = ""
    """Why there are no log odds."""
    cases: int = 0
    """Cases graded for both."""

    @property
    def users(self) -> int:
        """Users whose cases these are."""
        return self.better + self.worse + self.equal


@dataclass(frozen=True)
class TextStatistics:
    """What is counted in a method's rationales; no judgement of their quality."""

    words: Cell | None
    reading_ease: Cell | None
    distinct_1: float | None
    """Mean over seeds, as the next two."""
    distinct_2: float | None
    self_repetition: float | None
    rouge_l: Cell | None
    """With the user's review of the target, where there is one; so, too, the next."""
    similarity: Cell | None


@dataclass(frozen=True)
class StatementStatistics:
    """What a judge found of the statements of a method's rationales; it enters no grade."""

    statements: Cell
    """Statements of a rationale."""
    shares: dict[str, Cell]
    """Label (`benchkit.judging.statements.statement.LABELS`) -> its share of a rationale's."""
    precision: Cell | None
    """Supported among those that can be checked."""
    recall: Cell | None
    """Share of the reasons in the user's review of the target that are recalled."""
    absent: Cell | None
    """Items named that the method was not shown."""


@dataclass(frozen=True)
class GradeRow:
    """One method, as one judge graded it on one task, over all its seeds."""

    label: str
    family: str
    status: str
    """`complete`, or why there are no grades."""
    n_answers: int = 0
    """Answers looked at."""
    n_graded: int = 0
    """Answers with a grade."""
    stages: dict[str, int] = field(default_factory=dict)
    """Answers by what decided: a `stage` of the judgements."""
    valid: Cell | None = None
    """Share of all answers that name a candidate."""
    correct: Cell | None = None
    """Share of all answers that name the item taken."""
    shares: dict[float, float] = field(default_factory=dict)
    """Grade of the first criterion -> its share of all answers; the rest has no grade."""
    means: dict[str, Cell] = field(default_factory=dict)
    """Criterion -> mean."""
    corrected: dict[str, Cell] = field(default_factory=dict)
    """Criterion -> mean corrected by people's labels; `n` counts labelled answers."""
    mean_if_correct: Cell | None = None
    """Of the first criterion, over answers that name the item taken."""
    length_adjusted_mean: Cell | None = None
    """Of the first criterion, over judged answers, at the table's mean length."""
    hallucinating: Cell | None = None
    """Share of the judged rationales that name an item of the catalogue that is neither in the
    history nor a candidate, where that was counted."""
    injections: int = 0
    """Rationales that speak to the judge."""
    median_words: float | None = None
    text: TextStatistics | None = None
    statements: StatementStatistics | None = None
    """None where the judge checks none."""
    statement_control: StatementStatistics | None = None
    """The same of the control on the same cases."""
    buckets: tuple[GradeBucket, ...] = ()
    """The first criterion by length of history."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class GradeTable:
    """All methods on one task, as one judge graded them."""

    task: str
    judge: str
    """The judge's label."""
    judge_name: str
    """The name it is registered by, e.g. `heuristic`."""
    rubric: dict[str, Any]
    rubric_hash: str
    judged_answer: str
    """Which answer of a case was judged."""
    caveats: tuple[str, ...]
    rows: tuple[GradeRow, ...]
    comparisons: tuple[GradeComparison, ...]
    """Of each method with the one of the highest mean, Holm-adjusted."""
    calibrations: tuple["CalibrationReport", ...] = ()
    """The judge beside people, for each criterion that these graded."""

    @property
    def main_criterion(self) -> str:
        """The criterion that is shown where there is room for one."""
        return str(self.rubric["criteria"][0]["name"])

    @property
    def judge_title(self) -> str:
        """'quality (heuristic)', or the label alone where it says the kind."""
        says = re.search(rf"(?<!\w){re.escape(self.judge_name)}(?!\w)", self.judge, re.IGNORECASE)
        return self.judge if says else f"{self.judge} ({self.judge_name})"
