"""The dataset statistics that papers print, ours beside theirs."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from benchkit.data.dataset import Dataset
from benchkit.errors import DataError, unknown_name_error

MEASURED_LABEL = "measured"
STATISTICS_NOTE = (
    "Lengths are of whole sequences, with the targets of validation and test. Sparsity is"
    " 1 - interactions / (users x items). Tied: share of users with two interactions at one time."
)


@dataclass(frozen=True)
class DatasetStatistics:
    """Size and shape of a prepared dataset.

    average_length, median_length: interactions a user over the whole sequence, targets included.
    average_item_purchases: interactions an item. sparsity: 1 - interactions / (users * items).
    tied_users: share of users with two interactions at one time; None without timestamps.
    """

    name: str
    users: int
    items: int
    interactions: int
    average_length: float
    median_length: float
    average_item_purchases: float
    sparsity: float
    tied_users: float | None


@dataclass(frozen=True)
class PublishedStatistics:
    """What a paper prints of a dataset: the figures as printed, by the names of Statistics."""

    paper: str
    domain: str
    values: tuple[tuple[str, str], ...]


_COLUMNS = tuple(field.name for field in fields(DatasetStatistics))[1:]
_TITLES = (
    "Users", "Items", "Interactions", "Avg. length", "Median length", "Avg. purchases", "Sparsity",
    "Tied",
)  # fmt: skip
_ALIASES = {"sequences": "users"}  # leave-one-out has one sequence a user


def describe_dataset(dataset: Dataset) -> DatasetStatistics:
    """The statistics of all interactions of a dataset, those of validation and test included."""
    data, users, items = dataset.interactions, len(dataset.users), len(dataset.catalog)
    lengths = np.diff(data.offsets)
    tied = None
    if data.timestamp is not None:
        same = (data.user[1:] == data.user[:-1]) & (data.timestamp[1:] == data.timestamp[:-1])
        tied = len(np.unique(data.user[1:][same])) / users
    return DatasetStatistics(
        name=dataset.name,
        users=users,
        items=items,
        interactions=len(data),
        average_length=len(data) / users,
        median_length=float(np.median(lengths)),
        average_item_purchases=len(data) / items,
        sparsity=1 - len(data) / (users * items),
        tied_users=tied,
    )


def read_published_statistics(paths: Iterable[Path]) -> list[PublishedStatistics]:
    """The dataset statistics in files of published results, one a paper and domain.

    The files have columns `paper`, `domain`, `method`, `metric` and `value`; statistics are the
    rows of no method (`-`). Raises DataError for a file that cannot be read or lacks a column.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in paths:
        try:
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    metric = _ALIASES.get(row["metric"], row["metric"])
                    if row["method"] == "-" and metric in _COLUMNS:
                        found.setdefault((row["paper"], row["domain"]), {})[metric] = row["value"]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: cannot be read: {error}", "check the path") from None
        except KeyError as error:
            raise DataError(f"{path}: no column {error}", "see leaderboards/published") from None
    return [PublishedStatistics(*key, tuple(values.items())) for key, values in found.items()]


def match_published_statistics(
    statistics: Sequence[DatasetStatistics],
    published: Sequence[PublishedStatistics],
    paper: str | None = None,
) -> list[tuple[DatasetStatistics, PublishedStatistics | None]]:
    """Each dataset with what is published of the domain of its name (by `paper`, or by any)."""
    pairs: list[tuple[DatasetStatistics, PublishedStatistics | None]] = []
    for own in statistics:
        theirs = [
            row
            for row in published
            if _normalize_name(row.domain) == _normalize_name(own.name)
            and paper in (None, row.paper)
        ]
        pairs += [(own, row) for row in theirs] or [(own, None)]
    return pairs


def render_statistics(
    pairs: Sequence[tuple[DatasetStatistics, PublishedStatistics | None]], kind: str
) -> str:
    """The statistics as `md`, `csv` or `latex` (booktabs), a published row below its dataset."""
    renderers: dict[str, Callable[[list[list[str]]], str]] = {
        "md": _markdown, "csv": _csv, "latex": _latex,
    }  # fmt: skip
    if kind not in renderers:
        raise unknown_name_error("format", kind, renderers)
    return renderers[kind](statistics_rows(pairs, exact=kind == "csv"))


def statistics_rows(
    pairs: Sequence[tuple[DatasetStatistics, PublishedStatistics | None]], exact: bool = False
) -> list[list[str]]:
    """Lines of cells: dataset, source, and the columns of Statistics; unknown ones are empty.

    exact: all digits, as for a machine; otherwise rounded as papers do.
    """
    lines: list[list[str]] = []
    before: DatasetStatistics | None = None
    for own, theirs in pairs:
        if own != before:
            cells = zip(_COLUMNS, astuple(own)[1:], strict=True)
            lines.append(
                [own.name, MEASURED_LABEL, *(_format_number(*cell, exact) for cell in cells)]
            )
        before = own
        if theirs is not None:
            values = dict(theirs.values)
            lines.append(
                [
                    own.name,
                    theirs.paper,
                    *(_format_published(values.get(c, ""), exact) for c in _COLUMNS),
                ]
            )
    return lines


def statistics_header() -> list[str]:
    """Titles of the cells of `rows`."""
    return ["Dataset", "Source", *_TITLES]


def _format_number(column: str, value: float | None, exact: bool) -> str:
    if value is None:
        return ""
    if exact or isinstance(value, int):
        return repr(value) if exact else f"{value:,}"
    return f"{value:.4f}" if column in ("sparsity", "tied_users") else f"{value:.2f}"


def _format_published(value: str, exact: bool) -> str:
    """A published figure keeps the digits that the paper gives."""
    return f"{int(value):,}" if value.isdecimal() and not exact else value


def _markdown(lines: list[list[str]]) -> str:
    head = [statistics_header(), ["---", "---", *["--:"] * len(_COLUMNS)]]
    # Names of datasets and papers have no other character that Markdown or LaTeX would interpret.
    body = [[cell.replace("_", r"\_") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in head + body) + f"\n{STATISTICS_NOTE}\n"


def _csv(lines: list[list[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["dataset", "source", *_COLUMNS])
    writer.writerows(lines)
    return out.getvalue()


def _latex(lines: list[list[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return " & ".join(cell.replace("_", r"\_") for cell in cells) + r" \\"

    parts = [
        r"\begin{table}[t]",
        r"\centering",
        r"\caption{Dataset statistics}",
        rf"\begin{{tabular}}{{ll{'r' * len(_COLUMNS)}}}",
        r"\toprule",
        line(statistics_header()),
        r"\midrule",
        *map(line, lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip\footnotesize " + STATISTICS_NOTE.replace(" x ", r" $\times$ "),
        r"\end{table}",
    ]
    return "\n".join(parts) + "\n"


def _normalize_name(name: str) -> str:
    return name.casefold().replace("_", "-")
