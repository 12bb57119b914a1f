"""Grades of judges as tables and as CSV; the same store gives the same bytes."""

from collections.abc import Iterator, Sequence

from benchkit.evaluation.lookup import protocol_by_name
from benchkit.report.calibration.tables import corrected_tables
from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeBucket, GradeComparison, GradeRow, GradeTable
from benchkit.report.core.labels import (
    count_title,
    format_cell,
    format_mean,
    format_p_value,
    reason_notes,
    split_status,
)
from benchkit.report.core.text_table import TextTable, csv_text
from benchkit.report.grades.statements import statement_statistics, statement_tables
from benchkit.report.grades.texts import text_statistics, text_tables

_STAGES_NOTE = "Valid: answers that name a candidate. Correct: answers that name the target."
_HALLUCINATION_NOTE = (
    "Hallucinating: judged rationales that name an item of the catalogue that is neither in the"
    " history nor a candidate."
)
_STAGES = ("invalid", "wrong", "missing")  # that a rubric may have a grade for
GRADE_CSV_COLUMNS = (
    "suite", "task", "judge", "judge_kind", "rubric", "rubric_hash", "method", "family",
    "statistic", "value", "low", "high", "n", "users", "status",
)  # fmt: skip


def grade_tables(suite: str, tables: Sequence[GradeTable]) -> Iterator[TextTable]:
    """Yield for each judge and task: overview, shares, by length of history, against the best.

    Once a task: statistics of the rationales.
    """
    tasks = set[str]()
    for table in tables:
        yield grade_overview(suite, table)
        if any(row.status == "complete" for row in table.rows):
            yield grade_shares_table(suite, table)
        if any(row.buckets for row in table.rows):
            yield grades_by_history(suite, table)
        if table.comparisons:
            yield grade_comparisons_table(suite, table)
        yield from statement_tables(suite, table)
        for calibration in table.calibrations:
            yield from corrected_tables(calibration)
        if table.task not in tasks:  # they are the same for every judge
            yield from text_tables(suite, table)
            tasks.add(table.task)


def grade_overview(suite: str, table: GradeTable) -> TextTable:
    """Return the mean of each criterion, and of the main one under two conditions."""
    names = [criterion["name"] for criterion in table.rubric["criteria"]]
    by_people = [report.answers.criterion for report in table.calibrations]
    rows: list[tuple[str, ...]] = []
    reasons: list[tuple[str, str]] = []
    for row in table.rows:
        if row.status != "complete":
            status, reason = split_status(row.status)
            rows.append((row.label, status))
            reasons.append((row.label, reason))
            continue
        means = []
        for name in names:
            means.append(row.means.get(name))
            means += [row.corrected.get(name)] * (name in by_people)
        means += [row.mean_if_correct, row.length_adjusted_mean]
        rows.append(
            (row.label, f"{row.n_graded}/{row.n_answers}", _share(row.valid), _share(row.correct),
             *map(_mean, means))
        )  # fmt: skip
    columns = []
    for name in names:
        columns += [name.capitalize(), *["Corrected"] * (name in by_people)]
    header = ("Method", "Scored", "Valid", "Correct", *columns, "If correct", "Equal length")
    notes = (*reason_notes(reasons), *_notes(table))
    title = _title(suite, table, "grades")
    for report in table.calibrations[:1]:
        title = report.answers.mark(title)
    return TextTable(title, header, tuple(rows), notes)


def grade_shares_table(suite: str, table: GradeTable) -> TextTable:
    """Return the share of answers that are valid, correct, and have each grade (C-APO, Figure 4).

    Also which share of the rationales hallucinates, and their median length.
    """
    complete = [row for row in table.rows if row.status == "complete"]
    levels = sorted({level for row in complete for level in row.shares})
    has_hallucinations = any(row.hallucinating for row in complete)
    rows = tuple(
        (
            row.label,
            _share(row.valid),
            _share(row.correct),
            *(_percent(row.shares.get(level, 0.0)) for level in levels),
            _percent(1 - row.n_graded / row.n_answers),
            *([_percent_interval(row.hallucinating)] if has_hallucinations else []),
            "" if row.median_words is None else f"{row.median_words:g}",
        )
        for row in complete
    )
    header = (
        "Method", "Valid", "Correct", *(f"{level:g}" for level in levels), "Unscored",
        *(["Hallucinating"] if has_hallucinations else []), "Words",
    )  # fmt: skip
    title = _title(suite, table, f"share of the answers by {table.main_criterion}")
    notes = [f"{_STAGES_NOTE} Words: median length of a rationale."]
    return TextTable(title, header, rows, (*notes, *[_HALLUCINATION_NOTE] * has_hallucinations))


