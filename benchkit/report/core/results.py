"""What a report is made of: rows, tables, and the results of a suite."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeTable
from benchkit.runs.records import PlanRecord

ColumnT = TypeVar("ColumnT")


@dataclass(frozen=True)
class ResultRow:
    """One method on one task under one protocol, over all its seeds."""

    task: str
    protocol: str
    label: str
    family: str
    status: str
    """`complete`, or what keeps the row from being a result, in words."""
    seeds: tuple[int, ...] = ()
    run_ids: tuple[str, ...] = ()
    cells: dict[str, Cell] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    """Means over seeds of fit_seconds etc."""
    caveats: tuple[str, ...] = ()
    """What a reader must know of the row."""
    device: str = ""
    """Where it ran."""
    external: bool = False
    """Whether it was imported."""


@dataclass(frozen=True)
class ResultTable:
    """The rows of one task under one protocol, with the chance level of each metric."""

    task: str
    protocol: str
    subgroup: str
    """Which of the cases it is about, in words; empty for all of them."""
    chance: dict[str, float]
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...]
    decoding: Mapping[str, float] = field(default_factory=dict)
    """How sampled answers were drawn; empty for other protocols."""
    other_chance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Chance of rows that were asked under another protocol; only mixed tables have such rows."""

    @property
    def chance_rows(self) -> list[tuple[str, Mapping[str, float]]]:
        """The levels of chance with their titles: one, or one for each protocol of its rows."""
        return chance_rows(self.chance, self.other_chance)

    def chance_of(self, row: ResultRow, metric: str) -> float | None:
        """Return the level of chance of a row's figure; None where there is none."""
        return self.other_chance.get(row.protocol, self.chance).get(metric)


@dataclass(frozen=True)
class SuiteTables:
    """All tables of a suite."""

    plan: PlanRecord
    tables: tuple[ResultTable, ...]
    grades: tuple[GradeTable, ...] = ()
    """What judges made of the rationales."""

    @property
    def damaged_rows(self) -> list[str]:
        """Rows without figures because their records are damaged: "task / label: damaged: ..."."""
        rows = [
            f"{row.task} / {row.label}: {row.status}" for table in self.tables for row in table.rows
        ]
        rows += [
            f"{table.task} / {row.label} / {table.judge}: {row.status}"
            for table in self.grades
            for row in table.rows
        ]
        return list(dict.fromkeys(row for row in rows if ": damaged: " in row))


def chance_rows(
    chance: Mapping[ColumnT, float], other_chance: Mapping[str, Mapping[ColumnT, float]]
) -> list[tuple[str, Mapping[ColumnT, float]]]:
    """Return levels of chance with their titles: "Chance", or "Chance, sampled" and so on."""
    if not other_chance:
        return [("Chance", chance)]
    others = [(f"Chance, {name}", levels) for name, levels in other_chance.items()]
    return [("Chance, scored", chance), *others]
