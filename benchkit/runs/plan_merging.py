"""Merging the plan of a run that begins into the one that a store holds."""

from benchkit.errors import ConfigError
from benchkit.io import find_folder_clash
from benchkit.runs.records import PlannedJudge, PlannedRow, PlanRecord


def merge_plans(old: PlanRecord, new: PlanRecord, whole: bool) -> PlanRecord:
    """Return the new plan with what stays of the old one (see `Store.update_plan`).

    Raises:
        ConfigError: Two rows would share a folder.
    """
    old_rows = _rows_to_keep(old, new, whole)
    old_labels = {row.label for row in old_rows}
    tasks = new.tasks if whole else dict.fromkeys([*new.tasks, *old.tasks])
    labels = [*new.labels, *(label for label in old.labels if label in old_labels)]
    if clash := find_folder_clash(labels):
        raise ConfigError(
            f"rows {clash[0]!r} and {clash[1]!r} of suite {new.suite!r} would share a folder",
            "choose another label",
        )
    return new.model_copy(
        update={
            "rows": old_rows + new.rows,
            "tasks": list(tasks),
            "labels": list(dict.fromkeys(labels)),
            "judges": _merge_judges(new.judges, old.judges),
        }
    )


def find_double_row(plan: PlanRecord) -> PlannedRow | None:
    """Return the first row that a plan has twice, None where there is none."""
    seen = set()
    for row in plan.rows:
        key = (row.task, row.label, row.seed)
        if key in seen:
            return row
        seen.add(key)
    return None


def _rows_to_keep(old: PlanRecord, new: PlanRecord, whole: bool) -> list[PlannedRow]:
    """Return the rows of `old` that stay beside those of `new` (see `Store.update_plan`)."""
    planned = {(row.task, row.label, row.seed) for row in new.rows}
    versions = {(row.task, row.label): row.row_id for row in new.rows}

    def stays(row: PlannedRow) -> bool:
        if (row.task, row.label) not in versions:
            return not whole or (row.task in new.tasks and not row.in_suite)
        same_version = row.row_id == versions[row.task, row.label]
        return not whole and same_version and (row.task, row.label, row.seed) not in planned

    return [row for row in old.rows if stays(row)]


def _merge_judges(new: list[PlannedJudge], old: list[PlannedJudge]) -> list[PlannedJudge]:
    labels = {judge.label for judge in new}
    return [*new, *(judge for judge in old if judge.label not in labels)]
