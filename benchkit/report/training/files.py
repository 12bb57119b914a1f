"""Diagnoses of preference training as files and as a table."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchkit import io
from benchkit.report.core.file_names import unique_stems
from benchkit.report.core.text_table import TextTable, csv_text
from benchkit.report.training.diagnostics import Diagnosis, SuiteDiagnoses
from benchkit.report.training.preference_conflicts import PreferenceConflicts
from benchkit.report.training.trace_statistics import (
    PHASES,
    phase_steps,
    saturated_shares,
    smooth,
    weight_bins,
    weight_gap_correlations,
)
from benchkit.report.training.training_trace import FloatArray, column_nan_means

_CONFLICT_COLUMNS = ("task", "method", "seed", "n", "share", "hard", "easy", "equal")
_HEADER = (
    "Method", "Steps", "Margin", "Leads", "|βd| > 10", "Saturated w", "Pearson", "Spearman",
    "Conflicts",
)  # fmt: skip
_NOTE = (
    "a > b: means of the first and of the last fifth of the steps.  |βd| > 10: share of the"
    " utilities.  Saturated w: share of the weights below .01 or above .99.  Conflicts: share of"
    " the preferences with a rejected item that scores higher than the chosen one."
)


def diagnosis_folders(suite: SuiteDiagnoses) -> list[str]:
    """Return a unique `<task>-<label>` for each diagnosis, with the seed if a row has several."""
    rows = Counter((d.task, d.label) for d in suite.diagnoses)
    return list(
        unique_stems(
            (d.task, d.label, *([f"seed{d.seed}"] if rows[d.task, d.label] > 1 else []))
            for d in suite.diagnoses
        )
    )


def write_diagnosis_tables(suite: SuiteDiagnoses, folder: Path) -> list[Path]:
    """Write the tables of each run and the conflicts of all, and return their paths.

    A run has steps.csv, summary.json and, where there are weights, weights.csv; conflicts.csv is
    of the runs whose preferences have scores.
    """
    paths = []
    for diagnosis, name in zip(suite.diagnoses, diagnosis_folders(suite), strict=True):
        run_folder = folder / name
        paths.append(_write_csv(run_folder / "steps.csv", *_steps(diagnosis)))
        if bins := [asdict(weight_bin) for weight_bin in weight_bins(diagnosis.trace)]:
            paths.append(_write_csv(run_folder / "weights.csv", list(bins[0]), bins))
        paths.append(run_folder / "summary.json")
        io.write_json(paths[-1], diagnosis_summary(diagnosis))
    conflicts = [
        {"task": d.task, "method": d.label, "seed": d.seed, **asdict(d.conflicts)}
        for d in suite.diagnoses
        if d.conflicts is not None
    ]
    if conflicts:
        paths.append(_write_csv(folder / "conflicts.csv", _CONFLICT_COLUMNS, conflicts))
    return paths


def diagnosis_summary(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the content of summary.json.

    It has means over the first and over the last fifth of the steps (`start`, `end`),
    correlations of weight and score gap, and how preferences were made. `beyond_10` is of the
    utilities, those with |beta d| > 10; `saturated_weights` of the weights, those below .01 or
    above .99, None where there are none.
    """
    trace, saturated = diagnosis.trace, saturated_shares(diagnosis.trace)
    phases: dict[str, Any] = {}
    for phase in PHASES:
        steps = phase_steps(trace, phase)
        margin = _means(trace.margin[steps])
        phases[phase] = {
            "steps": len(trace.step[steps]),
            "margin": dict(zip(diagnosis.rejected_names, margin, strict=True)),
            "leads": round(float(trace.lead_shares[steps].mean()), 6),
            "beyond_10": round(float(trace.beyond_10[steps].mean()), 6),
            "saturated_weights": _means(saturated[steps, None])[0],
            "beta": round(float(trace.beta[steps].mean()), 6),
        }
    return {
        "task": diagnosis.task,
        "method": diagnosis.label,
        "seed": diagnosis.seed,
        "run_id": diagnosis.run_id,
        "status": diagnosis.status,
        "steps": len(trace.step),
        **phases,
        "weight_and_score_gap": [_rounded(asdict(c)) for c in weight_gap_correlations(trace)],
        "conflicts": None if diagnosis.conflicts is None else _counts(diagnosis.conflicts),
    }


def diagnosis_table(suite: SuiteDiagnoses) -> TextTable:
    """Return a row for each run; `a > b` is from the first to the last fifth of the steps."""
    return TextTable(
        f"{suite.heading}: preference training", _HEADER,
        tuple(_table_row(diagnosis) for diagnosis in suite.diagnoses),
        (_NOTE, *(f"not shown: {reason}" for reason in suite.skipped)),
    )  # fmt: skip


def _table_row(diagnosis: Diagnosis) -> tuple[str, ...]:
    summary = diagnosis_summary(diagnosis)
    start, end = summary["start"], summary["end"]
    seed = f" #{diagnosis.seed}" if diagnosis.seed else ""
    status = "" if diagnosis.status == "complete" else f" ({diagnosis.status})"
    correlations = summary["weight_and_score_gap"]
    weights = ("", "", "")
    if correlations:
        weights = (
            _change(start["saturated_weights"], end["saturated_weights"]),
            _change(*(c["pearson"] for c in correlations)),
            _change(*(c["spearman"] for c in correlations)),
        )
    conflicts = diagnosis.conflicts
    return (
        f"{diagnosis.task} / {diagnosis.label}{seed}{status}",
        str(summary["steps"]),
        _change(_average(start["margin"]), _average(end["margin"])),
        _change(start["leads"], end["leads"]),
        _change(start["beyond_10"], end["beyond_10"]),
        *weights,
        "" if conflicts is None else f"{conflicts.share:.2f}",
    )


def _steps(diagnosis: Diagnosis) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows of steps.csv."""
    trace = diagnosis.trace
    names = [name.replace(" ", "_") for name in diagnosis.rejected_names]
    header = ["step"]
    header += [f"{what}_{name}" for what in ("lead", "margin", "smoothed") for name in names]
    shares = [trace.lead_shares, trace.beyond_10, saturated_shares(trace), trace.beta]
    columns = np.hstack([trace.lead, trace.margin, smooth(trace.margin), np.column_stack(shares)])
    rows = [[int(step), *values.tolist()] for step, values in zip(trace.step, columns, strict=True)]
    return [*header, "leads", "beyond_10", "saturated_weights", "beta"], rows


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Any]) -> Path:
    io.write_text(path, csv_text(header, rows, number="{:.6g}".format))
    return path


def _means(rows: FloatArray) -> list[float | None]:
    return [None if math.isnan(mean) else round(float(mean), 6) for mean in column_nan_means(rows)]


def _average(margins: dict[str, float | None]) -> float | None:
    known = [value for value in margins.values() if value is not None]
    return sum(known) / len(known) if known else None


def _change(start: float | None, end: float | None) -> str:
    return " to ".join("-" if value is None else f"{value:.2f}" for value in (start, end))


def _counts(conflicts: PreferenceConflicts) -> dict[str, Any]:
    shares = asdict(conflicts)
    counts = shares.pop("counts")
    return _rounded({**shares, **({} if counts is None else counts.model_dump())})


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in values.items()}
