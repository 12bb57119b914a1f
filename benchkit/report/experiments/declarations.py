"""What papers' tables and figures show, as declared in experiments.toml, found by their names."""

import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from benchkit.config.loading import read_toml, validate_model
from benchkit.errors import ConfigError
from benchkit.report.core.labels import metric_title
from benchkit.report.paper.published_values import same_method, same_name

_SHORT_NAMES = {"rationale": "rationale-integration"}  # of papers
PanelKind = Literal["rates", "rows", "history", "grades", "grades-by-history", "weights", "costs"]
ColumnUnit = Literal["rate", "number", "count", "milliseconds", "printed"]


def _name_by_itself(value: Any) -> Any:
    return {name: name for name in value} if isinstance(value, list) else value


_Names = Annotated[dict[str, str], BeforeValidator(_name_by_itself)]


class PanelColumn(BaseModel):
    """What is measured at each point."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """The metric, grade or statistic of ours."""
    title: str = ""
    unit: ColumnUnit = "rate"
    """`printed`: no suite measures it."""
    published: str = ""
    """What published files call it, by default the same."""

    @property
    def heading(self) -> str:
        """Its title in a table."""
        return self.title or (f"Grade {self.name}" if self.name.isdigit() else
                              metric_title(self.name))  # fmt: skip


class FigurePanel(BaseModel):
    """A table, or a panel of a figure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reference: str
    """'c-apo:figure5'."""
    panel: str = ""
    """Which panel of a figure, where it has several."""
    title: str = ""
    kind: PanelKind
    suites: tuple[str, ...] = ()
    """The shipped suites that give it; any suite where there are none."""
    x_title: str = ""
    x: _Names = {}
    """Key -> title. Values that the paper does not print are not here; ours are shown anyway."""
    label: str = ""
    labels: dict[str, str] = {}
    domains: _Names = {}
    """Domain of the paper -> our task; where there are none, all tasks of the suite."""
    columns: tuple[PanelColumn, ...] = ()
    pooled: bool = False
    """Whether the paper prints a row's mean over its domains; that over our tasks stands beside."""
    note: str = ""

    @property
    def name(self) -> str:
        """'c-apo, figure5' or 'recpo, figure4a'."""
        return self.reference.replace(":", ", ") + self.panel

    def find_x(self, label: str) -> tuple[str, str] | None:
        """Return (x, series) of our row `label`; None where the panel lacks it.

        >>> panel = FigurePanel(reference="p:figure1", kind="rows", label="(?P<x>[A-C]) .*")
        >>> panel.find_x("B +SFT"), panel.find_x("random")
        (('B', ''), None)
        """
        if self.label:
            match = re.fullmatch(self.label, label, re.IGNORECASE)
            groups = match.groupdict() if match else {}
            return (groups.get("x", ""), groups.get("series", "")) if match else None
        for key in self.x or self.labels:
            if self.is_row(key, label):
                return key, ""
        return None

    def is_row(self, key: str, label: str) -> bool:
        """Return whether our row `label` is what the paper calls `key`."""
        if key in self.labels:
            return bool(re.fullmatch(self.labels[key], label, re.IGNORECASE))
        return same_method(label, key)

    def domain_of(self, task: str) -> str:
        """Return the paper's domain that a task is, or the task's own name."""
        names = (name for name, ours in self.domains.items() if same_name(ours, task))
        return next(names, task)


class Declarations(BaseModel):
    """The content of experiments.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    excluded: dict[str, str] = Field(default_factory=dict)
    """Table -> why `--paper` does not show it."""
    panels: tuple[FigurePanel, ...]


@cache
def read_declarations() -> Declarations:
    """Read experiments.toml."""
    path = Path(str(resources.files("benchkit.report.experiments") / "experiments.toml"))
    return validate_model(Declarations, read_toml(path), str(path))


def normalize_reference(reference: str) -> str:
    """Return the reference with the paper's whole name.

    >>> normalize_reference("rationale:figure2")
    'rationale-integration:figure2'
    """
    paper, separator, table = reference.partition(":")
    return f"{_SHORT_NAMES.get(paper, paper)}{separator}{table}"


def find_panels(reference: str) -> tuple[FigurePanel, ...]:
    """Return what is declared of a table or figure; nothing for one that is not.

    Raises:
        ConfigError: It is excluded, and says why.
    """
    declarations = read_declarations()
    if reason := declarations.excluded.get(reference):
        why, _, command = reason.partition(": ")
        hint = command or "see leaderboards/published"
        raise ConfigError(f"{reference} is not shown by --paper: {why}", hint)
    return tuple(panel for panel in declarations.panels if panel.reference == reference)
