"""One line of JSON as Python reads it: the fields of it, or what is wrong with it, in words."""

import json
import sys
from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

JsonlSchema = Mapping[str, pl.DataType]
# An id: text, and nothing that could be taken for text. As a type of Polars' it is the one for
# which the parser refuses everything else; in tables ids are strings.
ID_DTYPE = pl.Categorical()

_NAMES = {str: "text", bool: "a truth value", list: "a list", dict: "an object", type(None): "null"}


def column_types(schema: JsonlSchema) -> dict[str, pl.DataType]:
    """Return the types that the fields of `schema` have in a table."""
    return {name: pl.String() if dtype == ID_DTYPE else dtype for name, dtype in schema.items()}


def extract_fields(line: bytes, schema: JsonlSchema) -> dict[str, Any]:
    """Return the fields of `schema` in a line with which nothing is wrong."""
    record = json.loads(line)
    return {name: _clean_value(record.get(name)) for name in schema}


def find_line_error(line: bytes, schema: JsonlSchema, required: Collection[str]) -> str | None:
    """Return why a line gives no row; None when Python finds nothing wrong with it."""
    if b"\0" in line:
        return "holds a NUL byte"
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_reject_constant)
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte {error.start + 1})"
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} (character {error.pos + 1})"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if not isinstance(value, dict):
        return f"not an object but {_type_name(value)}"
    for name, dtype in schema.items():
        if (wrong := _find_value_error(value.get(name), dtype, name in required)) is not None:
            return f"{name!r} is {wrong if name in value else 'missing'}"
    return None


def _find_value_error(value: Any, dtype: pl.DataType, required: bool) -> str | None:
    """Return what is wrong with the value of a field, or None."""
    if value is None:
        return "null" if required else None
    if dtype.is_integer():
        if isinstance(value, bool) or not isinstance(value, int):
            return f"{_type_name(value)}, not a whole number"
        return None if -(2**63) <= value < 2**63 else "too large a number"
    if dtype.is_numeric():
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{_type_name(value)}, not a number"
        return None if abs(value) <= sys.float_info.max else "not a finite number"
    if dtype != pl.String and not isinstance(value, str):
        return f"{_type_name(value)}, not text"
    if required and value == "":
        return "empty"
    if required and _clean_value(value) != value:
        return "not text: it holds a NUL or half a surrogate pair"
    return None


def _type_name(value: Any) -> str:
    return _NAMES.get(type(value), f"the number {value!s:.40}")


def _clean_value(value: Any) -> Any:
    """Return a value as a table can hold it: NUL and half a surrogate pair become U+FFFD."""
    if isinstance(value, dict | list):
        value = json.dumps(value)
    if isinstance(value, str):
        text = value.replace("\0", "\ufffd")
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")
