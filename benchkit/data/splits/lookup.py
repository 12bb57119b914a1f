"""Splits by name, with the parameters that a suite gives them."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchkit.config.loading import validate_model
from benchkit.data.splits import files
from benchkit.data.splits.base import Splitter
from benchkit.data.splits.files import SplitFiles, is_file_split
from benchkit.errors import ConfigError
from benchkit.registry import Registry

SPLITS: Registry[type[Splitter]] = Registry(
    "split",
    {
        "leave-one-out": "benchkit.data.splits.leave_one_out:LeaveOneOutSplitter",
        "temporal": "benchkit.data.splits.temporal:TemporalSplitter",
        "rating-aware": "benchkit.data.splits.rating_aware:RatingAwareSplitter",
        "adherence": "benchkit.data.splits.adherence:AdherenceSplitter",
        "avoidance": "benchkit.data.splits.rating_aware:AvoidanceSplitter",
    },
    "benchkit.splits",
    base=type,
    members=("split",),
    hint="derive it from benchkit.data.splits.base.Splitter",
)
SplitSetting = str | Mapping[str, Any]


def make_splitter(setting: SplitSetting) -> Splitter:
    """Return the splitter of a setting: a name, or a table with a name and parameters.

    Raises:
        ConfigError: There is no such split, or it does not take these parameters.

    Example:
        >>> make_splitter({"name": "adherence", "held_out": 4}).held_out
        4
    """
    parameters = {} if isinstance(setting, str) else dict(setting)
    name = setting if isinstance(setting, str) else parameters.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError("split: name is missing", 'split = { name = "temporal", ... }')
    return validate_model(SPLITS.load(name), parameters, f"split {name!r}")


def split_files(setting: SplitSetting) -> SplitFiles | None:
    """Return the files of a split that somebody else made; None for a way to split.

    Raises:
        ConfigError: A key is unknown, or a file is missing.

    >>> split_files({"train": "a.csv", "test": "b.csv"}).files
    {0: 'a.csv', 2: 'b.csv'}
    """
    if not is_file_split(setting):
        return None
    return validate_model(SplitFiles, setting, "split", hint="split = { train = ..., test = ... }")


def split_source_file(setting: SplitSetting) -> Path:
    """Return the source file that defines a split."""
    if is_file_split(setting):
        return Path(files.__file__)
    return Path(inspect.getfile(type(make_splitter(setting))))
