"""How many labels are needed, as a table."""

import math
from collections.abc import Collection, Iterator

from benchkit.count_text import count_text
from benchkit.report.calibration.judged_answers import JudgedAnswers
from benchkit.report.calibration.tables import source_notes
from benchkit.report.core.text_table import TextRow, TextTable
from benchkit.stats.calibration.equal_labels import has_equal_labels
from benchkit.stats.calibration.label_plan import MIN_PILOT, NO_SPREAD, LabelPlan

_MOST_DIGITS = 17  # of a float; more say nothing
_MORE_LABELS = (
    "Label about 20 answers a method and plan again with --labels FILE: labels that are not all"
    " equal say both."
)


def plan_tables(answers: JudgedAnswers, plan: LabelPlan, correlation: float) -> list[TextTable]:
    """Return the labels for a half-width, by method and in total."""
    rows: list[tuple[str, ...] | TextRow] = []
    for method, group in zip(answers.methods, plan.groups, strict=True):
        if group.reason:
            rows.append((method, str(group.n_answers), str(group.n_pilot), "-", "-", "-", "-"))
            continue
        each = "-" if group.labels_each is None else str(group.labels_each)
        rows.append(
            (method, str(group.n_answers), str(group.n_pilot), f"{group.spread:.2f}",
             f"{group.residual_spread:.2f}", each, str(group.labels_neyman))
        )  # fmt: skip
    planned = [group for group in plan.groups if not group.reason]
    each_numbers = [group.labels_each for group in planned]
    no_each = None in each_numbers or not planned
    totals = (
        str(sum(group.n_answers for group in plan.groups)),
        str(sum(group.n_pilot for group in plan.groups)),
        "", "", "-" if no_each else str(sum(n or 0 for n in each_numbers)),
        str(sum(group.labels_neyman for group in planned)) if planned else "-",
    )  # fmt: skip
    rows.append(TextRow(("all of them", *totals), rule=True))
    header = ("Method", "Judged", "Labels", "SD", "Residual", "Each", "Together")
    title = (
        f"Labels for 95 % intervals of ± {plan.half_width:g}:"
        f" {answers.task}, {answers.criterion}, judge {answers.judge}"
    )
    title = answers.mark(title)
    return [TextTable(title, header, tuple(rows), tuple(_notes(answers, plan, correlation)))]


def _above(value: float, limit: float) -> str:
    """Return a value above a limit with as many digits, two or more, as show that it is above.

    >>> _above(0.24, 0.1), _above(0.1004, 0.1)
    ('0.24', '0.1004')
    """
    digits = 2
    while not float(f"{value:.{digits}g}") > limit and digits < _MOST_DIGITS:
        digits += 1
    return f"{value:.{digits}g}"


def _notes(answers: JudgedAnswers, plan: LabelPlan, correlation: float) -> Iterator[str]:
    groups = dict(zip(answers.methods, plan.groups, strict=True))
    for reason in dict.fromkeys(group.reason for group in plan.groups if group.reason):
        names = ", ".join(name for name, group in groups.items() if group.reason == reason)
        yield f"Left out of the plan: {names} ({reason})."
    planned = {name: group for name, group in groups.items() if not group.reason}
    if any(group.reason == NO_SPREAD for group in groups.values()):
        yield from _unused_labels(answers)
        yield _MORE_LABELS
    if not planned:
        return
    yield (
        "Each: answers of a method that people have to grade for its corrected mean. Together: for"
        " the mean over all answers, most where they tell most (Neyman). Both count the labels that"
        " there are, and are 20 a method or more. A difference of two means with Each labels is"
        f" known to about ± {math.sqrt(2) * plan.half_width:.2g}."
    )
    if plan.from_labels:
        yield (
            "SD: of people's grades; Residual: of what the judge leaves open of them. Both are from"
            f" the labels that there are (with fewer than {MIN_PILOT} of a method, or all equal,"
            " from the others')."
        )
        yield from _unused_labels(answers)
    else:
        yield (
            "SD: of the judge's grades, taken for people's. Residual: what the judge leaves open of"
            f" them if its grades correlate with people's by {correlation:g} (--correlation)."
        )
        yield from _equal_grades(answers, planned)
        yield from _unused_labels(answers)
        yield _MORE_LABELS
    if n_certain := sum(group.n_certain for group in planned.values()):
        yield (
            f"The means are also over {count_text(n_certain, 'answer')} that the rubric decides"
            " alone and that need no label."
        )
    short = [
        f"{method} (± {_above(group.floor, plan.half_width)})"
        for method, group in planned.items()
        if group.labels_each is None
    ]
    if short:
        yield (
            "Each -: not reached even if people grade every judged answer, as there are too few of"
            f" them: {', '.join(short)}. Judge more users, or accept a wider interval."
        )
    if not plan.reachable:
        yield "Together is not reached either; it says to grade all."
    for note in answers.notes:
        yield f"{note}."
    yield from source_notes(answers)


def _equal_grades(answers: JudgedAnswers, planned: Collection[str]) -> Iterator[str]:
    """Yield of which methods the judge's grades do not say how people's vary."""
    equal = [
        method
        for method, group in zip(answers.methods, answers.groups, strict=True)
        if method in planned and group.equally_judged
    ]
    if equal:
        yield (
            f"The judge's grades of {', '.join(equal)} are all equal, and say nothing of people's:"
            " SD is that of the other methods, and Residual all of it."
        )


def _unused_labels(answers: JudgedAnswers) -> Iterator[str]:
    """Yield which labels do not say how grades vary, and why."""
    few, equal = [], []
    for method, group in zip(answers.methods, answers.groups, strict=True):
        n = int(group.labelled.sum())
        if 0 < n < MIN_PILOT:
            few.append(f"{method} ({n})")
        elif has_equal_labels(group):
            equal.append(f"{method} ({n})")
    reasons = []
    if few:
        reasons.append(f"fewer than {MIN_PILOT} of {', '.join(few)}")
    if equal:
        reasons.append(f"labels that are all equal, of {', '.join(equal)}")
    if reasons:
        yield (
            f"Labels not used for SD and Residual, as they say little of how grades vary:"
            f" {'; '.join(reasons)}."
        )
