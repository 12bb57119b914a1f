"""Diagnoses as files and as a table."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchkit import io as files
from benchkit.report.core.file_names import unique_stems
from benchkit.report.training.diagnostics import (
    Diagnosis,
    FloatArray,
    PreferenceConflicts,
    SuiteDiagnoses,
    column_nan_means,
)
from benchkit.report.training.trace_statistics import (
    PHASES,
    phase_steps,
    saturated_shares,
    smooth,
    weight_bins,
    weight_gap_correlations,
)

DIAGNOSIS_HEADER = (
    "Method", "Steps", "Margin", "Leads", "|βd| > 10", "Saturated w", "Pearson", "Spearman",
    "Conflicts",
)  # fmt: skip


def diagnosis_folders(found: SuiteDiagnoses) -> list[str]:
    """Of each diagnosis `<task>-<label>`, with the seed where a row has several; none twice."""
    rows = Counter((own.task, own.label) for own in found.diagnoses)
    return list(
        unique_stems(
            (own.task, own.label, *([f"seed{own.seed}"] if rows[own.task, own.label] > 1 else []))
            for own in found.diagnoses
        )
    )


def write_diagnosis_tables(found: SuiteDiagnoses, folder: Path) -> list[Path]:
    """Write of each run steps.csv, weights.csv where there are weights, and summary.json; of all
    with scores conflicts.csv. Returns their paths."""
    paths = []
    for own, name in zip(found.diagnoses, diagnosis_folders(found), strict=True):
        here = folder / name
        paths.append(_write_csv(here / "steps.csv", *_steps(own)))
        bins = [asdict(b) for b in weight_bins(own.trace)]
        if bins:
            rows = [list(b.values()) for b in bins]
            paths.append(_write_csv(here / "weights.csv", list(bins[0]), rows))
        files.write_json(here / "summary.json", diagnosis_summary(own))
        paths.append(here / "summary.json")
    scored = [(own, own.conflicts) for own in found.diagnoses if own.conflicts is not None]
    if scored:
        header = ["task", "method", "seed", "n", "share", "hard", "easy", "equal"]
        rows = [
            [own.task, own.label, own.seed, c.n, c.share, c.hard, c.easy, c.equal]
            for own, c in scored
        ]
        paths.append(_write_csv(folder / "conflicts.csv", header, rows))
    return paths


def diagnosis_summary(own: Diagnosis) -> dict[str, Any]:
    """What is in summary.json: means of the first and of the last fifth of the steps (`start`,
    `end`), correlations of weight and score gap, and how preferences were made.

    beyond_10: of the utilities, those with |beta d| > 10. saturated_weights: of the weights, those
    below .01 or above .99; None where there are none.
    """
    trace, saturated = own.trace, saturated_shares(own.trace)
    phases: dict[str, Any] = {}
    for phase in PHASES:
        part = phase_steps(trace, phase)
        margin = _means(trace.margin[part])
        phases[phase] = {
            "steps": len(trace.step[part]),
            "margin": dict(zip(own.rejected_names, margin, strict=True)),
            "leads": round(float(trace.lead_shares[part].mean()), 6),
            "beyond_10": round(float(trace.beyond_10[part].mean()), 6),
            "saturated_weights": _means(saturated[part, None])[0],
            "beta": round(float(trace.beta[part].mean()), 6),
        }
    return {
        "task": own.task,
        "method": own.label,
        "seed": own.seed,
        "run_id": own.run_id,
        "status": own.status,
        "steps": len(trace.step),
        **phases,
        "weight_and_score_gap": [_plain(asdict(c)) for c in weight_gap_correlations(trace)],
        "conflicts": None if own.conflicts is None else _counts(own.conflicts),
    }


def diagnosis_rows(found: SuiteDiagnoses) -> list[tuple[str, ...]]:
    """A row of `HEADER` for each run; `a > b` is from the first to the last fifth of the steps."""
    rows: list[tuple[str, ...]] = []
    for own in found.diagnoses:
        told = diagnosis_summary(own)
        start, end = told["start"], told["end"]
        seed = f" #{own.seed}" if own.seed else ""
        status = "" if own.status == "complete" else f" ({own.status})"
        corr = told["weight_and_score_gap"]
        rows.append(
            (
                f"{own.task} / {own.label}{seed}{status}",
                str(told["steps"]),
                _change(_average(start["margin"]), _average(end["margin"])),
                _change(start["leads"], end["leads"]),
                _change(start["beyond_10"], end["beyond_10"]),
                _change(*(told[p]["saturated_weights"] for p in PHASES)) if corr else "",
                _change(*(c["pearson"] for c in corr)) if corr else "",
                _change(*(c["spearman"] for c in corr)) if corr else "",
                "" if own.conflicts is None else f"{own.conflicts.share:.2f}",
            )
        )
    return rows


def _steps(own: Diagnosis) -> tuple[list[str], list[list[Any]]]:
    trace = own.trace
    names = [name.replace(" ", "_") for name in own.rejected_names]
    header = ["step"]
    header += [f"{what}_{name}" for what in ("lead", "margin", "smoothed") for name in names]
    columns = np.hstack([trace.lead, trace.margin, smooth(trace.margin)])
    shares = np.column_stack(
        [trace.lead_shares, trace.beyond_10, saturated_shares(trace), trace.beta]
    )
    rows = [
        [int(step), *values.tolist()]
        for step, values in zip(trace.step, np.hstack([columns, shares]), strict=True)
    ]
    return [*header, "leads", "beyond_10", "saturated_weights", "beta"], rows


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    files.write_text(path, text.getvalue())
    return path


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _means(rows: FloatArray) -> list[float | None]:
    return [None if math.isnan(mean) else round(float(mean), 6) for mean in column_nan_means(rows)]


def _average(margins: dict[str, float | None]) -> float | None:
    there = [value for value in margins.values() if value is not None]
    return sum(there) / len(there) if there else None


def _change(start: float | None, end: float | None) -> str:
    return " > ".join("-" if value is None else f"{value:.2f}" for value in (start, end))


def _counts(conflicts: PreferenceConflicts) -> dict[str, Any]:
    counts = {} if conflicts.counts is None else conflicts.counts.model_dump()
    own = {name: value for name, value in asdict(conflicts).items() if name != "counts"}
    return _plain({**own, **counts})


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: round(v, 6) if isinstance(v, float) else v for k, v in values.items()}
