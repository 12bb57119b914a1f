"""The options of a data source in words: name, type, default, and what it is."""

import inspect

from benchkit.config.setting_texts import (
    REQUIRED,
    Setting,
    describe_type,
    labelled_texts,
    write_toml,
)
from benchkit.data.sources import SOURCES

_COMMON_OPTIONS = {
    "folder": "Folder, or zip, with the published files.",
    "reviews": "File of the reviews, as it was published.",
    "meta": "File of the items, as it was published.",
    "interactions": "File of the interactions.",
    "items": "File of the items.",
    "rate_within": "Ratings 1-5 by how a number ranks within the item or the user, or none.",
}
_SOURCE_OPTIONS = {
    "toy": {
        "users": "Users.",
        "items": "Items.",
        "clusters": "Groups of items that users stay in.",
        "length": "Interactions of a user, about.",
        "seed": "Seed of the draws.",
    },
}
"""Texts of options that docstrings of sources do not explain."""


def list_source_options(source: str) -> list[Setting]:
    """Return the options of a source, which are the parameters of its `read`.

    Args:
        source: Its name; its docstring explains options behind `name:`.
    """
    read = SOURCES.load(source).read
    parameters = inspect.signature(read, eval_str=True).parameters
    texts = _COMMON_OPTIONS | _SOURCE_OPTIONS.get(source, {})
    texts |= labelled_texts(read.__doc__ or "", parameters)
    return [
        Setting(
            name,
            describe_type(parameter.annotation, (), {}),
            _describe_default(parameter.default),
            texts.get(name, ""),
        )
        for name, parameter in parameters.items()
    ]


def _describe_default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return REQUIRED
    return "none" if value is None else f"`{write_toml(value)}`"
