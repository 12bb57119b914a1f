"""Comparisons two by two as files: every verdict, tables, and exact figures."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from benchkit import io
from benchkit.report.core.text_table import csv_text, render_markdown
from benchkit.report.pairs.pair_summary import PairSummary
from benchkit.report.pairs.tables import pair_tables


def write_pairs(
    table: pl.DataFrame,
    summaries: Sequence[PairSummary],
    usage: Mapping[str, Mapping[str, float]],
    folder: Path,
) -> list[Path]:
    """Write pairs.csv (a row a verdict), pairs.md and pairs.json; return their paths.

    usage: judge -> what its answers used.
    """
    record = {"usage": usage, "tasks": [pair_record(summary) for summary in summaries]}
    texts = {
        "pairs.md": render_markdown(list(pair_tables(summaries))),
        "pairs.csv": csv_text(table.columns, table.iter_rows()),
        "pairs.json": json.dumps(record, indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        io.write_text(folder / name, text)
    return [folder / name for name in texts]


def pair_record(summary: PairSummary) -> dict[str, Any]:
    """Return the figures of a task and judge; None for what there is not."""
    fit, effect = summary.strengths, summary.first_shown
    methods = []
    for i, name in enumerate(summary.methods if fit else ()):
        assert fit is not None  # noqa: S101
        strength = {"log_strength": fit.log_strength[i], "low": fit.low[i], "high": fit.high[i]}
        rates = {
            other: _numbers(
                {"rate": fit.win_rate[i, j], "low": fit.win_low[i, j], "high": fit.win_high[i, j]}
            )
            for j, other in enumerate(summary.methods)
            if i != j
        }
        methods.append({"method": name, **_numbers(strength), "win_rates": rates})
    position = None
    if effect is not None:
        figures = {"preference": effect.value, "low": effect.low, "high": effect.high,
                   "p": effect.p, "detectable": effect.detectable()}  # fmt: skip
        position = {"pairs": summary.both_orders, "inconsistent_share": summary.inconsistent_share,
                    **_numbers(figures)}  # fmt: skip
    return {
        "judge": summary.judge,
        "task": summary.task,
        "pairs": summary.n,
        "users": summary.users,
        "outcomes": summary.counts,
        "tie_parameter": fit.tie if fit else None,
        "methods": methods,
        "position": position,
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(v) else float(v) for name, v in values.items()}
