"""Agreement of raters, as text and as files."""

import json
from collections.abc import Callable
from pathlib import Path

from benchkit.errors import ConfigError
from benchkit.report.agreement.confusion_plot import write_confusions
from benchkit.report.agreement.files import agreement_csv, agreement_json, write_agreement
from benchkit.report.agreement.measurement import AgreementReport
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


def write_agreement_report(report: AgreementReport, folder: Path) -> tuple[list[Path], str]:
    """Write tables, confusion matrices and their plots.

    Returns:
        The paths, and why there are no plots (empty where there are).
    """
    paths = write_agreement(report, folder)
    try:
        return paths + write_confusions(report.pairs, folder), ""
    except ConfigError as error:
        return paths, str(error)
