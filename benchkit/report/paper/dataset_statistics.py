"""Dataset statistics beside those that papers print."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchkit.data.dataset_statistics import SYNTHETIC, DatasetStatistics, mark_synthetic
from benchkit.errors import DataError
from benchkit.report.core.text_table import TextTable, csv_text

_TITLES = {
    "users": "Users",
    "items": "Items",
    "interactions": "Interactions",
    "average_length": "Avg. length",
    "median_length": "Median length",
    "average_item_purchases": "Avg. purchases",
    "sparsity": "Sparsity",
    "tied_users": "Tied",
    "ratings": "Ratings",
}
_COLUMNS = tuple(_TITLES)
_ALIASES = {"sequences": "users"}  # leave-one-out has one sequence a user
_MEASURED = "measured"
_NOTE = (
    "Lengths are of whole sequences, with the targets of validation and test. Sparsity: share of"
    " the pairs of user and item without an interaction. Tied: share of users with two interactions"
    " at one time. Ratings: their scale, which suite or source declares or the data show;"
    " none: the data have choices alone."
)


@dataclass(frozen=True)
class PublishedStatistics:
    """The statistics of a dataset in a paper."""

    paper: str
    domain: str
    values: tuple[tuple[str, str], ...]
    """(name of a field of DatasetStatistics, figure as printed)."""


StatisticsPair = tuple[DatasetStatistics, PublishedStatistics | None]


def read_published_statistics(paths: Iterable[Path]) -> list[PublishedStatistics]:
    """Read the dataset statistics in files of published results, one a paper and domain.

    The files have columns `paper`, `domain`, `method`, `metric` and `value`; statistics are the
    rows of no method (`-`).

    Raises:
        DataError: A file cannot be read or lacks a column.
    """
    by_domain: dict[tuple[str, str], dict[str, str]] = {}
    for path in paths:
        try:
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    metric = _ALIASES.get(row["metric"], row["metric"])
                    if row["method"] == "-" and metric in _COLUMNS:
                        values = by_domain.setdefault((row["paper"], row["domain"]), {})
                        values[metric] = row["value"]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: cannot be read: {error}", "check the path") from None
        except KeyError as error:
            raise DataError(
                f"{path}: no column {error}", "see the columns in published/README.md"
            ) from None
    return [PublishedStatistics(*key, tuple(values.items())) for key, values in by_domain.items()]


def match_published_statistics(
    measured: Sequence[DatasetStatistics],
    published: Sequence[PublishedStatistics],
    paper: str | None = None,
) -> list[StatisticsPair]:
    """Pair each dataset with what papers, or one `paper`, print of the domain of its name."""
    pairs: list[StatisticsPair] = []
    for statistics in measured:
        matches = [
            row
            for row in published
            if _normalize_name(row.domain) == _normalize_name(statistics.name)
            and paper in (None, row.paper)
        ]
        pairs += [(statistics, row) for row in matches] or [(statistics, None)]
    return pairs


def statistics_table(pairs: Sequence[StatisticsPair]) -> TextTable:
    """Return the statistics rounded as papers do, published rows below their dataset."""
    rows = []
    for name, source, *values in _rows(pairs):
        cells = map(_format_value, _COLUMNS, values)
        rows.append((str(name), str(source), *cells))
    header = ("Dataset", "Source", *(_TITLES[column] for column in _COLUMNS))
    title = "Dataset statistics"
    if any(statistics.is_synthetic for statistics, _ in pairs):
        title = mark_synthetic(title)
    return TextTable(title, header, tuple(rows), (_NOTE,), text_columns=2)


def statistics_csv(pairs: Sequence[StatisticsPair]) -> str:
    """Return the statistics as CSV, with all digits."""
    return csv_text(["dataset", "source", *_COLUMNS], _rows(pairs))


def _rows(pairs: Sequence[StatisticsPair]) -> list[list[int | float | str | None]]:
    """Return rows of name, source and values; a published value is the text that was printed."""
    rows: list[list[int | float | str | None]] = []
    previous: DatasetStatistics | None = None
    for statistics, published in pairs:
        if statistics != previous:
            source = SYNTHETIC if statistics.is_synthetic else _MEASURED
            rows.append([statistics.name, source, *(getattr(statistics, c) for c in _COLUMNS)])
        previous = statistics
        if published is not None:
            printed = dict(published.values)
            values = [printed.get(column) for column in _COLUMNS]
            rows.append([statistics.name, published.paper, *values])
    return rows


def _format_value(column: str, value: float | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):  # a published figure keeps the digits that the paper gives
        return f"{int(value):,}" if value.isdecimal() else value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if column in ("sparsity", "tied_users") else f"{value:.2f}"


def _normalize_name(name: str) -> str:
    return name.casefold().replace("_", "-")
