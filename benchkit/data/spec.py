"""What a suite says about a dataset: where it comes from and how it becomes frozen cases."""

import math
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from benchkit.data.readers.time_parsing import TIME_UNITS
from benchkit.data.splits.lookup import make_splitter
from benchkit.errors import ConfigError


class CandidateSpec(BaseModel):
    """How the candidates of a case are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(default=30, ge=2)
    """Items of a list, the target included."""
    sampling: Literal["uniform", "popularity"] = "uniform"
    """How likely an item is drawn: all alike, or in proportion to its training interactions."""
    seed: int = 0
    """Seed of the draw and of the order."""


class ColdStartSpec(BaseModel):
    """Withhold a share of the users or of the items from training, and ask for these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: Literal["users", "items"]
    """What is withheld."""
    share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the users or items."""
    seed: int = 0
    """Seed of the choice."""


class DatasetSpec(BaseModel):
    """One dataset of a suite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=150)
    """What tasks, tables and folders call it."""
    source: str
    """A name from `benchkit ls datasets`, or `path/to/file.py:SOURCE`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Arguments of the source."""
    k_core: int = Field(default=0, ge=0)
    """Users and items with fewer interactions are removed, again and again; 0 removes none."""
    duplicates: Literal["error", "first", "last", "keep"] = "error"
    """When a user has an item twice: stop, keep the first or the last, or keep all as events."""
    untitled: Literal["error", "drop"] = "error"
    """When interactions are with an item without a title: stop, or drop them."""
    min_length: int = Field(default=0, ge=0)
    """Users with fewer interactions than this are removed, after the k-core."""
    time: str = Field(default="auto", exclude_if=lambda value: value == "auto")
    """How the column `timestamp` writes times: `auto` reads numbers of seconds, milliseconds,
    microseconds or nanoseconds since 1970, ISO 8601, dates and datetimes; `s`, `ms`, `us` and `ns`
    say the unit; a pattern such as "%d/%m/%Y %H:%M" the form. `none`: the rows are in the order of
    time, whatever the column says."""
    time_zone: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """Where times without a time zone are from, e.g. "Europe/Berlin"; UTC if it is not said."""
    rating_scale: Literal["auto", "implicit"] | tuple[float, float] = Field(
        default="auto", exclude_if=lambda value: value == "auto"
    )
    """The worst and the best rating, e.g. [1, 10]; `implicit`: the data have no ratings, only
    choices; `auto`: as the source declares it, or as the data show it."""
    unrated: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """A number of the column `rating` that stands for no rating, e.g. 0."""
    split: str | dict[str, Any] = "leave-one-out"
    """A name, or a table with parameters: `{ name = "adherence", held_out = 4 }`."""
    cold: ColdStartSpec | None = None
    """What to withhold from training, if anything."""
    candidates: CandidateSpec = Field(default_factory=CandidateSpec)
    """How candidates are drawn."""

    @field_validator("time")
    @classmethod
    def _check_time(cls, setting: str) -> str:
        if setting not in ("auto", "none", *TIME_UNITS) and "%" not in setting:
            units = ", ".join(map(repr, TIME_UNITS))
            raise ValueError(f"use 'auto', 'none', {units}, or a pattern such as '%d/%m/%Y'")
        return setting

    @field_validator("rating_scale", mode="before")
    @classmethod
    def _check_scale(cls, setting: Any) -> Any:
        if setting in ("auto", "implicit"):
            return setting
        is_pair = isinstance(setting, list | tuple) and len(setting) == 2
        if not is_pair or not all(isinstance(end, int | float) for end in setting):
            raise ValueError('give the worst and the best rating, e.g. [1, 10], or "implicit"')
        if not (all(map(math.isfinite, setting)) and setting[0] < setting[1]):
            raise ValueError("give the worst rating, then the best one, e.g. [1, 10]")
        return tuple(setting)

    @field_validator("split")
    @classmethod
    def _check_split(cls, setting: str | dict[str, Any]) -> str | dict[str, Any]:
        try:
            make_splitter(setting)
        except ConfigError as error:
            raise ValueError(f"{error.cause}; {error.hint}") from None
        return setting
