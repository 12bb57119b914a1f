"""Agreement of raters, as text and as files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from benchkit.console import echo
from benchkit.errors import ConfigError, unknown_name_error
from benchkit.report.agreement.confusion_plot import write_confusions
from benchkit.report.agreement.files import agreement_csv, agreement_json, write_agreement
from benchkit.report.agreement.measurement import AgreementReport
from benchkit.report.agreement.ratings_io import list_criteria
from benchkit.report.agreement.tables import agreement_tables
from benchkit.report.core.text_table import render_markdown


def _markdown(report: AgreementReport) -> str:
    return render_markdown(list(agreement_tables(report)))


def _json(report: AgreementReport) -> str:
    return json.dumps(agreement_json(report), indent=2, allow_nan=False) + "\n"


AGREEMENT_FORMATS: dict[str, Callable[[AgreementReport], str]] = {
    "md": _markdown,
    "csv": agreement_csv,
    "json": _json,
}


def select_criteria(paths: Sequence[Path], criterion: str, format_: str) -> list[str]:
    """Return the criteria whose grades are compared, each by itself; [""] where files name none.

    Raises:
        ConfigError: No grade is by `criterion`, or several have no place in one file of a format.
    """
    names = list_criteria(paths)
    if criterion:
        if criterion not in names:
            raise unknown_name_error("criterion", criterion, names)
        return [criterion]
    if len(names) > 1 and format_ in ("csv", "json"):
        raise ConfigError(
            f"the grades are by {len(names)} criteria, and {format_} is one table",
            f"name one with --criterion: {', '.join(names)}",
        )
    return names if len(names) > 1 else [""]


def write_agreement_report(report: AgreementReport, folder: Path) -> list[Path]:
    """Write tables, confusion matrices and their plots; say so where there can be no plots."""
    paths = write_agreement(report, folder)
    try:
        return paths + write_confusions(report.pairs, folder)
    except ConfigError as error:
        echo(f"no plots: {error}", fg="yellow", err=True)
        return paths
