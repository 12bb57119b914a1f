"""Ranks as JSON, and back, so that those of an earlier report can be read."""

from collections.abc import Mapping
from typing import Any

from benchkit.report.incremental.codecs import decode_array, encode_array
from benchkit.report.ranking.rank_types import OverallRanks, RowRank, TableRanks
from benchkit.stats.ranking.paired_statistics import PairedStatistics

_STATISTICS = ("means", "observed", "flips", "squares", "seeded", "shifts", "variances")


def encode_table_ranks(ranks: TableRanks | None) -> dict[str, Any] | None:
    """Return the ranks of a table as JSON; None where it has none."""
    if ranks is None:
        return None
    return {
        "metric": ranks.metric,
        "rows": _encode_rows(ranks.rows),
        "users": ranks.users,
        "left_out": list(ranks.left_out),
        "statistics": {name: encode_array(getattr(ranks.statistics, name)) for name in _STATISTICS},
        "wins": encode_array(ranks.wins),
    }


def decode_table_ranks(record: dict[str, Any] | None) -> TableRanks | None:
    """Return the ranks of `encode_table_ranks`."""
    if record is None:
        return None
    arrays = {name: decode_array(record["statistics"][name]) for name in _STATISTICS}
    return TableRanks(
        record["metric"],
        _decode_rows(record["rows"]),
        record["users"],
        tuple(record["left_out"]),
        PairedStatistics(**arrays),
        decode_array(record["wins"]),
    )


def encode_overall_ranks(ranks: OverallRanks) -> dict[str, Any]:
    """Return mean ranks as JSON."""
    return {
        "metric": ranks.metric,
        "tasks": list(ranks.tasks),
        "rows": _encode_rows(ranks.rows),
        "left_out": list(ranks.left_out),
        "task_wins": encode_array(ranks.task_wins),
        "user_wins": encode_array(ranks.user_wins),
    }


def decode_overall_ranks(record: dict[str, Any]) -> OverallRanks:
    """Return the mean ranks of `encode_overall_ranks`."""
    return OverallRanks(
        record["metric"],
        tuple(record["tasks"]),
        _decode_rows(record["rows"]),
        tuple(record["left_out"]),
        decode_array(record["task_wins"]),
        decode_array(record["user_wins"]),
    )


def _encode_rows(rows: Mapping[str, RowRank]) -> list[list[Any]]:
    return [[label, row.rank, row.low, row.high, row.group] for label, row in rows.items()]


def _decode_rows(lines: list[list[Any]]) -> dict[str, RowRank]:
    return {label: RowRank(rank, low, high, group) for label, rank, low, high, group in lines}
