"""Comparisons two by two as files: every verdict, tables, and exact figures."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from benchkit.report.core.file_names import label_stem, write_judge_files
from benchkit.report.pairs.pair_summary import PairSummary
from benchkit.report.pairs.tables import describe_pairs, explain_strengths, pair_tables


def write_pairs(
    table: pl.DataFrame,
    summaries: Sequence[PairSummary],
    usage: Mapping[str, Mapping[str, float]],
    folder: Path,
) -> list[Path]:
    """Write the comparisons of each judge into files of its own; return their paths.

    pairs-JUDGE.csv has a row a verdict, pairs-JUDGE.md the tables, pairs-JUDGE.json the figures.
    Those of judges that are not in `summaries` stay.

    usage: judge -> what its answers used.
    """
    paths = []
    judges = list(dict.fromkeys(summary.judge for summary in summaries))
    for judge in judges:
        stem = label_stem("pairs", judge, folder)
        of_judge = [summary for summary in summaries if summary.judge == judge]
        record = {
            "synthetic": any(summary.is_synthetic for summary in of_judge),
            "usage": {judge: usage.get(judge, {})},
            "tasks": [pair_record(summary) for summary in of_judge],
        }
        tables = list(pair_tables(of_judge))
        paths += write_judge_files(folder, stem, tables, table.filter(judge=judge), record)
    return paths


def find_dropped_tasks(summaries: Sequence[PairSummary], folder: Path) -> dict[str, list[str]]:
    """Return judge -> tasks that its files hold and `write_pairs` of `summaries` would drop."""
    dropped = {}
    for judge in dict.fromkeys(summary.judge for summary in summaries):
        path = folder / f"{label_stem('pairs', judge, folder)}.json"
        try:
            tasks = [str(one["task"]) for one in json.loads(path.read_text("utf-8"))["tasks"]]
        except (OSError, ValueError, KeyError, TypeError):  # none, or not written by us
            continue
        present = {summary.task for summary in summaries if summary.judge == judge}
        if others := [task for task in dict.fromkeys(tasks) if task not in present]:
            dropped[judge] = others
    return dropped


def pair_record(summary: PairSummary) -> dict[str, Any]:
    """Return the figures of a task and judge; None for what there is not, or is not finite."""
    fit, effect = summary.strengths, summary.first_shown
    methods = []
    for i, name in enumerate(summary.methods if fit else ()):
        assert fit is not None  # noqa: S101
        strength = {"log_strength": fit.log_strength[i], "low": fit.low[i], "high": fit.high[i]}
        won = {"rate": fit.won[i], "low": fit.won_low[i], "high": fit.won_high[i]}
        rates = {
            other: _numbers(
                {"rate": fit.win_rate[i, j], "low": fit.win_low[i, j], "high": fit.win_high[i, j]}
            )
            for j, other in enumerate(summary.methods)
            if i != j
        }
        shares = {"won": _numbers(won), "win_rates": rates}
        methods.append({"method": name, **_numbers(strength), **shares})
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
        "tie_parameter": fit.tie if fit and math.isfinite(fit.tie) else None,
        "methods": methods,
        "position": position,
        "not_compared": dict(summary.left_out),
        "caveats": summary.caveats,
        "notes": [*(explain_strengths(fit) if fit else ()), *describe_pairs(summary)],
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(v) if math.isfinite(v) else None for name, v in values.items()}
