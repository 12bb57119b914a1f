"""What results are printed as, and which files are made of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from benchkit.api.html import tables_to_html
from benchkit.api.records import text_of
from benchkit.api.suites import check_names
from benchkit.report.core.mixed_protocols import select_protocol
from benchkit.report.core.results import SuiteTables
from benchkit.runs.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.report.ranking.table_ranks import SuiteRanks


class TableOutput:
    """The part of `Results` that prints and writes tables."""

    def __init__(self, collected: SuiteTables, store: Store, data: Path) -> None:
        self._collected = collected
        self._store = store
        self._data = data

    def table(self, format_: str = "text", *, protocol: str = "", ranks: bool = False) -> str:
        """Return the tables as text: "text" (as on a terminal), "md", "latex", "csv" or "html".

        protocol: one alone, or "mixed": sampled figures where there are any, else scored ones.
        ranks: whether each row has its rank with a 95 % interval, too, and tables of mean ranks and
        win rates over tasks follow; "json" then is a format as well, and "html" is not.

        Example:
            >>> import benchkit as bk
            >>> text = bk.load_results("runs", "quickstart@50users").table("md")
            >>> "| popularity" in text
            True
        """
        if protocol:
            selected = select_protocol(self._collected, protocol)
            return type(self)(selected, self._store, self._data).table(format_, ranks=ranks)
        if format_ == "text":
            return text_of(lambda console: self.print(console, ranks=ranks))
        from benchkit.report.leaderboard.writer import render_ranks, render_tables

        if ranks:
            return render_ranks(self._suite_ranks(), format_)
        if format_ == "html":
            return self._repr_html_()

        return render_tables(self._collected, format_)

    def print(self, console: "Console", *, only_grades: bool = False, ranks: bool = False) -> None:
        """Print the tables on a rich console, or only those of grades; see `table`."""
        from benchkit.report.core.terminal_table import print_tables
        from benchkit.report.grades.tables import grade_tables
        from benchkit.report.leaderboard.tables import print_results

        if only_grades:
            print_tables(console, grade_tables(self._collected.plan.title, self._collected.grades))
        else:
            print_results(console, self._collected, self._suite_ranks() if ranks else None)

    def _repr_html_(self) -> str:
        from benchkit.report.grades.tables import grade_tables
        from benchkit.report.leaderboard.tables import leaderboard_table

        plan = self._collected.plan
        tables = [leaderboard_table(plan, t, family=False) for t in self._collected.tables]
        return tables_to_html([*tables, *grade_tables(plan.title, self._collected.grades)])

    def ranks(self, metric: str = "") -> pl.DataFrame:
        """Return the rank of each row on each task, with its 95 % interval, and its mean rank.

        Args:
            metric: By default the metric that decides the marks of a table.

        Returns:
            A table with protocol, task (null for the mean over tasks), metric, method, rank, low,
            high, and group: methods that share a letter do not differ significantly.

        Raises:
            ConfigError: No table has such a metric with a chance level.

        Example:
            >>> import benchkit as bk
            >>> ranks = bk.load_results("runs", "quickstart@50users").ranks("hr@1")
            >>> sorted(ranks.filter(protocol="scored")["method"])
            ['popularity', 'random']
        """
        from benchkit.report.ranking.rendering import RANK_SCHEMA, rank_records

        tables = self._collected.tables
        if metric:
            check_names("metric", (metric,), tuple({name for t in tables for name in t.chance}))
        records = rank_records(self._suite_ranks(), metric)
        return pl.DataFrame(list(records), schema=RANK_SCHEMA, orient="row")

    def _suite_ranks(self) -> "SuiteRanks":
        from benchkit.report.ranking.table_ranks import SuiteRanks

        return SuiteRanks(self._store, self._collected)

    def write(
        self,
        folder: str | Path = "leaderboards",
        *,
        published: str | Path | None = None,
        ranks: bool = False,
        plots: bool = True,
    ) -> list[Path]:
        """Write tables, plots and the page to FOLDER/SUITE, and return the paths.

        Only what has changed since an earlier report of the store is computed and written anew.

        Args:
            folder: Where leaderboards are kept.
            published: The folder of published figures beside ours, by default benchkit's.
            ranks: Whether to write tables with ranks, too.
            plots: Whether to draw plots, which takes longer than the rest.

        Example:
            >>> import benchkit as bk
            >>> paths = bk.load_results("runs", "quickstart@50users").write("boards")
            >>> sorted(path.name for path in paths)[:3]
            ['costs.md', 'index.html', 'leaderboard.csv']
        """
        from benchkit.api.case_lookup import make_case_lookup
        from benchkit.io import folder_name
        from benchkit.report.leaderboard.writer import write_leaderboard
        from benchkit.report.paper.published_values import PUBLISHED_FOLDER

        return write_leaderboard(
            self._collected,
            self._store,
            Path(folder) / folder_name(self._collected.plan.suite),
            make_case_lookup(self._data),
            PUBLISHED_FOLDER if published is None else Path(published),
            self._suite_ranks() if ranks else None,
            plots=plots,
        )

    def paper_table(
        self,
        format_: str = "md",
        *,
        paper: str = "",
        intervals: bool = False,
        protocol: str = "",
        published: str | Path | None = None,
        ranks: bool = False,
    ) -> str:
        """Return tasks side by side, as papers print them: "md", "latex", "csv" or "text".

        Args:
            format_: "text" is as on a terminal.
            paper: A paper's table or figure that gives the shape, e.g. "c-apo:table2".
            intervals: Whether to print 95 % intervals, too.
            protocol: As of `table`; by default all, and for `paper` "mixed" if there are both.
            published: Folder of published figures, by default benchkit's.
            ranks: Whether each task has a column of ranks; not with `paper`.

        Raises:
            ConfigError: There is no such published table or protocol.

        Example:
            >>> import benchkit as bk
            >>> "NDCG@5" in bk.load_results("runs", "quickstart@50users").paper_table()
            True
        """
        from benchkit.report.core.terminal_table import print_tables
        from benchkit.report.leaderboard.writer import paper_text_tables, render_paper_table
        from benchkit.report.paper.published_values import PUBLISHED_FOLDER

        folder = PUBLISHED_FOLDER if published is None else Path(published)
        results, store = self._collected, self._store
        suite_ranks = self._suite_ranks() if ranks else None
        if format_ == "text":
            tables = paper_text_tables(
                results, store, folder, intervals, paper, protocol, suite_ranks
            )
            return text_of(lambda console: print_tables(console, tables))
        return render_paper_table(
            results, store, folder, format_, intervals, paper, protocol, suite_ranks
        )
