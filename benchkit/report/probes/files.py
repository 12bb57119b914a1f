"""Probes of judges as files: tables, exact figures, and the same as JSON."""

import json
from pathlib import Path

import polars as pl

from benchkit import io
from benchkit.report.core.text_table import csv_text, render_markdown
from benchkit.report.probes.tables import probe_tables
from benchkit.stats.bias_test import LEVEL, POWER


def write_probes(summary: pl.DataFrame, unmeasured: pl.DataFrame, folder: Path) -> list[Path]:
    """Write probes.md, probes.csv and probes.json into a folder; return their paths."""
    record = {
        "level": LEVEL,
        "power": POWER,
        "tests": summary["p"].drop_nulls().len(),
        "probes": summary.to_dicts(),
        "not_measured": unmeasured.to_dicts(),
    }
    texts = {
        "probes.md": render_markdown(list(probe_tables(summary, unmeasured))),
        "probes.csv": csv_text(summary.columns, summary.iter_rows()),
        "probes.json": json.dumps(record, indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        io.write_text(folder / name, text)
    return [folder / name for name in texts]
