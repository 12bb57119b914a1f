"""Results: the tables of a suite, the records behind them, and what can be made of both."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from benchkit.api.records import (
    FIGURE_SCHEMA,
    case_records,
    figure_records,
    missing_figure_error,
    select_tables,
    to_pandas_table,
)
from benchkit.api.run_report import RunReport
from benchkit.api.suites import as_names, check_names
from benchkit.api.table_output import TableOutput
from benchkit.errors import ConfigError
from benchkit.report.core.results import SuiteTables
from benchkit.runs.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa  # type: ignore[import-untyped]
    from matplotlib.figure import Figure

    from benchkit.api.comparison import Comparison


class Results(TableOutput):
    """The results of one suite, read from the run store.

    Everything here follows from per-case records: `cases` shows them, `to_pandas` has the figures
    of the tables, `table` and `plot` draw them, `write` makes the leaderboard's folder.

    Example:
        >>> import benchkit as bk
        >>> results = bk.run(
        ...     "quickstart", methods=["random", "popularity"], limit_users=50, progress=False
        ... )
        >>> results
        Results(suite='quickstart@50users', tasks=('ml-100k',), methods=('random', 'popularity'))
    """

    def __init__(
        self, collected: SuiteTables, store: Store, data: Path, run_report: RunReport | None = None
    ) -> None:
        super().__init__(collected, store, data)
        self.run_report = run_report or RunReport()

    def __repr__(self) -> str:
        return f"Results(suite={self.suite!r}, tasks={self.tasks}, methods={self.methods})"

    @property
    def collected(self) -> SuiteTables:
        """The tables, as reports read them."""
        return self._collected

    @property
    def store(self) -> Store:
        """The run store that they were read from."""
        return self._store

    @property
    def suite(self) -> str:
        """Name of the suite in the store."""
        return self._collected.plan.suite

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order of the suite."""
        return tuple(self._collected.plan.tasks)

    @property
    def methods(self) -> tuple[str, ...]:
        """Labels of the rows, in the order of the suite; only those that were asked for."""
        present = {row.label for table in self._collected.tables for row in table.rows}
        return tuple(label for label in self._collected.plan.labels if label in present)

    @property
    def failures(self) -> dict[tuple[str, str], str]:
        """(task, method) -> why a row has no figures."""
        return {
            (row.task, row.label): row.status
            for table in self._collected.tables
            for row in table.rows
            if not row.cells
        }

    def to_polars(self) -> pl.DataFrame:
        """Return the figures of all tables, one row a task, protocol, method and metric.

        Columns: suite, task, protocol, subgroup, method, family, metric, mean, low, high (95 %
        interval over users), n (cases), users (whose cases these are), chance, p_above_chance (Holm
        over the table's rows), seeds, status, caveats.

        Example:
            >>> import benchkit as bk
            >>> frame = bk.load_results("runs", "quickstart@50users").to_polars()
            >>> frame.filter(method="popularity", metric="hr@1", protocol="scored")["n"].to_list()
            [50]
        """
        records = []
        for table in self._collected.tables:
            for row in table.rows:
                records += figure_records(self.suite, table, row)
        return pl.DataFrame(records, schema=FIGURE_SCHEMA, orient="row")

    def to_pandas(self) -> "pd.DataFrame":
        """Return `to_polars` as a pandas table."""
        return to_pandas_table(self.to_polars())

    def to_arrow(self) -> "pa.Table":
        """Return `to_polars` as a table of pyarrow.

        Raises:
            ConfigError: pyarrow is not installed.

        Example:
            >>> import benchkit as bk
            >>> bk.load_results("runs", "quickstart@50users").to_arrow().column_names[:2]
            ['suite', 'task']
        """
        try:
            return self.to_polars().to_arrow()
        except ModuleNotFoundError as error:
            raise ConfigError(
                "pyarrow is not installed", "pip install pyarrow, or use polars"
            ) from error

    def write_tables(
        self, folder: str | Path, format_: Literal["csv", "parquet"] = "csv"
    ) -> list[Path]:
        """Write all figures and cases, and a schema that says what their columns hold.

        Args:
            folder: Where `figures`, `cases` and `datapackage.json` go.
            format_: "csv" or "parquet".

        Example:
            >>> import benchkit as bk
            >>> paths = bk.load_results("runs", "quickstart@50users").write_tables("tables")
            >>> [path.name for path in paths]
            ['figures.csv', 'cases.csv', 'datapackage.json']
        """
        from benchkit.api.exports.result_tables import write_result_tables

        return write_result_tables(self, Path(folder), format_)

    def cases(
        self,
        method: str | Iterable[str] = (),
        task: str | Iterable[str] = (),
        protocol: str = "",
        *,
        as_pandas: bool = False,
    ) -> Any:
        """Return the per-case records, one row a case, run and protocol.

        Args:
            method: Labels; all by default.
            task: Tasks; all by default.
            protocol: One protocol; all by default.
            as_pandas: Return a pandas table instead of a polars one.

        Returns:
            Columns task, method, seed, protocol, case_id, user, history_length, target, status,
            rationale, a column a metric, and the answers: `scores` (as the candidates), `samples`.

        Raises:
            ConfigError: There is no such method, task or protocol.

        Example:
            >>> import benchkit as bk
            >>> results = bk.load_results("runs", "quickstart@50users")
            >>> cases = results.cases(method="popularity", protocol="scored")
            >>> len(cases), round(cases["hr@1"].mean(), 2) == round(
            ...     results.value("popularity", "hr@1"), 2
            ... )
            (50, True)
        """
        methods = check_names("method", as_names(method), self.methods)
        tasks = check_names("task", as_names(task), self.tasks)
        protocols = {table.protocol for table in self._collected.tables}
        check_names("protocol", as_names(protocol or ()), tuple(protocols))
        tables = [t for t in select_tables(self._collected, "", protocol) if t.task in tasks]
        cases = case_records(self._store, self.suite, tables, methods)
        return to_pandas_table(cases) if as_pandas else cases

    def value(self, method: str, metric: str, task: str = "", protocol: str = "") -> float:
        """Return one figure: the mean of a metric of a method.

        `task` and `protocol` are the suite's first where they are left out.
        Raises ConfigError where there is no such figure.

        Example:
            >>> import benchkit as bk
            >>> 0 <= bk.load_results("runs", "quickstart@50users").value("random", "hr@5") <= 1
            True
        """
        for table in select_tables(self._collected, task, protocol):
            for row in table.rows:
                if row.label == method and metric in row.cells:
                    return row.cells[metric].mean
        figure = f"{metric} of {method}"
        raise missing_figure_error(self.suite, self.methods, figure, task, protocol)

    def plot(self, metric: str = "", task: str = "", protocol: str = "") -> "Figure":
        """Draw a metric of every method with its 95 % interval, beside chance.

        Args:
            metric: The suite's primary metric by default.
            task: The suite's first task by default.
            protocol: The suite's first protocol by default.

        Returns:
            A matplotlib figure; a notebook shows it, `figure.savefig` keeps it.

        Raises:
            ConfigError: There is no such figure, or matplotlib is not installed.

        Example:
            >>> import benchkit as bk
            >>> figure = bk.load_results("runs", "quickstart@50users").plot("hr@1")
            >>> len(figure.axes)
            1
        """
        from benchkit.report.plots.metric import metric_figure

        for table in select_tables(self._collected, task, protocol):
            if any(row.cells and (not metric or metric in row.cells) for row in table.rows):
                return metric_figure(self._collected, table, metric)
        raise missing_figure_error(self.suite, self.methods, metric or "metric", task, protocol)

    def compare(self, *methods: str, against: str = "", **options: Any) -> "Comparison":
        """Test whether methods differ, user by user; see `benchkit.compare`.

        Example:
            >>> import benchkit as bk
            >>> results = bk.load_results("runs", "quickstart@50users")
            >>> results.compare("random", "popularity").to_polars()["n"].to_list()
            [50]
        """
        from benchkit.api.comparison import compare

        return compare(self, methods=methods, against=against, **options)
