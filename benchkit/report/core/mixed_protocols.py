"""Tables of one protocol, and the mixed ones: sampled figures beside scored ones, as papers print.

Papers sample the answers of language models and let the others score the same candidates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import DEFAULT_PROTOCOL, default_protocol, protocol_by_name
from benchkit.report.core.labels import MIXED, SAMPLED, SAMPLED_MARK, decoding_title
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables

SCORED = DEFAULT_PROTOCOL.name
# What the two protocols call by one name and count differently; a table has room for one of them.
_OF_SAMPLES = ("valid", "unique", "truncated")


def choose_protocol(results: SuiteTables) -> str:
    """Return what stands beside papers' figures: `mixed` where results allow it, else the default.

    Papers rank candidates, whichever way; so a suite of `full` alone has no such protocol, and its
    first one is returned.
    """
    return MIXED if _can_mix(results) else default_protocol(results.plan.protocols)


def known_protocols(results: SuiteTables) -> list[str]:
    """Return the protocols with tables, `mixed` last where there is one."""
    names = list(dict.fromkeys(table.protocol for table in results.tables))
    return [*names, *[MIXED] * _can_mix(results)]


def select_protocol(results: SuiteTables, protocol: str) -> SuiteTables:
    """Return the results with the tables of one protocol alone.

    Raises:
        ConfigError: There are none.
    """
    if protocol not in (known := known_protocols(results)):
        why = "it has no results"
        if protocol == MIXED:
            why = "it needs results of a method that is sampled and of one that is scored"
        raise ConfigError(
            f"--protocol {protocol}: {why}", f"choose of: {', '.join(known) or 'none was run'}"
        )
    if protocol != MIXED:
        tables = tuple(table for table in results.tables if table.protocol == protocol)
        return replace(results, tables=tables)
    sampled = {
        (table.task, table.subgroup): table for table in results.tables if table.protocol == SAMPLED
    }
    mixed = tuple(
        _mix(table, sampled.get((table.task, table.subgroup)), results.plan.labels)
        for table in results.tables
        if table.protocol == SCORED
    )
    return replace(results, tables=mixed)


def _can_mix(results: SuiteTables) -> bool:
    names = {table.protocol for table in results.tables if any(row.cells for row in table.rows)}
    return {SAMPLED, SCORED} <= names


def _mix(scored: ResultTable, sampled: ResultTable | None, labels: Sequence[str]) -> ResultTable:
    """Return the sampled row of each method that has one, else its scored one."""
    if sampled is None:
        return replace(scored, protocol=MIXED)
    scored_rows, sampled_rows = ({r.label: r for r in table.rows} for table in (scored, sampled))
    pairs = ((scored_rows.get(label), sampled_rows.get(label)) for label in labels)
    rows = [row for pair in pairs if (row := _choose(*pair))]
    return replace(
        scored,
        protocol=MIXED,
        rows=tuple(rows),
        other_chance={SAMPLED: sampled.chance} if sampled.chance else {},
        notes=(*_explain(rows, sampled), *_shared_notes(scored, sampled)),
    )


def _choose(scored: ResultRow | None, sampled: ResultRow | None) -> ResultRow | None:
    if scored is None or (sampled is not None and (sampled.cells or not scored.cells)):
        return sampled
    cells = {name: cell for name, cell in scored.cells.items() if name not in _OF_SAMPLES}
    return replace(scored, cells=cells)


def _explain(rows: Iterable[ResultRow], sampled: ResultTable) -> list[str]:
    if not any(row.cells and row.protocol == SAMPLED for row in rows):
        return []
    drawn = f" ({decoding_title(sampled.decoding)})" if sampled.decoding else ""
    legend = protocol_by_name(SAMPLED).legend
    return [
        f"{SAMPLED_MARK} sampled{drawn}: {legend} The other rows rank scores of all candidates."
    ]


def _shared_notes(scored: ResultTable, sampled: ResultTable) -> list[str]:
    """Return the notes of both; which methods lack one of the protocols is no news here."""
    unsupported = tuple(protocol_by_name(name).unsupported_note for name in (SCORED, SAMPLED))
    notes = dict.fromkeys((*scored.notes, *sampled.notes))
    return [note for note in notes if not note.startswith(unsupported)]
