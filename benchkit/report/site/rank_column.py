"""Ranks on the page: a column of each table that the reader may choose, and one of mean ranks."""

from typing import Any

from benchkit.report.ranking.rank_types import TableRanks
from benchkit.report.ranking.rendering import (
    MEAN_RANK_DIGITS,
    format_rank,
    overall_notes,
    rank_legend,
)
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.runs.records import PlanRecord


def add_ranks(block: dict[str, Any], plan: PlanRecord, ranks: TableRanks | None) -> None:
    """Add to a table's block [text, rank] of each row that has a rank, and what explains them."""
    if ranks is None:
        return
    block["rank_legend"] = rank_legend(plan, ranks)
    for line in block["rows"]:
        if (rank := ranks.rows.get(line["label"])) is not None:
            line["rank"] = [f"{format_rank(rank)} {rank.group}", rank.rank]


def mean_ranks(ranks: SuiteRanks) -> dict[str, Any]:
    """Return by protocol the metric, legend and {label: [text, mean rank]} over tasks."""
    blocks = {}
    for protocol in dict.fromkeys(table.protocol for table in ranks.results.tables):
        if (overall := ranks.overall(protocol)) is not None:
            blocks[protocol] = {
                "metric": overall.metric,
                "legend": overall_notes(overall),
                "rows": {
                    label: [format_rank(rank, MEAN_RANK_DIGITS), round(rank.rank, 4)]
                    for label, rank in overall.rows.items()
                },
            }
    return blocks
