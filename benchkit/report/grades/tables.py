"""What tables of grades say. Same store, same words."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence

from benchkit.evaluation.lookup import recorded_protocol
from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeBucket, GradeComparison, GradeRow, GradeTable
from benchkit.report.core.labels import format_rate
from benchkit.report.core.text_table import TextTable

_STAGES_NOTE = "Valid, Right: answers that name a candidate, that name the item taken."
_OUTSIDE_NOTE = (
    "Hallucinating: share of the judged rationales that name an item of the catalogue that is"
    " neither in the history nor a candidate."
)
_STAGES = ("invalid", "wrong", "missing")  # that a rubric may have a grade for


def grade_tables(suite: str, tables: Sequence[GradeTable]) -> Iterator[TextTable]:
    """The tables of grades: overview, shares, by length of history, against the best method."""
    for table in tables:
        yield grade_overview(suite, table)
        if any(row.status == "complete" for row in table.rows):
            yield grade_shares_table(suite, table)
        if any(row.buckets for row in table.rows):
            yield grades_by_history(suite, table)
        if table.comparisons:
            yield grade_comparisons_table(suite, table)


def grade_overview(suite: str, table: GradeTable) -> TextTable:
    """Mean of each criterion, and what it depends on."""
    names = [criterion["name"] for criterion in table.rubric["criteria"]]
    lines: list[tuple[str, ...]] = []
    for row in table.rows:
        if row.status != "complete":
            lines.append((row.label, row.status))
            continue
        lines.append(
            (
                row.label,
                f"{row.n_graded}/{row.n_answers}",
                _share(row.valid),
                _share(row.correct),
                *(format_mean_grade(row.means.get(name)) for name in names),
                format_mean_grade(row.mean_if_correct),
                format_mean_grade(row.length_adjusted_mean),
            )
        )
    head = (
        "Method", "Scored", "Valid", "Right", *map(str.capitalize, names), "Given right",
        "Equal length",
    )  # fmt: skip
    return TextTable(_title(suite, table, "grades"), head, tuple(lines), tuple(_notes(table)))


def grade_shares_table(suite: str, table: GradeTable) -> TextTable:
    """How many of the answers are valid, are right, and have each grade of the first criterion
    (C-APO, Figure 4 and its two stages); how many rationales hallucinate, and their length."""
    rows = [row for row in table.rows if row.status == "complete"]
    levels = sorted({level for row in rows for level in row.shares})
    hallucinating = any(row.hallucinating for row in rows)
    lines = tuple(
        (
            row.label,
            _share(row.valid),
            _share(row.correct),
            *(_percent(row.shares.get(level, 0.0)) for level in levels),
            _percent(1 - row.n_graded / row.n_answers),
            *([format_mean_grade(row.hallucinating, _percent)] if hallucinating else []),
            "" if row.median_words is None else f"{row.median_words:g}",
        )
        for row in rows
    )
    head = (
        "Method", "Valid", "Right", *(f"{level:g}" for level in levels), "Unscored",
        *(["Hallucinating"] if hallucinating else []), "Words",
    )  # fmt: skip
    title = _title(suite, table, f"share of the answers by {table.main_criterion}")
    notes = f"{_STAGES_NOTE} Words: median of the rationales."
    return TextTable(title, head, lines, (notes, *([_OUTSIDE_NOTE] if hallucinating else [])))


def grades_by_history(suite: str, table: GradeTable) -> TextTable:
    """Grades by length of history (C-APO, Table 5)."""
    lines = [
        (
            row.label,
            _lengths(bucket, "-", "+"),
            str(bucket.n),
            "" if bucket.mean is None else f"{bucket.mean:.2f}",
            "" if bucket.sd is None else f"{bucket.sd:.2f}",
        )
        for row in table.rows
        for bucket in row.buckets
    ]
    head = ("Method", "History", "Answers", "Mean", "SD")
    title = _title(suite, table, f"{table.main_criterion} by length of history")
    return TextTable(title, head, tuple(lines), ("Answers: those with a grade. SD: over answers.",))


def _lengths(bucket: GradeBucket, to: str, more: str) -> str:
    """'3-7', '12+', '0'."""
    if bucket.high is None:
        return f"{bucket.low}{more}"
    return f"{bucket.low}{to}{bucket.high}" if bucket.low < bucket.high else f"{bucket.low}"


def grade_comparisons_table(suite: str, table: GradeTable) -> TextTable:
    """Every method beside the one with the highest mean."""
    best = table.comparisons[0].best
    lines = []
    for comparison in table.comparisons:
        effect = comparison.ordinal
        odds = (
            "" if effect is None else f"{effect.effect:.2f} [{effect.low:.2f}, {effect.high:.2f}]"
        )
        lines.append(
            (
                comparison.label,
                str(comparison.better),
                str(comparison.equal),
                str(comparison.worse),
                format_grade_p_value(comparison.p),
                odds,
                "" if effect is None else format_grade_p_value(effect.p),
            )
        )
    head = (
        "Method",
        "Higher",
        "Equal",
        "Lower",
        "p (sign, Holm)",
        f"Log odds of {best}",
        "p (Holm)",
    )
    return TextTable(
        _title(suite, table, f"{table.main_criterion} against {best}"),
        head,
        tuple(lines),
        tuple(_comparison_notes(table.comparisons, best)),
    )


def _comparison_notes(comparisons: Sequence[GradeComparison], best: str) -> Iterator[str]:
    yield (
        "Cases on which the method is graded higher or lower, both having their grades, with a"
        " two-sided sign test. Log odds: of a higher grade, cumulative logit model with a random"
        " effect a case. Holm over the table."
    )
    yield (
        f"{best} has the highest mean of these very grades; a method chosen so is flattered, and no"
        " p allows for the choice."
    )
    for reason in dict.fromkeys(
        comparison.missing_reason for comparison in comparisons if comparison.missing_reason
    ):
        labels = ", ".join(
            comparison.label for comparison in comparisons if comparison.missing_reason == reason
        )
        yield f"No log odds for {labels}: {reason}."


def _title(suite: str, table: GradeTable, what: str) -> str:
    judge, rubric = table.judge_title, table.rubric["title"]
    return f"{suite}: {table.task}, {what}, judge {judge}, rubric: {rubric}"


def _notes(table: GradeTable) -> Iterator[str]:
    decided = {stage: table.rubric.get(stage) for stage in _STAGES}
    without = [f"{name} {grade}" for name, grade in decided.items() if grade is not None]
    stages = dict.fromkeys(stage for row in table.rows for stage in row.stages)
    undue = [stage for stage in stages if stage != "judged" and decided.get(stage) is None]
    yield (
        f"Judged is {recorded_protocol(table.judged_answer).judged_answer_title} of the same cases for every method, 95 % bootstrap"
        " intervals over cases."
        + (f" Graded by the rubric without a judge: {', '.join(without)}." if without else "")
    )
    yield (
        "A judged answer without a grade counts as the mean of those with one; left out, it would"
        " pull the mean towards the grades that need no judge."
        + (f" In no mean, as there is no grade for them: {', '.join(undue)}." if undue else "")
    )
    yield (
        f"{_STAGES_NOTE} Given right: mean over answers that name the item taken. Equal length:"
        " judged answers, read at the mean of log(1 + words) over all rationales (linear model,"
        " cluster-robust interval)."
    )
    yield from table.caveats
    for row in table.rows:
        for warning in row.warnings:
            yield f"{row.label}: {warning}."
        if row.injections:
            what = "speak to the judge, or break its prompt's form (injection)"
            yield f"{row.label}, rationales that {what}: {row.injections}."


def format_mean_grade(cell: Cell | None, write: Callable[[float], str] = "{:.2f}".format) -> str:
    """'2.41 [2.33, 2.48]'."""
    if cell is None:
        return ""
    if cell.low is None or cell.high is None or cell.low == cell.high:
        return write(cell.mean)
    return f"{write(cell.mean)} [{write(cell.low)}, {write(cell.high)}]"


def format_grade_p_value(p: float) -> str:
    """'.013', '< .001'."""
    return "< .001" if p < 0.001 else format_rate(p)


def _share(cell: Cell | None) -> str:
    return "" if cell is None else _percent(cell.mean)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


GRADE_CSV_COLUMNS = (
    "suite", "task", "judge", "judge_kind", "rubric", "rubric_hash", "method", "family",
    "statistic", "value", "low", "high", "n", "status",
)  # fmt: skip


def grades_csv(suite: str, tables: Sequence[GradeTable]) -> str:
    """One line a method and statistic; a method without grades has one line with its status."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(GRADE_CSV_COLUMNS)
    for table in tables:
        for row in table.rows:
            head = [suite, table.task, table.judge, table.judge_name]
            head += [table.rubric["name"], table.rubric_hash, row.label, row.family]
            for name, cell in _statistics(row):
                writer.writerow(
                    [*head, name, repr(cell.mean), _repr(cell.low), _repr(cell.high), cell.n,
                     row.status]
                )  # fmt: skip
            if row.status != "complete":
                writer.writerow([*head, *[""] * 5, row.status])
    return out.getvalue()


def _statistics(row: GradeRow) -> Iterator[tuple[str, Cell]]:
    for name, cell in row.means.items():
        yield f"mean {name}", cell
    for level, share in row.shares.items():
        yield f"share {level:g}", Cell(share, n=row.n_answers)
    if row.n_answers:
        yield "share unscored", Cell(1 - row.n_graded / row.n_answers, n=row.n_answers)
    for stage, count in row.stages.items():
        yield f"stage {stage}", Cell(count, n=row.n_answers)
    named = {
        "share valid": row.valid,
        "share right": row.correct,
        "mean given the right item": row.mean_if_correct,
        "mean at equal length": row.length_adjusted_mean,
        "share hallucinating": row.hallucinating,
    }
    yield from ((name, cell) for name, cell in named.items() if cell is not None)
    for bucket in row.buckets:
        if bucket.mean is not None:
            history = _lengths(bucket, " to ", " or more")
            yield f"mean with a history of {history}", Cell(bucket.mean, n=bucket.n)


def _repr(value: float | None) -> str:
    return "" if value is None else repr(value)
