"""Comparisons of methods on the same users."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from benchkit.api.html import tables_to_html
from benchkit.api.records import text_of, to_pandas_table
from benchkit.api.results import Results
from benchkit.api.stored_results import find_stored_suite
from benchkit.api.suites import as_names
from benchkit.errors import ConfigError
from benchkit.report.comparison.paired_comparison import (
    ComparisonRequest,
    SuiteComparison,
    compare_suite,
)
from benchkit.report.comparison.rendering import (
    COMPARISON_FORMATS,
    comparison_document,
    comparison_records,
)
from benchkit.report.core.terminal_table import print_document
from benchkit.runs.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

_LEAST, _MOST = 1e-6, 1e6  # differences to plan for


class Comparison:
    """Paired tests between methods: differences, intervals, p values, effect sizes.

    Example:
        >>> import benchkit as bk
        >>> comparison = bk.compare(
        ...     "runs", suite="quickstart@50users", methods=["random", "popularity"]
        ... )
        >>> comparison
        Comparison(suite='quickstart@50users', metric='ndcg@5', pairs=1)
    """

    def __init__(self, compared: SuiteComparison) -> None:
        self._compared = compared

    def __repr__(self) -> str:
        compared = self._compared
        return (
            f"Comparison(suite={compared.suite!r}, metric={compared.metric!r},"
            f" pairs={len(compared.pairs)})"
        )

    @property
    def has_ranking(self) -> bool:
        """Whether there are enough methods and tasks for a ranking over tasks."""
        return self._compared.ranking is not None

    def to_polars(self) -> pl.DataFrame:
        """Return one row a pair and task: means, difference, interval, p, adjusted p, effects.

        Example:
            >>> import benchkit as bk
            >>> frame = bk.compare("runs", suite="quickstart@50users").to_polars()
            >>> frame.columns[:4]
            ['suite', 'protocol', 'metric', 'task']
        """
        return pl.DataFrame(comparison_records(self._compared), infer_schema_length=None)

    def to_pandas(self) -> "pd.DataFrame":
        """Return `to_polars` as a pandas table."""
        return to_pandas_table(self.to_polars())

    def table(self, format_: Literal["text", "md", "csv", "json"] = "text") -> str:
        """Return the comparison as text.

        Example:
            >>> import benchkit as bk
            >>> "Holm" in bk.compare("runs", suite="quickstart@50users").table("md")
            True
        """
        if format_ != "text":
            return COMPARISON_FORMATS[format_](self._compared)
        return text_of(self.print)

    def print(self, console: "Console") -> None:
        """Print the comparison on a rich console."""
        print_document(console, comparison_document(self._compared))

    def _repr_html_(self) -> str:
        document = comparison_document(self._compared)
        return tables_to_html(document.tables, document.notes)

    def write_plots(self, folder: str | Path) -> list[Path]:
        """Draw the critical-difference diagram into a folder, and return the paths.

        There is none with fewer than three methods or three tasks.

        Example:
            >>> import benchkit as bk
            >>> bk.compare("runs", suite="quickstart@50users").write_plots("figures")
            []
        """
        from benchkit.report.comparison.critical_difference import write_critical_difference

        return write_critical_difference(self._compared, Path(folder))


def compare(
    results: Results | str | Path = "runs",
    *,
    suite: str = "",
    methods: str | Iterable[str] = (),
    against: str = "",
    tasks: str | Iterable[str] = (),
    metric: str = "",
    protocol: str = "",
    target_difference: float | None = None,
) -> Comparison:
    """Test whether methods differ, over the same users.

    Args:
        results: Results, or a run store.
        suite: Name of the suite in the store; may be left out where there is one.
        methods: Labels, every pair of which is compared; none: every method against the best.
        against: Compare with this method only.
        tasks: All by default.
        metric: The suite's primary metric by default.
        protocol: The suite's first protocol by default.
        target_difference: A difference, to learn how many users would show it.

    Raises:
        ConfigError: The suite has no such method, task, metric or protocol.
        StoreError: Methods are incomplete, or were asked different cases.

    Example:
        >>> import benchkit as bk
        >>> comparison = bk.compare("runs", suite="quickstart@50users")
        >>> comparison.to_polars()["p_holm"].len()
        1
    """
    if target_difference is not None and not _LEAST <= target_difference <= _MOST:
        raise ConfigError(
            f"{target_difference:g} is no difference to plan for (--power)",
            f"give a number from {_LEAST:g} to {_MOST:g}, in the unit of the metric, e.g. 0.01",
        )
    store = results.store if isinstance(results, Results) else Store(Path(results))
    name = results.suite if isinstance(results, Results) else find_stored_suite(store, suite)
    request = ComparisonRequest(
        as_names(methods), against, as_names(tasks), metric, protocol, target_difference
    )
    return Comparison(compare_suite(store, name, request))