def grades_by_history(suite: str, table: GradeTable) -> TextTable:
    """Return grades by length of history (C-APO, Table 5)."""
    rows = tuple(
        (row.label, _lengths(bucket, "-", "+"), str(bucket.n), _number(bucket.mean),
         _number(bucket.sd))
        for row in table.rows
        for bucket in row.buckets
    )  # fmt: skip
    title = _title(suite, table, f"{table.main_criterion} by length of history")
    return TextTable(
        title, ("Method", "History", "Answers", "Mean", "SD"), rows,
        ("Answers: those with a grade. SD: over answers.",),
    )  # fmt: skip


def _lengths(bucket: GradeBucket, to: str, more: str) -> str:
    """Return '3-7', '12+' or '0'."""
    if bucket.high is None:
        return f"{bucket.low}{more}"
    return f"{bucket.low}{to}{bucket.high}" if bucket.low < bucket.high else f"{bucket.low}"


def grade_comparisons_table(suite: str, table: GradeTable) -> TextTable:
    """Return every method compared with the one of the highest mean."""
    best = table.comparisons[0].best
    rows = []
    for comparison in table.comparisons:
        counts = comparison.better, comparison.equal, comparison.worse
        odds = ["", ""]
        if effect := comparison.ordinal:
            estimate = format_mean(effect.effect, effect.low, effect.high, "{:.2f}".format)
            odds = [estimate, format_p_value(effect.p)]
        rows.append((comparison.label, *map(str, counts), format_p_value(comparison.p), *odds))
    header = (
        "Method", "Higher", "Equal", "Lower", "p (sign, Holm)", f"Log odds of {best}", "p (Holm)",
    )  # fmt: skip
    title = _title(suite, table, f"{table.main_criterion} against {best}")
    return TextTable(title, header, tuple(rows), tuple(_comparison_notes(table.comparisons, best)))


def _comparison_notes(comparisons: Sequence[GradeComparison], best: str) -> Iterator[str]:
    several = any(comparison.users < comparison.cases for comparison in comparisons)
    counted = (
        "users, over whose cases, graded for both methods, the method's mean grade"
        if several
        else "cases, graded for both methods, on which the method's grade"
    )
    robust = ", and errors that are robust to users" if several else ""
    yield (
        f"Higher, Equal, Lower: {counted} compares so with the best's; p of a two-sided sign test."
        " Log odds: of a higher grade, from a cumulative logit model with a random effect for each"
        f" case{robust}. Holm over the table."
    )
    yield (
        f"{best} was chosen for the highest mean of these very grades, which favours it; no p"
        " allows for the choice."
    )
    reasons = [comparison.missing_reason for comparison in comparisons]
    for reason in dict.fromkeys(filter(None, reasons)):
        labels = ", ".join(c.label for c in comparisons if c.missing_reason == reason)
        yield f"No log odds for {labels}: {reason}."


def _title(suite: str, table: GradeTable, what: str) -> str:
    judge, rubric = table.judge_title, table.rubric["title"]
    return f"{suite}: {table.task}, {what}, judge {judge}, rubric: {rubric}"


