"""A calibrated judge in tables, which fit into 80 columns."""

import math
from collections.abc import Iterator, Sequence

from benchkit.report.calibration.judged_answers import JudgedAnswers
from benchkit.report.calibration.measurement import CalibrationReport, MethodCalibration
from benchkit.report.calibration.replacement_tables import ceiling_table, replacement_table
from benchkit.report.core.labels import format_mean, format_p_value
from benchkit.report.core.text_table import TextTable
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC
from benchkit.stats.calibration.prediction_powered import CalibratedEstimate, Estimate
from benchkit.stats.calibration.transport import TransportCheck

_VERDICTS = {"shifted": "no: shifted", "holds": "yes", "open": "open"}


def calibration_tables(reports: Sequence[CalibrationReport]) -> Iterator[TextTable]:
    """Yield means, shares, differences, transport, alternative annotators and the ceiling."""
    for report in reports:
        yield from corrected_tables(report)
        if table := replacement_table(report):
            yield table
        if table := ceiling_table(report):
            yield table


def corrected_tables(report: CalibrationReport) -> Iterator[TextTable]:
    """Yield what labels correct: means, shares, differences, and the check of other methods."""
    if report.has_means:
        yield _means(report)
        if any(method.shares for method in report.methods):
            yield _shares(report)
        if report.differences:
            yield _differences(report)
    if any(method.transport for method in report.methods):
        yield _transport(report)


def judge_title(report: CalibrationReport) -> str:
    """Return the judge, with task and criterion where they are known."""
    answers = report.answers
    parts = [answers.task, answers.criterion, f"judge {answers.judge}"]
    return ", ".join(part for part in parts if part)


def _means(report: CalibrationReport) -> TextTable:
    rows: list[tuple[str, ...]] = []
    for method in report.methods:
        counts = f"{method.n_labels}/{method.n_answers}"
        if method.mean is None:
            rows.append((method.method, counts, "not corrected"))
        else:
            rows.append((method.method, counts, *_three_ways(method.mean), _worth(method.mean)))
    if report.overall is not None:
        n = sum(method.n_answers for method in report.methods)
        counts = f"{report.overall.n_labels}/{n}"
        rows.append(("all of them", counts, *_three_ways(report.overall), _worth(report.overall)))
    header = ("Method", "Labels", "Judge", "People alone", "Corrected", "Worth")
    title = report.answers.mark(f"Means corrected by people: {judge_title(report)}")
    return TextTable(title, header, tuple(rows), tuple(_means_notes(report)))


def _means_notes(report: CalibrationReport) -> Iterator[str]:
    units = report.answers.unit_name
    yield (
        "Labels: answers that people graded, of those that went to the judge. Corrected: the"
        " judge's mean minus its error on the labelled answers, as far as that is more precise"
        f" (prediction-powered inference); 95 % intervals over {units}. Worth: labels that would"
        " be as precise without the judge."
    )
    if any(len(group.certain) for group in report.answers.groups):
        yield "Means include what the rubric grades without a judge, which needs no label."
    if not report.has_unlabelled:
        yield (
            "People graded every answer that went to the judge: nothing is left to correct, and"
            " Corrected is what their own grades say."
        )
    yield from _reasons(report.methods)
    for method in report.methods:
        if 0 < method.n_judged < method.n_answers:
            yield (
                f"{method.method}: the judge graded {method.n_judged} of {method.n_answers}"
                " answers; the others count as the mean of these."
            )
    for method in report.methods:
        if method.caution:
            yield f"{method.method}: {method.caution}."
    for note in report.answers.notes:
        yield f"{note}."
    yield from source_notes(report.answers)


def source_notes(answers: JudgedAnswers) -> Iterator[str]:
    """Yield what is to be known of the judge, and that data or people are generated."""
    for caveat in answers.caveats:
        yield f"Judge {answers.judge}: {caveat}."
    if answers.has_synthetic_data:
        yield f"{SYNTHETIC}: the data are generated, so that no figure says anything of real ones."
    if answers.has_synthetic_people:
        yield f"{SYNTHETIC}: the labels are generated, and say nothing of people."


