"""Fields of pydantic models in words: name, type, default, and the text under the field."""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from benchkit.config.common_texts import COMMON_TEXTS

REQUIRED = "required"
_WORDS: dict[Any, str] = {
    bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path",
    Any: "any value", NoneType: "nothing",
}  # fmt: skip
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class Setting:
    """One field of a model."""

    name: str
    type: str
    """In words, with links to the tables of nested models."""
    default: str
    """As TOML writes it, or `REQUIRED`."""
    text: str
    """What it does."""


def list_settings(model: type[BaseModel], links: Mapping[type, str]) -> list[Setting]:
    """Return the settings of a model.

    Args:
        model: The model.
        links: Nested model -> where its settings are described.
    """
    return [
        Setting(
            name,
            describe_type(field.annotation, field.metadata, links),
            describe_default(field),
            describe_field(model, name),
        )
        for name, field in model.model_fields.items()
    ]


def describe_type(kind: Any, bounds: Any, links: Mapping[type, str]) -> str:
    """Return a type in words: `Annotated[int, Gt(0)]` is "whole number > 0"."""
    while get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        bounds = [*bounds, *more]
    return _describe_bare_type(kind, links) + "".join(_describe_bounds(bounds))


def _describe_bare_type(kind: Any, links: Mapping[type, str]) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in links:
        return f"[{kind.__qualname__}]({links[kind]})"
    if kind in _WORDS:
        return _WORDS[kind]
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin in (Union, UnionType):
        parts = [describe_type(part, (), links) for part in arguments if part is not NoneType]
        return " or ".join(dict.fromkeys(parts))
    if origin in (tuple, list):
        parts = [describe_type(part, (), links) for part in arguments if part is not Ellipsis]
        if origin is tuple and Ellipsis not in arguments:
            return "list [" + ", ".join(parts) + "]"
        return "list of: " + parts[0]
    if origin in (dict, Mapping):
        return "table"
    return getattr(kind, "__qualname__", str(kind))


def _describe_bounds(bounds: Any) -> Iterator[str]:
    for name, sign in _BOUNDS.items():  # the lower bound first
        for value in (getattr(bound, name, None) for bound in bounds):
            if value is not None:
                yield f" {sign} {value:,}" if isinstance(value, int) else f" {sign} {value}"
    if any(getattr(bound, "min_length", None) for bound in bounds):
        yield ", at least one"


def describe_default(field: FieldInfo) -> str:
    """Return a default as TOML writes it; of a nested model, what differs from its own defaults."""
    value = field.get_default(call_default_factory=True, validated_data={})
    return REQUIRED if value is PydanticUndefined else describe_setting_value(value)


def describe_setting_value(value: Any) -> str:
    """Return a value of a setting as TOML writes it; see `describe_default`."""
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)
        return f"`{write_toml(value)}`" if value else "its defaults"
    return f"`{write_toml(value)}`"


def write_toml(value: Any) -> str:
    """Return a value as TOML writes it in one line.

    >>> write_toml({"name": "sasrec", "config": {"layers": 2, "losses": ("a", "b")}})
    '{ name = "sasrec", config = { layers = 2, losses = ["a", "b"] } }'
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        pairs = [f"{key} = {write_toml(item)}" for key, item in value.items() if item is not None]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(map(write_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def describe_field(model: type[BaseModel], name: str) -> str:
    """Return the text of a field, from the class that defines it or one that it is derived from."""
    for parent in model.__mro__:
        fields = getattr(parent, "model_fields", {})
        if name in fields and fields[name].description:
            return str(fields[name].description)
        if text := field_texts(parent).get(name):
            return text
        if text := labelled_texts(parent.__doc__ or "", model.model_fields).get(name):
            return text
    return COMMON_TEXTS.get((model.__name__, name)) or COMMON_TEXTS.get(name, "")


def labelled_texts(docstring: str, names: Iterable[str]) -> dict[str, str]:
    """Return the texts that a docstring has behind `name:`, by name.

    >>> labelled_texts("Draws. n: answers. top_k: tokens,\\n    0 for all.", ["n", "top_k"])
    {'n': 'answers.', 'top_k': 'tokens, 0 for all.'}
    """
    known = "|".join(map(re.escape, names))
    texts: dict[str, str] = {}
    for block in _labelled_blocks(inspect.cleandoc(docstring)):
        parts = re.split(rf"(?:^|(?<=[.)] ))({known}): ", " ".join(block.split()))
        texts |= dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))
    return texts


def _labelled_blocks(text: str) -> list[str]:
    """Cut a docstring at its paragraphs, and before lines behind which an indented one ended."""
    return re.split(r"\n\n|\n(?=\s*\w+: )|(?<=\S)\n(?=[A-Z][^:]*$)", text, flags=re.MULTILINE)


def unlabelled_text(docstring: str, names: Iterable[str]) -> str:
    """Return the first paragraph of a docstring, without what stands behind `name:`."""
    first = " ".join(inspect.cleandoc(docstring).partition("\n\n")[0].split())
    known = "|".join(map(re.escape, names))
    return re.split(rf"(?<=[.)] )(?:{known}): ", first)[0].strip() if known else first


@cache
def field_texts(cls: type) -> dict[str, str]:
    """Return the strings that stand under the fields of a class, by the fields' names."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # a built-in class
        return {}
    body = ast.parse(source).body[0]
    texts: dict[str, str] = {}
    if not isinstance(body, ast.ClassDef):
        return texts
    for field, below in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            texts[field.target.id] = inspect.cleandoc(str(below.value.value))
    return texts


def nested_models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models that the fields of a model hold, each once, with those below them."""
    seen: set[type[BaseModel]] = set()
    open_models = [model]
    while open_models:
        for field in open_models.pop(0).model_fields.values():
            for part in _leaves(field.annotation):
                if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
                    seen.add(part)
                    open_models.append(part)
                    yield part


def _leaves(kind: Any) -> Iterator[Any]:
    arguments = () if get_origin(kind) is Literal else get_args(kind)
    if not arguments:
        yield kind
    for part in arguments:
        yield from _leaves(part)
