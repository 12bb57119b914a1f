"""What a report is made of: cells, rows and tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchkit.runs.records import PlanRecord

if TYPE_CHECKING:
    from benchkit.report.core.grade_results import GradeTable

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class Cell:
    """One metric of one row. `p` is Holm-adjusted over the rows of its table column.

    low, high: 95 % interval over users, None where a metric has no per-case values.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    p: float | None = None

    @property
    def above_chance(self) -> bool | None:
        """Whether it is significantly above chance; None where chance says nothing."""
        return None if self.p is None else self.p < SIGNIFICANCE_LEVEL


@dataclass(frozen=True)
class ResultRow:
    """One method on one task under one protocol, over all its seeds.

    status: "complete", or what keeps the row from being a result, in words.
    cost: mean over seeds of fit_seconds etc. caveats: what a reader must know of it. device: where
    it ran. external: whether it was imported.
    """

    task: str
    protocol: str
    label: str
    family: str
    status: str
    seeds: tuple[int, ...] = ()
    run_ids: tuple[str, ...] = ()
    cells: dict[str, Cell] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    device: str = ""
    external: bool = False


@dataclass(frozen=True)
class ResultTable:
    """The rows of one task under one protocol, with the chance level of each metric.

    subgroup: which of the cases it is about, in words; empty for all of them.
    decoding: how sampled answers were drawn; empty for other protocols.
    """

    task: str
    protocol: str
    subgroup: str
    chance: dict[str, float]
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...]
    decoding: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """All tables of a suite. grades: what judges made of the rationales."""

    plan: PlanRecord
    tables: tuple[ResultTable, ...]
    grades: tuple["GradeTable", ...] = ()
