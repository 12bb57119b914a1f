"""Calibrated judges as CSV and as records."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from benchkit.report.calibration.measurement import CalibrationReport
from benchkit.report.core.json_text import finite
from benchkit.report.core.text_table import csv_text
from benchkit.stats.calibration.prediction_powered import CalibratedEstimate

CALIBRATION_CSV_COLUMNS = (
    "task", "judge", "criterion", "statistic", "method", "second", "value", "low", "high", "p",
    "judge_value", "labels_value", "labels_low", "labels_high", "labels", "answers",
    "judged", "effective_labels", "detail",
)  # fmt: skip


def calibration_csv(reports: Sequence[CalibrationReport]) -> str:
    """Return all figures as CSV, one a line (`calibration_records`)."""
    return csv_text(CALIBRATION_CSV_COLUMNS, calibration_records(reports))


def calibration_records(reports: Sequence[CalibrationReport]) -> Iterator[dict[str, Any]]:
    """Yield the figures by the names of `CALIBRATION_CSV_COLUMNS`; None where there is none.

    `statistic` is mean, share GRADE, difference, transport, left out PERSON, winning rate,
    advantage, or the name of a statistic of agreement of people or the judge. `detail` is a reason,
    a verdict, or what was detectable.
    """
    for report in reports:
        answers = report.answers
        key = {"task": answers.task, "judge": answers.judge, "criterion": answers.criterion}
        for record in _records(report):
            yield finite(dict.fromkeys(CALIBRATION_CSV_COLUMNS) | key | record)


def _records(report: CalibrationReport) -> Iterator[dict[str, Any]]:
    for method in report.methods:
        counts = {"answers": method.n_answers, "judged": method.n_judged}
        name = {"method": method.method, **counts}
        if method.mean is None:
            yield {"statistic": "mean", **name, "labels": method.n_labels, "detail": method.reason}
            continue
        yield {"statistic": "mean", **name, **_values(method.mean), "detail": method.caution}
        for share in method.shares:
            record = {"statistic": f"share {share.grade:g}", **name, "judge_value": share.judge}
            if share.corrected is not None:
                record |= {"value": share.corrected.value, "low": share.corrected.low,
                           "high": share.corrected.high}  # fmt: skip
            yield record
        if check := method.transport:
            seen = "" if math.isnan(check.detectable) else f"; detectable {check.detectable:.4g}"
            yield {
                "statistic": "transport", **name, "value": check.shift, "low": check.low,
                "high": check.high, "p": check.p,
                "detail": f"{check.verdict}{seen}",
            }  # fmt: skip
    if report.overall is not None:
        yield {"statistic": "mean", "method": "all of them", **_values(report.overall)}
    for difference in report.differences:
        names = {"method": difference.first, "second": difference.second}
        yield {"statistic": "difference", **names, **_values(difference.estimate)}
    test = report.replacement
    for person in test.annotators:
        yield {
            "statistic": f"left out {person.name}", "value": person.judge_share, "p": person.p,
            "labels": person.n, "detail": "wins" if person.wins else "does not win",
        }  # fmt: skip
    yield {"statistic": "winning rate", "value": test.winning_rate,
           "detail": test.reason or f"epsilon {test.epsilon:g}"}  # fmt: skip
    yield {"statistic": "advantage", "value": test.advantage}
    for ceiling in report.ceiling:
        for whose in ("people", "judge", "difference"):
            estimate = getattr(ceiling, whose)
            yield {
                "statistic": f"{ceiling.statistic} {whose}", "value": estimate.value,
                "low": estimate.low, "high": estimate.high, "detail": estimate.reason,
            }  # fmt: skip


def _values(estimate: CalibratedEstimate) -> dict[str, Any]:
    corrected, labels = estimate.corrected, estimate.labels_alone
    return {
        "value": corrected.value, "low": corrected.low, "high": corrected.high,
        "judge_value": estimate.judge_alone.value, "labels_value": labels.value,
        "labels_low": labels.low, "labels_high": labels.high, "labels": estimate.n_labels,
        "effective_labels": estimate.effective_labels,
    }  # fmt: skip
