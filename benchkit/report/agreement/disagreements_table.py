"""Answers on which people differ widely, which they can talk over."""

import numpy as np

from benchkit.report.agreement.measurement import AgreementReport
from benchkit.report.core.text_table import TextTable

_MAX_DISAGREEMENTS = 10


def disagreements_table(report: AgreementReport) -> TextTable:
    """Return the widest disagreements of a report, with all grades of the answer."""
    ratings = report.ratings.select_raters(report.annotators)
    rows = []
    for disagreement in report.disagreements[:_MAX_DISAGREEMENTS]:
        item = ratings.items[disagreement.row]
        name = f"{item} / {ratings.systems[disagreement.row]}" if ratings.systems else item
        grades = ("" if np.isnan(g) else f"{g:g}" for g in ratings.grades[disagreement.row])
        rows.append((name, f"{disagreement.gap:g}", *grades))
    total = len(report.disagreements)
    notes = (f"The widest {_MAX_DISAGREEMENTS} of {total}; --out DIR writes all.",)
    title = f"More than {report.gap:g} apart, for consensus: {total}"
    return TextTable(
        title, ("Item", "Gap", *ratings.raters), tuple(rows),
        notes if total > _MAX_DISAGREEMENTS else (),
    )  # fmt: skip
