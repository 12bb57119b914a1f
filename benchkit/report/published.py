"""Published figures that stand beside ours: those of the tables that a suite names."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchkit.errors import ConfigError
from benchkit.report.wording import number

_UNITS = {"percent": 100.0, "ratio": 1.0}  # what a printed figure is divided by


@dataclass(frozen=True)
class Figure:
    """One figure that a paper prints for a method. value: as a rate from 0 to 1."""

    paper: str
    table: str
    domain: str
    method: str
    metric: str
    value: float

    @property
    def shown(self) -> list[str]:
        """[figure, paper and table], as the page prints them."""
        return [number(self.value), f"{self.paper}, {self.table}"]


def read(folder: Path, tables: Sequence[str]) -> list[Figure]:
    """Figures of `tables` (paper:table) from `folder`/paper.csv, in the order of the files.

    Only figures that are rates and have no variant: with one, they are of another setting. A
    folder that is not there has none. Raises ConfigError for a file that cannot be read.
    """
    found = []
    for reference in tables:
        paper, _, table = reference.partition(":")
        path = folder / f"{paper}.csv"
        if not path.is_file():
            continue
        try:
            with path.open(encoding="utf-8", newline="") as file:
                found += [
                    Figure(
                        paper, table, row["domain"], row["method"], row["metric"],
                        float(row["value"]) / _UNITS[row["note"]],
                    )
                    for row in csv.DictReader(file)
                    if row["table"] == table and row["note"] in _UNITS and not row["variant"]
                ]  # fmt: skip
        except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
            raise ConfigError(
                f"{path}: cannot be read: {error}", "see the columns in published/README.md"
            ) from None
    return found


def beside(figures: Iterable[Figure], task: str, label: str) -> dict[str, list[Figure]]:
    """Metric -> the figures of the domain called `task` and the method of row `label`.

    >>> sasrec = Figure("p", "table1", "fashion", "SASRec", "hr@1", 0.03)
    >>> list(beside([sasrec], "Fashion", "recbole/SASRec")), beside([sasrec], "fashion", "fpmc")
    (['hr@1'], {})
    """
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        if same_name(figure.domain, task) and same_method(label, figure.method):
            found.setdefault(figure.metric, []).append(figure)
    return found


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