def _notes(table: GradeTable) -> Iterator[str]:
    rubric_grades = {stage: table.rubric.get(stage) for stage in _STAGES}
    fixed = [f"{stage} {grade}" for stage, grade in rubric_grades.items() if grade is not None]
    stages = dict.fromkeys(stage for row in table.rows for stage in row.stages)
    ungraded = [s for s in stages if s != "judged" and rubric_grades.get(s) is None]
    answer = protocol_by_name(table.judged_answer).judged_answer_title
    yield (
        f"For every method the judge saw {answer} of the same cases{_counts(table)}. 95 %"
        " bootstrap intervals over users; means are over cases."
        + (f" Graded by the rubric without a judge: {', '.join(fixed)}." if fixed else "")
    )
    yield (
        "A judged answer without a grade counts as the mean of those with one; leaving it out would"
        " pull the mean towards the grades that need no judge."
        + (
            f" In no mean, as there is no grade for them: {', '.join(ungraded)}."
            if ungraded
            else ""
        )
    )
    yield (
        f"{_STAGES_NOTE} If correct: mean over the correct answers. Equal length: judged answers,"
        " predicted at the mean of log(1 + words) over all rationales (linear model,"
        " cluster-robust interval)."
    )
    if table.calibrations:
        yield (
            "Corrected: the judge's mean minus its error on the answers that people graded"
            " (prediction-powered inference); tables below say where that is not possible, and how"
            " many labels it rests on."
        )
    yield from table.caveats
    for row in table.rows:
        for warning in row.warnings:
            yield f"{row.label}: {warning}."
        if row.injections:
            what = "address the judge or break the form of its prompt (injection)"
            yield f"{row.label}, rationales that {what}: {row.injections}."


def _counts(table: GradeTable) -> str:
    """Return ', 8 users with 24 cases', or nothing where each user has one case."""
    cells = [cell for row in table.rows for cell in (row.valid, *row.means.values()) if cell]
    cell = max(cells, key=lambda cell: cell.n, default=None)
    return f", {count_title(cell.users, cell.n)}" if cell and cell.users < cell.n else ""


def _mean(cell: Cell | None) -> str:
    return "" if cell is None else format_cell(cell, "{:.2f}".format)


def _percent_interval(cell: Cell | None) -> str:
    return "" if cell is None else format_cell(cell, _percent)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(cell: Cell | None) -> str:
    return "" if cell is None else _percent(cell.mean)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def grades_csv(suite: str, tables: Sequence[GradeTable]) -> str:
    """Return a line for each method and statistic; for a method without grades, its status."""
    rows: list[list[object]] = []
    for table in tables:
        for row in table.rows:
            key = [suite, table.task, table.judge, table.judge_name, table.rubric["name"],
                   table.rubric_hash, row.label, row.family]  # fmt: skip
            for name, cell in _statistics(row):
                figures = (cell.mean, cell.low, cell.high, cell.n, cell.n_users)
                rows.append([*key, name, *figures, row.status])
            if row.status != "complete":
                rows.append([*key, *[None] * 6, row.status])
    return csv_text(GRADE_CSV_COLUMNS, rows)


def _statistics(row: GradeRow) -> Iterator[tuple[str, Cell]]:
    for name, cell in row.means.items():
        yield f"mean {name}", cell
    for name, cell in row.corrected.items():
        yield f"corrected mean {name}", cell
    for level, share in row.shares.items():
        yield f"share {level:g}", Cell(share, n=row.n_answers)
    if row.n_answers:
        yield "share unscored", Cell(1 - row.n_graded / row.n_answers, n=row.n_answers)
    for stage, count in row.stages.items():
        yield f"stage {stage}", Cell(count, n=row.n_answers)
    optional = {
        "share valid": row.valid,
        "share right": row.correct,
        "mean given the right item": row.mean_if_correct,
        "mean at equal length": row.length_adjusted_mean,
        "share hallucinating": row.hallucinating,
    }
    yield from ((name, cell) for name, cell in optional.items() if cell is not None)
    for bucket in row.buckets:
        if bucket.mean is not None:
            history = _lengths(bucket, " to ", " or more")
            yield f"mean with a history of {history}", Cell(bucket.mean, n=bucket.n)
    yield from text_statistics(row)
    yield from statement_statistics(row.statements, "statement")
    yield from statement_statistics(row.statement_control, "control statement")
