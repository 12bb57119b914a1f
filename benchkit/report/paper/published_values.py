"""Published figures to set beside ours: those of the tables that a suite names."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchkit.errors import ConfigError, suggest_names
from benchkit.report.core.labels import format_rate
from benchkit.runs.records import PlanRecord

ParsedT = TypeVar("ParsedT")
_PACKAGE = Path(__file__).parents[2]
_IN_WHEEL = _PACKAGE / "published"  # pyproject.toml puts it there
PUBLISHED_FOLDER = (
    _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent / "leaderboards" / "published"
)
"""The figures that come with benchkit: in the installed package, or in the checkout beside it."""
_UNITS = {"percent": 100.0, "ratio": 1.0}  # what a printed figure is divided by
# Settings that tell rows of one table apart -> the task of ours that has it, "" for the domain's.
_SETTINGS = {
    "": "", "unseen domain": "",
    "conventional": "warm", "user cold-start": "cold-users", "item cold-start": "cold-items",
}  # fmt: skip


@dataclass(frozen=True)
class PublishedValue:
    """One figure that a paper prints for a method."""

    paper: str
    table: str
    domain: str
    method: str
    metric: str
    value: float
    """As a rate from 0 to 1."""
    unit: str = "ratio"
    """As it is printed: `percent` or `ratio`."""
    group: str = ""
    """The heading over its row in the table, if there is one."""

    @property
    def reference(self) -> str:
        """'c-apo:table2', as suites name a table."""
        return f"{self.paper}:{self.table}"

    @property
    def display(self) -> list[str]:
        """[figure, paper and table], as the page prints them."""
        return [format_rate(self.value), f"{self.paper}, {self.table}"]


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published file as it stands there, whatever it is of."""

    domain: str
    method: str
    metric: str
    value: str
    """As printed, without its unit."""
    variant: str
    unit: str

    @property
    def number(self) -> float:
        """The figure; a rate is from 0 to 1."""
        return float(self.value) / _UNITS.get(self.unit, 1.0)


@dataclass(frozen=True)
class TrainingTimeRatio:
    """How much longer a method trains than another one, as a paper prints it."""

    reference: str
    method: str
    other: str
    ratio: float
    """Training time of `other` over that of `method`."""
    quotation: str
    """What is printed, in words."""


def read_published_values(folder: Path, tables: Sequence[str]) -> list[PublishedValue]:
    """Read the figures of tables, in the order of the files.

    Only rates of methods, in settings that tasks of ours have. A table that is not there has none.

    Args:
        folder: It has a file PAPER.csv for each paper.
        tables: Names of tables, `paper:table`.

    Raises:
        ConfigError: A file cannot be read.
    """
    return _read_tables(folder, tables, _value)


def read_time_ratios(folder: Path, tables: Sequence[str]) -> list[TrainingTimeRatio]:
    """Read the ratios of training times in tables, as `read_published_values` reads figures."""
    return _read_tables(folder, tables, _time_ratio)


def read_published_rows(folder: Path, reference: str) -> list[PublishedRow]:
    """Read all rows of one table, of rates or not; none for one that is not there."""
    return _read_tables(folder, [reference], _row)


