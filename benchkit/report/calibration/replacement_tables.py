"""Whether a judge could replace people, in tables."""

import math

from benchkit.report.agreement.tables import AGREEMENT_TITLES, format_estimate
from benchkit.report.calibration.measurement import CalibrationReport
from benchkit.report.core.labels import format_p_value, format_rate
from benchkit.report.core.text_table import TextTable


def replacement_table(report: CalibrationReport) -> TextTable | None:
    """Return the alternative annotator test; None where one person graded."""
    if len(report.answers.people) < 2:
        return None
    test = report.replacement
    rows = tuple(
        (a.name, str(a.n), format_rate(a.judge_share), format_rate(a.person_share),
         format_p_value(a.p), "yes" if a.wins else "no")
        for a in test.annotators
    )  # fmt: skip
    notes = []
    if math.isnan(test.winning_rate):
        notes.append(f"No test: {test.reason}.")
    else:
        verdict = "passes" if test.passes else "does not pass"
        notes.append(
            f"The judge {verdict}: winning rate {format_rate(test.winning_rate)} (.5 is enough),"
            f" mean of the column Judge {format_rate(test.advantage)}, epsilon"
            f" {test.epsilon:g}."
        )
        notes.append(
            "Judge, Person: share of the answers on which the one agrees with the other people as"
            " well as the other one or better. Wins: the judge's share is significantly more than"
            " the person's minus epsilon (Benjamini-Yekutieli); epsilon is what a judge may be"
            " worse for costing less: .2 beside experts, .15 beside trained people, .1 beside"
            " crowd workers."
        )
        if test.reason:
            notes.append(f"Note: {test.reason}.")
    header = ("Left out", "Answers", "Judge", "Person", "p", "Wins?")
    title = f"Could {report.answers.judge} replace people? (alternative annotator test)"
    title = report.answers.mark(title)
    return TextTable(title, header, rows, tuple(notes))


def ceiling_table(report: CalibrationReport) -> TextTable | None:
    """Return people's agreement beside the judge's; None where there is none."""
    if not report.ceiling:
        return None
    rows = tuple(
        (AGREEMENT_TITLES[c.statistic], *map(format_estimate, (c.people, c.judge, c.difference)))
        for c in report.ceiling
    )
    reasons = {
        reason for c in report.ceiling for reason in (c.people.reason, c.judge.reason) if reason
    }
    notes = (
        "Means over pairs of people, and over pairs of the judge and a person. No judge can be"
        " expected to agree with people more than they do with each other.",
        *(f"{reason}." for reason in sorted(reasons)),
    )
    header = ("Statistic", "People", "Judge", "Difference")
    title = report.answers.mark(f"Agreement of people as the ceiling of {report.answers.judge}")
    return TextTable(title, header, rows, notes)
