"""Labels of people, as `benchkit annotate --read` writes them, for answers in a run store."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchkit.errors import DataError, check_unique
from benchkit.report.agreement.preferences import holds_pairs
from benchkit.report.agreement.rating_cells import (
    read_numbers,
    refuse_missing_name,
    refuse_weights,
    strip_names,
)
from benchkit.report.agreement.ratings_io import read_ratings_file
from benchkit.runs.records import JUDGE_PREFIX

_NEEDED_NAMES = ("rater", "criterion", "system", "task", "case_id")
_NAMES = (*_NEEDED_NAMES, "run_id", "scale")
_SCHEMA = dict.fromkeys(_NAMES, pl.String) | dict.fromkeys(("grade", "weight"), pl.Float64)
_KEY = ("task", "system", "run_id", "case_id", "criterion")


@dataclass(frozen=True, eq=False)
class PeopleLabels:
    """Grades by people, one a row.

    Columns: task, system (the method), run_id (null where files do not say it), case_id, criterion,
    scale, rater, grade, weight.
    """

    table: pl.DataFrame

    @property
    def raters(self) -> tuple[str, ...]:
        """The people, in the order of the files."""
        return tuple(self.table["rater"].unique(maintain_order=True))

    @property
    def criteria(self) -> tuple[str, ...]:
        """The criteria that they graded."""
        return tuple(self.table["criterion"].unique(maintain_order=True))


def no_labels() -> PeopleLabels:
    """Return labels of which there are none yet."""
    return PeopleLabels(pl.DataFrame(schema=_SCHEMA))


def unmatched_error(labels: PeopleLabels, rubrics: Sequence[Mapping[str, Any]] = ()) -> DataError:
    """Return the error that no label is of a judged answer, with what the labels are of.

    rubrics: of the judgements; where labels are on other scales than these, that is the reason.
    """
    judged = {
        criterion["name"]: f"{criterion['low']}-{criterion['high']}"
        for rubric in rubrics
        for criterion in rubric["criteria"]
    }
    for (criterion, scale), _ in labels.table.group_by("criterion", "scale", maintain_order=True):
        if scale is not None and scale != judged.get(str(criterion), scale):
            return DataError(
                f"the labels grade {criterion} on the scale {scale}, and the judge on"
                f" {judged[str(criterion)]}",
                "give labels on the judge's scale: pages by its rubric have it (benchkit annotate"
                " without --rubric)",
            )
    tasks = ", ".join(labels.table["task"].unique(maintain_order=True))
    return DataError(
        "no label is of an answer in these judgements",
        f"the labels are of {tasks} by {', '.join(labels.criteria)}; name the judgements that their"
        " answers were drawn from, as for benchkit annotate",
    )


def read_people_labels(paths: Sequence[Path]) -> PeopleLabels:
    """Read the grades by people of all files; those by judges are left out.

    Raises:
        DataError: A file has not the columns that say which answer was graded, a row lacks a name,
            a grade or weight is no number or the weight not positive, or a person graded an answer
            twice.
    """
    check_unique("file", [str(path.resolve()) for path in paths])
    table = pl.concat([_read(path) for path in paths])
    if len(twice := table.filter(pl.struct(*_KEY, "rater").is_duplicated())):
        first = twice.row(0, named=True)
        raise DataError(
            f"{first['rater']} graded the {first['criterion']} of {first['system']} on case"
            f" {first['case_id']} more than once",
            "give each file of labels once",
        )
    if not len(table):
        raise DataError("there is no grade by people in the files", "annotate answers first")
    return PeopleLabels(table)


def _read(path: Path) -> pl.DataFrame:
    table = read_ratings_file(path)
    if holds_pairs(table):
        raise DataError(
            f"{path}: labels of pairs, which say which of two answers is better, and give no grade",
            f"benchkit agree {shlex.quote(str(path))} gives their win rates; here give labels of"
            " grades (benchkit annotate without --pairs)",
        )
    if missing := [name for name in (*_NEEDED_NAMES, "grade") if name not in table.columns]:
        raise DataError(
            f"{path}: no column {missing[0]!r}, so that it does not say which answers of the store"
            " were graded",
            "give labels that benchkit annotate --read wrote",
        )
    names = table.select(
        strip_names(pl.col(name) if name in table.columns else pl.lit(None)).alias(name)
        for name in _NAMES
    )
    for name in _NEEDED_NAMES:
        refuse_missing_name(path, names[name])
    no_weights = pl.Series("weight", [None] * len(table), dtype=pl.Float64)
    weight = table["weight"] if "weight" in table.columns else no_weights
    labels = names.with_columns(
        read_numbers(path, table["grade"], "grade").alias("grade"),
        read_numbers(path, weight, "weight").alias("weight"),
    )
    refuse_weights(path, labels["weight"])
    return labels.with_columns(pl.col("weight").fill_null(1.0)).filter(
        pl.col("grade").is_not_null() & ~pl.col("rater").str.starts_with(JUDGE_PREFIX)
    )
