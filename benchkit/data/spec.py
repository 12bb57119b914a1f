"""What a suite says about a dataset: where it comes from and how it becomes frozen cases."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from benchkit.data.demo.base import LEAST_USERS
from benchkit.data.readers.time_parsing import TIME_UNITS
from benchkit.data.splits.files import SplitFiles
from benchkit.data.splits.lookup import make_splitter, split_files
from benchkit.errors import ConfigError

FILE_SETTINGS = {"candidates": ("file", "valid_file"), "split": ("train", "valid", "test")}
"""Key of a dataset -> the keys of its table that name files."""
FILE_SPLIT_SOURCES = ("table", "recbole")
"""Sources that read the files of a split that somebody else made."""


class CandidateSpec(BaseModel):
    """How the candidates of a case are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    count: int = Field(default=30, ge=2, le=100_000)
    """Items of a list, the target included. Where the target is an item that the user has had
    before, and the history has fewer, a list is shorter."""
    sampling: Literal["uniform", "popularity"] = "uniform"
    """How likely an item is drawn: all alike, or in proportion to its training interactions, of
    which every item counts as having at least one."""
    seed: int = 0
    """Another seed gives other lists. It is no secret, and need not be one: the key of the draw
    holds a digest of the answers, too."""


class CandidateFileSpec(BaseModel):
    """Candidate lists that somebody else made, taken as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    file: str
    """Lists of the test cases: .jsonl, .json, .csv, .tsv, or lines of text."""
    valid_file: str = ""
    """Lists of the validation cases; by default they are drawn, as long as most of the test's."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Our name -> the file's: candidates, negatives, target, user, case_id, history."""
    separator: str | None = None
    """What stands between the items of a list that is one string."""
    pattern: str = ""
    """Regular expression that finds the items of a list in a prompt's text."""
    after: str = ""
    """Text behind which the list begins, for `pattern`."""
    holds: Literal["candidates", "negatives"] | None = None
    """Whether a list is complete, or lacks the target; by default what the file shows."""
    names: Literal["id", "title"] | None = None
    """What the lists call items; by default what the file shows."""
    match: Literal["case", "user", "order"] | None = None
    """How a list finds its case: by `case_id`, by user, or in the order of the test rows in their
    file; by default what the file has. With `order`, lines of text hold items alone."""
    repeats: Literal["error", "drop"] = "error"
    """When an item stands twice in a list: stop, or drop its later places."""
    seed: int = 0
    """Seed of the order of lists that lacked the target, and of drawn validation lists."""


def _candidate_tag(value: Any) -> str:
    keys = value if isinstance(value, dict) else getattr(type(value), "model_fields", {})
    files = {"file", "valid_file"} & set(keys)
    return "CandidateFileSpec" if files else "CandidateSpec"


class ColdStartSpec(BaseModel):
    """Withhold a share of the users or of the items from training, and ask for these."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    of: Literal["users", "items"]
    """What is withheld."""
    share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the users or items."""
    seed: int = 0
    """Seed of the choice."""


class DatasetSpec(BaseModel):
    """One dataset of a suite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
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
    similar_ids: Literal["error", "keep"] = Field(
        default="error", exclude_if=lambda value: value == "error"
    )
    """When ids differ by spaces around them, invisible characters or the form of Unicode alone, or
    when users without a history or items without a title differ from others by the way they are
    written: stop, or keep them as different."""
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
    unrated: float | None = Field(
        default=None, ge=-1e30, le=1e30, exclude_if=lambda value: value is None
    )
    """A number of the column `rating` that stands for no rating, e.g. 0."""
    split: str | dict[str, Any] = "leave-one-out"
    """A name, a table with parameters: `{ name = "adherence", held_out = 4 }`, or files:
    `{ train = "train.csv", valid = "valid.csv", test = "test.csv" }`."""
    cold: ColdStartSpec | None = None
    """What to withhold from training, if anything."""
    candidates: Annotated[
        Annotated[CandidateSpec, Tag("CandidateSpec")]
        | Annotated[CandidateFileSpec, Tag("CandidateFileSpec")],
        Discriminator(_candidate_tag),
    ] = Field(default_factory=CandidateSpec)
    """How candidates are drawn, or the file that has them: `{ file = "lists.jsonl" }`."""
    demo_users: int | None = Field(
        default=None, ge=LEAST_USERS, le=100_000, exclude_if=lambda value: value is None
    )
    """About how many users generated data have that stand in for the published ones, in files of
    the same format; None: the data are real."""

    synthetic: bool = Field(default=False, exclude_if=lambda value: not value)
    """Whether the files hold generated data, so that tables and pages say so."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}", name):
            shown = name if len(name) <= 40 else f"{name[:40]}..."
            raise ValueError(
                f"{shown!r} is no name of a dataset: give letters, digits, '.', '_' and '-', at"
                " most 150, a letter or digit first"
            )
        return name

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
        if not (all(abs(end) <= 1e30 for end in setting) and setting[0] < setting[1]):
            raise ValueError("give the worst rating, then the best one, e.g. [1, 10]")
        return tuple(setting)

    @field_validator("split")
    @classmethod
    def _check_split(cls, setting: str | dict[str, Any]) -> str | dict[str, Any]:
        try:
            if split_files(setting) is None:
                make_splitter(setting)
        except ConfigError as error:
            raise ValueError(f"{error.cause}; {error.hint}") from None
        return setting

    @model_validator(mode="after")
    def _take_files_as_they_are(self) -> Self:
        if self.split_files is None:
            return self
        if self.source not in FILE_SPLIT_SOURCES:
            raise ValueError(
                f"the files of a split are the interactions, and source {self.source!r} reads its"
                ' own; use source = "table" with options = { items = ... }'
            )
        if self.options.get("interactions"):
            raise ValueError(
                "the files of a split are the interactions: leave out options.interactions, or"
                " name a way to split them"
            )
        filters = (self.k_core > 0, self.min_length > 0, self.cold is not None)
        for name, is_set in zip(("k_core", "min_length", "cold"), filters, strict=True):
            if is_set:
                raise ValueError(f"{name} would change a split that files give: leave it out")
        return self

    @property
    def split_files(self) -> SplitFiles | None:
        """The files of a split that somebody else made."""
        return split_files(self.split)

    @property
    def files(self) -> list[Path]:
        """The files of the split and of the candidates."""
        values = self.model_dump(mode="json")
        return [Path(values[key][name]) for key, name in _file_keys(values)]

    def resolve_files(self, folder: Path) -> Self:
        """Return the dataset with relative paths of these files below `folder`."""
        values = self.model_dump(mode="json")
        keys = _file_keys(values)
        if not keys:
            return self
        map_files(values, lambda file: str(folder / file))
        update: dict[str, Any] = {"split": values["split"]}
        if isinstance(self.candidates, CandidateFileSpec):
            update["candidates"] = CandidateFileSpec.model_validate(values["candidates"])
        return self.model_copy(update=update)


def map_files(dataset: dict[str, Any], change: Callable[[str], str]) -> None:
    """Change the file names in a dataset's table, those of split and candidates."""
    for key, name in _file_keys(dataset):
        dataset[key] = {**dataset[key], name: change(dataset[key][name])}


def _file_keys(dataset: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where a dataset's table names files: (key, key of its table)."""
    keys = []
    for key, names in FILE_SETTINGS.items():
        table = dataset.get(key)
        if isinstance(table, dict) and "name" not in table:
            keys += [(key, n) for n in names if isinstance(table.get(n), str) and table[n]]
    return keys
