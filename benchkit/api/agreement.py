"""Agreement of raters, as text and as files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from benchkit import io
from benchkit.errors import ConfigError
from benchkit.report.agreement.confusion_plot import write_confusions
from benchkit.report.agreement.files import agreement_csv, agreement_json, write_agreement
from benchkit.report.agreement.measurement import AgreementReport
from benchkit.report.agreement.tables import agreement_tables
from benchkit.report.calibration.files import calibration_csv, calibration_records
from benchkit.report.calibration.measurement import CalibrationReport
from benchkit.report.calibration.tables import calibration_tables
from benchkit.report.core.text_table import render_markdown


def _markdown(report: AgreementReport, calibrations: Sequence[CalibrationReport]) -> str:
    return render_markdown([*agreement_tables(report), *calibration_tables(calibrations)])


def _csv(report: AgreementReport, calibrations: Sequence[CalibrationReport]) -> str:
    del calibrations  # a CSV file has one table; --out writes calibration.csv
    return agreement_csv(report)


def _json(report: AgreementReport, calibrations: Sequence[CalibrationReport]) -> str:
    values = agreement_json(report) | {"calibration": list(calibration_records(calibrations))}
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


AGREEMENT_FORMATS: dict[str, Callable[[AgreementReport, Sequence[CalibrationReport]], str]] = {
    "md": _markdown,
    "csv": _csv,
    "json": _json,
}


def write_agreement_report(
    report: AgreementReport, folder: Path, calibrations: Sequence[CalibrationReport] = ()
) -> tuple[list[Path], str]:
    """Write tables, confusion matrices and their plots.

    Returns:
        The paths, and why there are no plots (empty where there are).
    """
    paths = write_agreement(report, folder)
    if calibrations:
        paths.append(folder / "calibration.csv")
        io.write_text(paths[-1], calibration_csv(calibrations))
    try:
        return paths + write_confusions(report.pairs, folder), ""
    except ConfigError as error:
        return paths, str(error)