def _reasons(methods: Sequence[MethodCalibration]) -> Iterator[str]:
    for reason in dict.fromkeys(method.reason for method in methods if method.reason):
        names = ", ".join(method.method for method in methods if method.reason == reason)
        yield f"Not corrected: {names}: {reason}."


def _shares(report: CalibrationReport) -> TextTable:
    rows = []
    unknown = False
    for method in report.methods:
        for share in method.shares:
            corrected = "-" if share.corrected is None else _percent(share.corrected)
            unknown |= share.corrected is None
            rows.append((method.method, f"{share.grade:g}", _share(share.judge), corrected))
    notes = ["-: people gave the grade to none or to all of the labelled answers."] * unknown
    title = report.answers.mark(f"Shares of grades corrected by people: {judge_title(report)}")
    return TextTable(title, ("Method", "Grade", "Judge", "Corrected"), tuple(rows), tuple(notes))


def _differences(report: CalibrationReport) -> TextTable:
    rows = tuple((f"{d.first} - {d.second}", *_three_ways(d.estimate)) for d in report.differences)
    notes = (
        "Intervals are not adjusted for the number of differences. An interval without 0 in"
        " the last column: people would tell the two apart.",
    )
    title = report.answers.mark(f"Differences corrected by people: {judge_title(report)}")
    return TextTable(title, ("Methods", "Judge", "People alone", "Corrected"), rows, notes)


def _transport(report: CalibrationReport) -> TextTable:
    rows = []
    for method in report.methods:
        if check := method.transport:
            shift = format_mean(check.shift, check.low, check.high, "{:.2f}".format)
            rows.append(
                (method.method, shift, format_p_value(check.p), _detectable(check),
                 _VERDICTS[check.verdict])
            )  # fmt: skip
    notes: tuple[str, ...] = (
        "Shift: people's mean minus what the line of people's grades on the judge's, fitted to the"
        " other methods, predicts; below 0, the judge favours the method. p: of no shift (Holm)."
        " Detectable: the smallest shift that is seen in four of five such samples.",
        f"yes: no shift is seen, and one of {report.matters:g} (a tenth of the scale) would have"
        " been; open: too few labels to say. A method that is off also bends the line of the"
        " others: look at the largest shift first.",
        "The interval is of each method by itself, not adjusted as p is.",
    )
    checks = [method.transport for method in report.methods if method.transport]
    if any(math.isnan(check.detectable) for check in checks):
        notes += (
            "-: labels that are all equal, or all on one line, do not say how they would vary.",
        )
    if not report.has_means:
        notes += (
            "People graded every answer here. --judgements (with --suite for a store) corrects the"
            " judge's means over all answers that it graded.",
        )
    header = ("Method", "Shift", "p", "Detectable", "Holds?")
    title = f"Does the calibration of the others hold? {judge_title(report)}"
    title = report.answers.mark(title)
    return TextTable(title, header, tuple(rows), notes)


def _detectable(check: TransportCheck) -> str:
    return "-" if math.isnan(check.detectable) else f"{check.detectable:.2f}"


def _three_ways(estimate: CalibratedEstimate) -> tuple[str, str, str]:
    return (
        f"{estimate.judge_alone.value:.2f}",
        _interval(estimate.labels_alone),
        _interval(estimate.corrected),
    )


def _worth(estimate: CalibratedEstimate) -> str:
    return f"{estimate.effective_labels:.0f}"


def _interval(estimate: Estimate) -> str:
    return format_mean(estimate.value, estimate.low, estimate.high, "{:.2f}".format)


def _percent(estimate: Estimate) -> str:
    """Return '12.3 % [10.1 %, 14.9 %]', as the shares of the grades are written."""
    return format_mean(estimate.value, estimate.low, estimate.high, _share)


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
