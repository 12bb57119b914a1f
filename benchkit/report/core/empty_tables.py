"""Leave out the tables that say nothing beside the others, with a note where they would be."""

from collections.abc import Sequence
from dataclasses import replace

from benchkit.evaluation.lookup import protocol_by_name, table_by_name
from benchkit.report.core.results import ResultTable

NO_CASE = "no such case"  # status of a complete run in a table of cases that it has none of
_TOLERANCE = 1e-12  # of a mean, whichever order its cases were added in


def omit_equal_tables(tables: Sequence[ResultTable]) -> list[ResultTable]:
    """Leave out each table that ranks another one's answers anew and gets its figures.

    The mean log-probability of a token ranks as their sum does where titles are of one length.
    """
    by_place = {(table.task, table.subgroup, table.protocol): table for table in tables}
    notes: dict[tuple[str, str, str], str] = {}
    remaining = []
    for table in tables:
        name = table_by_name(table.protocol)
        source = by_place.get((table.task, table.subgroup, name.derived_from))
        if source is not None and _has_figures_of(table, source):
            which = (table.task, table.subgroup, source.protocol)
            notes[which] = f"{name.short_title}: the same figures for every method that has them."
        else:
            remaining.append(table)
    return [
        replace(table, notes=(*table.notes, notes[which])) if which in notes else table
        for table in remaining
        for which in [(table.task, table.subgroup, table.protocol)]
    ]


def omit_empty_buckets(
    whole: Sequence[ResultTable], buckets: Sequence[ResultTable]
) -> tuple[list[ResultTable], list[ResultTable]]:
    """Leave out buckets without a figure, and note at the whole tables those that have no case.

    A 5-core has no short history, whatever the suite asks for.
    """
    remaining = [table for table in buckets if any(row.cells for row in table.rows)]
    noted = []
    for table in whole:
        titles = [
            bucket.subgroup
            for bucket in buckets
            if (bucket.task, bucket.protocol) == (table.task, table.protocol)
            and not any(row.cells for row in bucket.rows)
            and any(row.status == NO_CASE for row in bucket.rows)
        ]
        derived = table.protocol != protocol_by_name(table.protocol).name
        note = (f"No case has a {' or a '.join(titles)}.",) if titles and not derived else ()
        noted.append(replace(table, notes=(*table.notes, *note)))
    return noted, remaining


def _has_figures_of(table: ResultTable, source: ResultTable) -> bool:
    """Return whether every figure of a table stands in its source, too, and there are any."""
    source_rows = {row.label: row.cells for row in source.rows}
    pairs = [
        (cell.mean, other.mean if (other := source_rows.get(row.label, {}).get(name)) else None)
        for row in table.rows
        for name, cell in row.cells.items()
    ]
    return bool(pairs) and all(b is not None and abs(a - b) <= _TOLERANCE for a, b in pairs)
