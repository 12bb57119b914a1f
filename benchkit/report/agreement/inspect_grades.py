"""Grades in a log of Inspect, as a table of texts like that of any file of grades."""

from pathlib import Path

import polars as pl

from benchkit.files.inspect_log import InspectScore, read_inspect_scores

_COLUMNS = ("item", "system", "rater", "criterion", "grade")


def read_inspect_grades(path: Path) -> pl.DataFrame:
    """Return a row a score: item (the case), system (the method), rater, criterion and grade.

    A rater is a scorer; epochs after the first are raters of their own, as `scorer #2`. Columns
    without any value are left out.

    Raises:
        DataError: The file is no such log.
    """
    rows = [_row(score) for score in read_inspect_scores(path)]
    table = pl.DataFrame(rows, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
    return table.select(c for c in _COLUMNS if c == "grade" or not table[c].is_null().all())


def _row(score: InspectScore) -> tuple[str | None, ...]:
    rater = score.scorer if score.epoch == 1 else f"{score.scorer} #{score.epoch}"
    grade = None if score.value is None else repr(score.value)
    return (score.case, score.method, rater, score.criterion or None, grade)
