"""Probes of judges as files: tables, exact figures, and the same as JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from benchkit.report.core.file_names import label_stem, write_judge_files
from benchkit.report.probes.tables import probe_tables
from benchkit.stats.bias_test import LEVEL, POWER


def write_probes(
    summary: pl.DataFrame,
    unmeasured: pl.DataFrame,
    folder: Path,
    caveats: Mapping[str, Sequence[str]] | None = None,
    is_synthetic: bool = False,
) -> list[Path]:
    """Write the probes of each judge into files of its own; return their paths.

    They are probes-JUDGE.md, .csv and .json; those of other judges stay.

    Args:
        summary: Rows of `summarize_probes` with the column `judge`, whose tests are adjusted
            together.
        unmeasured: Probes that were not measured: judge, probe, reason.
        folder: Where files are written.
        caveats: Judge -> what a reader of its grades must know.
        is_synthetic: Whether the answers are to generated data.
    """
    paths = []
    judges = summary["judge"].unique(maintain_order=True).to_list()
    tables = list(probe_tables(summary, unmeasured, caveats, is_synthetic))
    for place, judge in enumerate(judges):
        stem = label_stem("probes", judge, folder)
        rows, lacking = summary.filter(judge=judge), unmeasured.filter(judge=judge)
        record = {
            "synthetic": is_synthetic,
            "level": LEVEL,
            "power": POWER,
            "tests": summary["p"].drop_nulls().len(),
            "probes": rows.to_dicts(),
            "not_measured": lacking.to_dicts(),
            "caveats": list((caveats or {}).get(judge, ())),
        }
        paths += write_judge_files(folder, stem, tables[2 * place : 2 * place + 2], rows, record)
    return paths
