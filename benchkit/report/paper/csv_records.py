"""The papers' layout as CSV: one line a cell, exact rates."""

import csv
import io
from collections.abc import Sequence

from benchkit.report.paper.paper_table import PaperColumn, PaperRow, PaperTable
from benchkit.runs.records import PlanRecord

PAPER_CSV_COLUMNS = (
    "suite", "protocol", "family", "method", "task", "metric", "mean", "low", "high", "chance",
    "place", "beats_all", "at_chance", "paper", "table", "published", "difference", "status",
)  # fmt: skip


def paper_tables_csv(plan: PlanRecord, layouts: Sequence[PaperTable]) -> str:
    """A line for each cell of ours, published one, and missing one, whose status says why.

    place: 1 for the best of a column, 2 for the second. beats_all, at_chance: the marks, as 0 or 1.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, PAPER_CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for layout in layouts:
        for column in layout.columns:
            places = layout.top_ranks(column)
            for line in layout.rows:
                if found := _cell(layout, line, column):
                    place = places.get(line.label)
                    writer.writerow({"suite": plan.suite, "place": place, **found})
    return out.getvalue()


def _cell(layout: PaperTable, line: PaperRow, column: PaperColumn) -> dict[str, object]:
    """What there is to say of a cell; nothing where there is nothing."""
    task, metric = column
    head = {
        "protocol": layout.protocol, "family": line.family, "method": line.label, "task": task,
        "metric": metric, "chance": layout.chance.get(column), "status": line.missing_reasons.get(task),
    }  # fmt: skip
    ours, theirs = line.cells.get(column), line.published.get(column)
    own: dict[str, object] = {}
    if ours:
        own |= {
            "mean": ours.mean, "low": ours.low, "high": ours.high, "status": "complete",
            "beats_all": int(column in line.significant), "at_chance": int(task in line.at_chance),
        }  # fmt: skip
    if theirs:
        own |= {"paper": theirs.paper, "table": theirs.table, "published": theirs.value}
    if ours and theirs:
        own["difference"] = ours.mean - theirs.value
    return head | own if own or head["status"] else {}
