"""Flat records of figures and of cases."""

import io
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

import polars as pl

from benchkit.console import VisibleConsole
from benchkit.errors import ConfigError
from benchkit.report.core.case_users import read_case_users
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.runs.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

_CASE_COLUMNS = ("case_id", "user", "history_length", "target", "status", "rationale")
_ANSWER_COLUMNS = ("scores", "samples")
FIGURE_SCHEMA: dict[str, Any] = {
    "suite": pl.String, "task": pl.String, "protocol": pl.String, "subgroup": pl.String,
    "method": pl.String, "family": pl.String, "metric": pl.String, "mean": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "n": pl.Int64, "users": pl.Int64,
    "chance": pl.Float64,
    "p_above_chance": pl.Float64, "seeds": pl.List(pl.Int64), "status": pl.String,
    "caveats": pl.List(pl.String),
}  # fmt: skip


def figure_records(suite: str, table: ResultTable, row: ResultRow) -> list[tuple[Any, ...]]:
    """Return one record a metric; one without a metric for a row that has no figures."""
    first = (suite, table.task, row.protocol, table.subgroup, row.label, row.family)
    last = (list(row.seeds), row.status, list(row.caveats))
    if not row.cells:
        return [(*first, *[None] * 8, *last)]
    return [
        (
            *first, name, cell.mean, cell.low, cell.high, cell.n, cell.users,
            table.chance_of(row, name), cell.p, *last,
        )
        for name, cell in row.cells.items()
    ]  # fmt: skip


def to_pandas_table(frame: pl.DataFrame) -> "pd.DataFrame":
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise ConfigError("pandas is not installed", "pip install pandas, or use polars") from error
    # By way of lists: polars' own conversion needs pyarrow.
    return pd.DataFrame({name: frame[name].to_list() for name in frame.columns})


def text_of(print_on: "Callable[[Console], None]", width: int = 140) -> str:
    """Return what a function prints on a console, without colours."""
    buffer = io.StringIO()
    print_on(VisibleConsole(file=buffer, width=width, color_system=None))
    return buffer.getvalue()


def case_records(
    store: Store, suite: str, tables: Iterable[ResultTable], methods: Collection[str]
) -> pl.DataFrame:
    """Return the case records of methods, seed by seed."""
    rows = (row for table in tables for row in table.rows if row.label in methods)
    frames = [frame for row in rows for frame in _row_records(store, suite, row)]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def _row_records(store: Store, suite: str, row: ResultRow) -> list[pl.DataFrame]:
    """Return the case records of one row under its protocol, a table for each seed."""
    frames = []
    for seed, run_id in zip(row.seeds, row.run_ids, strict=True):
        run = store.run(suite, row.task, row.label, run_id)
        values = run.metrics().filter(pl.col("protocol") == row.protocol)
        wide = values.pivot("metric", index="case_id", values="value")
        users, answers = read_case_users(run), run.predictions()
        answers = answers.with_columns(pl.col("case_id").replace_strict(users).alias("user"))
        answers = answers.join(wide, on="case_id", how="inner", maintain_order="left")
        origin = {"task": row.task, "method": row.label, "seed": seed, "protocol": row.protocol}
        metrics = [name for name in wide.columns if name != "case_id"]
        columns = [*_CASE_COLUMNS, *metrics, *_ANSWER_COLUMNS]
        constants = [pl.lit(value).alias(name) for name, value in origin.items()]
        frames.append(answers.select(*constants, *columns))
    return frames


def select_tables(collected: SuiteTables, task: str, protocol: str) -> list[ResultTable]:
    """Return the tables over all cases, of one task and protocol where they are named."""
    return [
        table
        for table in collected.tables
        if not table.subgroup and task in ("", table.task) and protocol in ("", table.protocol)
    ]


def missing_figure_error(
    suite: str, methods: tuple[str, ...], what: str, task: str, protocol: str
) -> ConfigError:
    """Return the error for a figure that a suite does not have."""
    place = (f" on {task!r}" if task else "") + (f" under {protocol!r}" if protocol else "")
    return ConfigError(
        f"suite {suite!r} has no {what}{place}",
        f"methods: {', '.join(methods)}; results.to_polars() has all figures",
    )
