"""Published figures that stand beside ours: those of the tables that a suite names."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchkit.errors import ConfigError, unknown_name_error
from benchkit.report.core.labels import format_rate
from benchkit.runs.records import PlanRecord

ParsedT = TypeVar("ParsedT")
PUBLISHED_FOLDER = Path("leaderboards/published")
_UNITS = {"percent": 100.0, "ratio": 1.0}  # what a printed figure is divided by
# Settings that tell rows of one table apart -> the task of ours that has it, "" for the domain's.
_SETTINGS = {
    "": "", "unseen domain": "",
    "conventional": "warm", "user cold-start": "cold-users", "item cold-start": "cold-items",
}  # fmt: skip


@dataclass(frozen=True)
class PublishedValue:
    """One figure that a paper prints for a method.

    value: as a rate from 0 to 1. unit: as it is printed, `percent` or `ratio`. group: the heading
    over its row in the table, if there is one.
    """

    paper: str
    table: str
    domain: str
    method: str
    metric: str
    value: float
    unit: str = "ratio"
    group: str = ""

    @property
    def reference(self) -> str:
        """'c-apo:table2', as suites name a table."""
        return f"{self.paper}:{self.table}"

    @property
    def display(self) -> list[str]:
        """[figure, paper and table], as the page prints them."""
        return [format_rate(self.value), f"{self.paper}, {self.table}"]


@dataclass(frozen=True)
class TrainingTimeRatio:
    """How much longer a method trains than another one, as a paper prints it.

    ratio: training time of `other` over that of `method`. said: what is printed, in words.
    """

    reference: str
    method: str
    other: str
    ratio: float
    quotation: str


def read_published_values(folder: Path, tables: Sequence[str]) -> list[PublishedValue]:
    """Figures of `tables` (paper:table) from `folder`/paper.csv, in the order of the files.

    Only rates of methods, in settings that tasks of ours have. A table that is not there has none.
    Raises ConfigError for a file that cannot be read.
    """
    return _of_tables(folder, tables, _figure)


def read_time_ratios(folder: Path, tables: Sequence[str]) -> list[TrainingTimeRatio]:
    """The factors between training times in `tables`, as `read` reads figures."""
    return _of_tables(folder, tables, _factor)


def read_published_table(folder: Path, reference: str) -> list[PublishedValue]:
    """The figures of one table. Raises ConfigError naming the tables there if it has none."""
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder of published figures",
            "--published FOLDER; benchkit's repository has it as leaderboards/published",
        )
    known: dict[str, list[PublishedValue]] = {}
    for path in sorted(folder.glob("*.csv")):
        for figure in _parsed(path, _figure):
            known.setdefault(figure.reference, []).append(figure)
    if reference not in known:
        raise unknown_name_error(f"table of rates in {folder}:", reference, known)
    return known[reference]


def match_published(
    figures: Iterable[PublishedValue], task: str, label: str
) -> dict[str, list[PublishedValue]]:
    """Metric -> the figures of the domain called `task` and the method of row `label`.

    >>> sasrec = PublishedValue("p", "table1", "fashion", "SASRec", "hr@1", 0.03)
    >>> list(match_published([sasrec], "Fashion", "recbole/SASRec"))
    ['hr@1']
    >>> match_published([sasrec], "fashion", "fpmc")
    {}
    """
    found: dict[str, list[PublishedValue]] = {}
    for figure in figures:
        if same_name(figure.domain, task) and same_method(label, figure.method):
            found.setdefault(figure.metric, []).append(figure)
    return found


def unmatched_tables(plan: PlanRecord, folder: Path) -> list[str]:
    """What stands beside no row although the suite names it, in words."""
    if plan.published and not folder.is_dir():
        return [f"nothing published stands beside ours: {folder} is not here; name --published"]
    rows = dict.fromkeys((row.task, row.label) for row in plan.rows)
    figures = [f for f in read_published_values(folder, plan.published) if f.metric in plan.metrics]
    used = {
        f.reference for row in rows for own in match_published(figures, *row).values() for f in own
    }
    labels = dict.fromkeys(row.label for row in plan.rows)
    used |= {
        factor.reference
        for factor in time_ratios_of(read_time_ratios(folder, plan.published), plan.relative_to)
        if any(same_method(label, factor.other) for label in labels)
    }
    return [
        f"{reference} puts no figure beside a row of suite {plan.suite!r}"
        for reference in plan.published
        if reference not in used
    ]


def time_ratios_of(factors: Iterable[TrainingTimeRatio], label: str) -> list[TrainingTimeRatio]:
    """Those that compare with the method of row `label`."""
    return [factor for factor in factors if same_method(label, factor.method)]


def same_name(one: str, other: str) -> bool:
    """Whether two names have the same letters and digits, and any at all."""
    return bool(_plain(one)) and _plain(one) == _plain(other)


def same_method(label: str, printed: str) -> bool:
    """Whether a row of ours is the method that a paper prints.

    'recbole/SASRec' is SASRec; the papers' own misspellings are known.

    >>> same_method("intuitor", "Intuitur"), same_method("dpo", "S-DPO")
    (True, False)
    """
    plain = _plain(printed)
    return bool(plain) and _plain(label.rpartition("/")[2]) == _MEANT.get(plain, plain)


# What the papers' tables spell in other ways than the methods' own papers.
_MEANT = {
    "dfm": "deepfm", "intuitior": "intuitor", "intuitur": "intuitor", "llama3": "zeroshot",
    "nexthitnet": "nextitnet", "nextittnet": "nextitnet",
}  # fmt: skip


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _of_tables(
    folder: Path, tables: Sequence[str], make: Callable[[str, dict[str, str]], ParsedT | None]
) -> list[ParsedT]:
    found = []
    for reference in tables:
        paper, _, name = reference.partition(":")
        path = folder / f"{paper}.csv"
        if path.is_file():
            found += _parsed(path, lambda p, row: make(p, row) if row["table"] == name else None)  # noqa: B023
    return found


def _parsed(path: Path, make: Callable[[str, dict[str, str]], ParsedT | None]) -> list[ParsedT]:
    """What `make` makes of the paper's name and each row of its file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = [make(path.stem, row) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}", "see the columns in published/README.md"
        ) from None
    return [one for one in found if one is not None]


def _figure(paper: str, row: dict[str, str]) -> PublishedValue | None:
    unit, variant = row["note"], row["variant"]
    if unit not in _UNITS or variant not in _SETTINGS or row["method"] == "-":
        return None
    return PublishedValue(
        paper, row["table"], _SETTINGS[variant] or row["domain"], row["method"], row["metric"],
        float(row["value"]) / _UNITS[unit], unit, row.get("group") or "",
    )  # fmt: skip


_COMPARED = re.compile("over (.+)|between .+ and the (.+) model")


def _factor(paper: str, row: dict[str, str]) -> TrainingTimeRatio | None:
    compared = _COMPARED.fullmatch(row["variant"])
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
