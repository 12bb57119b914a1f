"""Audit cases for leaks and defects, ours and other people's."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchkit.count_text import count_text
from benchkit.data.audit import (
    AuditFinding,
    audit_cases,
    audit_cases_from_dataset,
    audit_cases_from_file,
)
from benchkit.data.dataset_statistics import mark_synthetic
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.readers.external_cases import parse_field_map
from benchkit.data.spec import DatasetSpec

_COLOURS = {"leak": "bold red", "defect": "red", "note": "yellow"}


@dataclass(frozen=True)
class AuditReport:
    """What an audit of one set of cases found.

    Attributes:
        name: Which cases they are.
        n_cases: How many there are.
        findings: Leaks first, then defects, then notes.
    """

    name: str
    n_cases: int
    findings: tuple[AuditFinding, ...]

    @property
    def has_faults(self) -> bool:
        """Whether there is a leak or a defect."""
        return any(finding.severity != "note" for finding in self.findings)

    def to_record(self) -> dict[str, Any]:
        """Return everything as JSON-like data."""
        findings = [asdict(finding) for finding in self.findings]
        return {"cases": self.name, "n": self.n_cases, "findings": findings}


def audit_file(
    path: Path, fields: str = "", separator: str | None = None, known: Path | None = None
) -> AuditReport:
    """Audit candidate lists in a file.

    Args:
        path: .json, .jsonl, .csv or .tsv.
        fields: Names of its fields, "candidates=...,target=...,history=...,case_id=...".
        separator: Between the items of a list that is one string.
        known: A second file, whose targets a method may see.
    """
    cases = audit_cases_from_file(path, parse_field_map(fields), separator, known)
    return AuditReport(cases.name, len(cases), tuple(audit_cases(cases)))


def audit_datasets(specs: Iterable[DatasetSpec], data: Path) -> list[AuditReport]:
    """Audit the test and the validation cases of prepared datasets."""
    reports = []
    for spec in specs:
        dataset = load_or_prepare(spec, data)
        for cases in (audit_cases_from_dataset(dataset, part) for part in ("test", "valid")):
            name = mark_synthetic(cases.name) if dataset.is_synthetic else cases.name
            reports.append(AuditReport(name, len(cases), tuple(audit_cases(cases))))
    return reports


def print_findings(console: Console, report: AuditReport) -> None:
    """Print one report as a table, with what each finding means."""
    console.print(
        f"{report.name} ({count_text(report.n_cases, 'case')})", style="bold", highlight=False
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", "Finding", "Count", "Share", "What it means"):
        is_figure = title in ("Count", "Share")
        table.add_column(
            title, justify="right" if is_figure else "left", no_wrap=is_figure, overflow="fold"
        )
    for finding in report.findings:
        text = Text(finding.consequence)
        figures = [f"{name} {value:.4g}" for name, value in finding.measures.items()]
        if finding.p is not None:
            figures.append(f"p {finding.p:.2g}" if finding.p > 1e-99 else "p < 1e-99")
        if figures:
            text.append("\n" + ", ".join(figures), style="cyan")
        if finding.examples:
            text.append(f"\ne.g. {'; '.join(finding.examples[:3])}", "dim")
        table.add_row(
            Text(finding.severity, style=_COLOURS[finding.severity]), finding.name,
            f"{finding.count:,} of {finding.of:,}", f"{finding.share:.1%}", text,
        )  # fmt: skip
    console.print(table)
    faults = sum(finding.severity != "note" for finding in report.findings)
    summary = (
        count_text(faults, "leak or defect", "leaks and defects")
        if faults
        else "no leak and no defect"
    )
    console.print(f"{summary}\n", style="red" if faults else "green", highlight=False)
