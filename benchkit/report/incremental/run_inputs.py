"""What figures case by case are read from: the bytes of runs' tables, not where they lie."""

from collections.abc import Sequence

from benchkit.files.checksums import checksum_file
from benchkit.report.core.results import ResultRow
from benchkit.report.incremental.memo import UnknownInputsError
from benchkit.runs.store import Run, Store

METRICS, PREDICTIONS = "metrics.parquet", "predictions.parquet"


def hash_run_tables(
    runs: Sequence[Run], tables: Sequence[str] = (METRICS, PREDICTIONS)
) -> list[str]:
    """Return the SHA-256 of tables of runs, in order.

    Raises:
        UnknownInputsError: There is no run, or a table cannot be read.
    """
    if not runs:
        raise UnknownInputsError
    return [_hash(run, table) for run in runs for table in tables]


def hash_row_tables(store: Store, suite: str, rows: Sequence[ResultRow]) -> list[list[str]]:
    """Return `hash_run_tables` of the runs of each row, a list a row."""
    return [
        hash_run_tables([store.run(suite, row.task, row.label, run_id) for run_id in row.run_ids])
        for row in rows
    ]


def _hash(run: Run, table: str) -> str:
    try:
        return checksum_file(run.path / table).sha256
    except OSError as error:
        raise UnknownInputsError from error