def read_published_table(
    folder: Path, reference: str, others: Sequence[str] = (), of_suite: Sequence[str] = ()
) -> list[PublishedValue]:
    """Read the figures of one table of rates. Raises ConfigError naming what there is.

    Args:
        folder: The published figures.
        reference: The paper and its table.
        others: Names that are known besides those of the folder's tables.
        of_suite: Those that the suite gives, which an error names first.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder of published figures",
            "name a folder with --published FOLDER; without it, benchkit's figures are taken",
        )
    tables: dict[str, list[PublishedValue]] = {}
    for path in sorted(folder.glob("*.csv")):
        for value in _read_file(path, _value):
            tables.setdefault(value.reference, []).append(value)
    if reference not in tables:
        known = sorted({*tables, *others})
        hints = [f"this suite gives {', '.join(of_suite)}"] if of_suite else []
        paper = reference.partition(":")[0]
        of_paper = [name for name in known if name.partition(":")[0] == paper]
        if reference != paper or not of_paper:  # the nearest to a paper's name are any three
            hints.append(suggest_names(reference, known))
        if of_paper:
            hints.append(f"of {paper} there are {', '.join(of_paper)}")
        raise ConfigError(
            f"unknown table or figure of a paper in {folder}: {reference!r}", "; ".join(hints)
        )
    return tables[reference]


def match_published(
    values: Iterable[PublishedValue], task: str, label: str
) -> dict[str, list[PublishedValue]]:
    """Return metric -> the figures of the domain called `task` and the method of row `label`.

    >>> sasrec = PublishedValue("p", "table1", "fashion", "SASRec", "hr@1", 0.03)
    >>> list(match_published([sasrec], "Fashion", "recbole/SASRec"))
    ['hr@1']
    >>> match_published([sasrec], "fashion", "fpmc")
    {}
    """
    matching: dict[str, list[PublishedValue]] = {}
    for value in values:
        if same_name(value.domain, task) and same_method(label, value.method):
            matching.setdefault(value.metric, []).append(value)
    return matching


def unmatched_tables(plan: PlanRecord, folder: Path) -> list[str]:
    """Describe the tables that the suite names and that have no figure beside a row of it."""
    if plan.published and not folder.is_dir():
        return [f"no published figures: there is no folder {folder}; name it with --published"]
    values = [v for v in read_published_values(folder, plan.published) if v.metric in plan.metrics]
    used = set()
    for task, label in dict.fromkeys((row.task, row.label) for row in plan.rows):
        for matching in match_published(values, task, label).values():
            used |= {value.reference for value in matching}
    labels = dict.fromkeys(row.label for row in plan.rows)
    ratios = read_time_ratios(folder, plan.published)
    for ratio in time_ratios_of(ratios, plan.relative_to):
        if any(same_method(label, ratio.other) for label in labels):
            used.add(ratio.reference)
    return [
        f"{reference} has no figure that belongs beside a row of suite {plan.suite!r}"
        for reference in plan.published
        if reference not in used
    ]


def time_ratios_of(ratios: Iterable[TrainingTimeRatio], label: str) -> list[TrainingTimeRatio]:
    """Return the ratios that compare with the method of row `label`."""
    return [ratio for ratio in ratios if same_method(label, ratio.method)]


def same_name(name: str, other: str) -> bool:
    """Return whether two names have the same letters and digits, and any at all."""
    return bool(_normalize(name)) and _normalize(name) == _normalize(other)


def same_method(label: str, printed: str) -> bool:
    """Return whether a row of ours is the method that a paper prints.

    'recbole/SASRec' is SASRec; the papers' own misspellings are known.

    >>> same_method("intuitor", "Intuitur"), same_method("dpo", "S-DPO")
    (True, False)
    """
    name, ours = _normalize(printed), _normalize(label.rpartition("/")[2])
    return bool(name) and _SPELLINGS.get(ours, ours) == _SPELLINGS.get(name, name)


# What tables of papers spell in other ways than the papers of the methods.
_SPELLINGS = {
    "dfm": "deepfm", "intuitior": "intuitor", "intuitur": "intuitor", "llama3": "zeroshot",
    "nexthitnet": "nextitnet", "nextittnet": "nextitnet",
}  # fmt: skip


def _normalize(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _read_tables(
    folder: Path, tables: Sequence[str], parse: Callable[[str, dict[str, str]], ParsedT | None]
) -> list[ParsedT]:
    parsed = []
    for reference in tables:
        paper, _, name = reference.partition(":")
        path = folder / f"{paper}.csv"
        if path.is_file():
            parsed += _read_file(path, parse, name)
    return parsed


def _read_file(
    path: Path, parse: Callable[[str, dict[str, str]], ParsedT | None], table: str = ""
) -> list[ParsedT]:
    """Return `parse` of the paper's name and each row of its file, or of one `table` in it."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if table in ("", row["table"])]
            parsed = [parse(path.stem, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}", "see the columns in published/README.md"
        ) from None
    return [value for value in parsed if value is not None]


def _row(paper: str, row: dict[str, str]) -> PublishedRow:  # noqa: ARG001
    float(row["value"])
    unit = row["note"].partition(";")[0]
    return PublishedRow(
        row["domain"], row["method"], row["metric"], row["value"], row["variant"], unit
    )


def _value(paper: str, row: dict[str, str]) -> PublishedValue | None:
    unit, variant = row["note"], row["variant"]
    if unit not in _UNITS or variant not in _SETTINGS or row["method"] == "-":
        return None
    return PublishedValue(
        paper, row["table"], _SETTINGS[variant] or row["domain"], row["method"], row["metric"],
        float(row["value"]) / _UNITS[unit], unit, row.get("group") or "",
    )  # fmt: skip


_COMPARED_METHODS = re.compile("over (.+)|between .+ and the (.+) model")


def _time_ratio(paper: str, row: dict[str, str]) -> TrainingTimeRatio | None:
    compared = _COMPARED_METHODS.fullmatch(row["variant"])
    if row["note"] != "factor" or not row["metric"].startswith("training_") or not compared:
        return None
    value = float(row["value"])
    words = row["metric"].replace("_", " ")
    return TrainingTimeRatio(
        f"{paper}:{row['table']}",
        row["method"],
        compared[1] or compared[2],
        1 / value if words == "training slowdown" else value,
        f"{words} {row['value']} {row['variant']}",
    )
