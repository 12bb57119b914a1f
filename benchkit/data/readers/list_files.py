"""Files of candidate lists that somebody else made: one list a record, in the forms that exist.

JSON lines, JSON, CSV and TSV name their fields: `candidates` or `negatives`, with `case_id` or
`user` and, where the file has them, `target` and `history`. A JSON object maps a user to a list.
Text files have a user and the negatives in a line, as S3Rec ships them, or `(user,target)` and the
negatives, as NCF does. A list inside a prompt is found by a regular expression.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchkit.data.readers.external_cases import (
    FIELD_ALIASES,
    ExternalRecord,
    field_error,
    join_fields,
    normalize_field,
    parse_list_column,
    read_case_records,
)
from benchkit.errors import ConfigError, DataError, unknown_name_error

ListContent = Literal["candidates", "negatives"]
_TEXT_SUFFIXES = (".txt", ".dat", ".negative", ".negatives", ".neg")
_FIELDS: dict[str, tuple[str, ...]] = {
    "candidates": FIELD_ALIASES["candidates"],
    "negatives": (
        "negatives", "negative_items", "neg_items", "negative", "neg", "neg_item_list",
        "negative_list",
    ),
    "target": (*FIELD_ALIASES["target"], "targets"),
    "history": FIELD_ALIASES["history"],
    "case_id": ("case_id",),
    "user": ("user", "user_id", "uid", "reviewer_id"),
}  # fmt: skip
_HINT = "name the fields in the suite: candidates.fields = { candidates = ..., user = ... }"
_SEPARATOR_SETTING = 'candidates.separator = "::" (or what it is) in the suite'
_NCF_HEAD = re.compile(r"\((.+),(.+)\)")


@dataclass(frozen=True, slots=True)
class ExternalList:
    """One list of a file, all names as strings."""

    where: str
    """Its line or record, for messages."""
    case_id: str | None
    user: str | None
    items: tuple[str, ...]
    targets: tuple[str, ...]
    """What the file says is relevant; empty where it does not say."""
    history: tuple[str, ...] | None


@dataclass(frozen=True)
class ListFile:
    """All lists of a file."""

    path: Path
    lists: tuple[ExternalList, ...]
    content: ListContent | None
    """What the field's name says of the lists; None where it says nothing."""


def read_list_file(
    path: Path,
    fields: Mapping[str, str] | None = None,
    separator: str | None = None,
    pattern: str = "",
    after: str = "",
    lines_begin_with_user: bool = True,
) -> ListFile:
    """Return the lists of a file, in its order.

    Args:
        path: .jsonl, .json, .csv, .tsv or text.
        fields: Our name -> the file's, e.g. {"candidates": "itemList"}.
        separator: Between the items of a list that is one string, or of a line of text.
        pattern: Regular expression that finds each item in the text of the field `candidates`; its
            group, if it has one, is the item.
        after: Text behind whose last occurrence the list begins, for `pattern`.
        lines_begin_with_user: Whether a line of text is a user and items, or items alone.

    Raises:
        DataError: The file cannot be read, or a record has no list.
        ConfigError: There is no such field of ours.
    """
    if path.suffix.lower() in _TEXT_SUFFIXES:
        if fields or pattern:
            raise ConfigError(
                f"{path}: lines of text have no fields", "leave out fields and pattern"
            )
        lists = tuple(_read_lines(path, separator, lines_begin_with_user))
        content: ListContent | None = None
    else:
        records = list(_read_fields(path))
        if not records:
            raise DataError(f"{path}: holds no list", "check that the file is whole")
        names = _resolve_fields(path, records[0][1], fields or {})
        content = "candidates" if "candidates" in names else "negatives"
        if pattern:
            records = list(_search_items(path, records, names[content], pattern, after))
        lists = tuple(_make_lists(path, records, names, content, separator))
    if not lists:
        raise DataError(f"{path}: holds no list", "check that the file is whole")
    return ListFile(path, lists, content)


def _read_fields(path: Path) -> Iterator[ExternalRecord]:
    """Yield the records of a file; a JSON object that maps users to lists is one, too."""
    if path.suffix == ".json" and path.is_file():
        try:
            value = json.loads(
                path.read_text(encoding="utf-8-sig"), object_pairs_hook=_refuse_repeats
            )
        except ValueError as error:
            raise DataError(f"{path}: {error}", "one object a line is called .jsonl") from None
        if isinstance(value, dict) and all(isinstance(items, list) for items in value.values()):
            for user, items in value.items():
                yield f"user {user!r}", {"user": user, "items": items}
            return
    yield from read_case_records(path)


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; of a key that stands twice the reader would keep the last value."""
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} stands more than once in an object")
    return values


def _resolve_fields(
    path: Path, first: Mapping[str, Any], fields: Mapping[str, str]
) -> dict[str, str]:
    """Return our name -> the file's. Either `candidates` or `negatives` is among them."""
    for role, field in fields.items():
        if role not in _FIELDS:
            raise unknown_name_error("field", role, _FIELDS)
        if field not in first:
            raise DataError(f"{path}: no field {field!r}; it has {join_fields(first)}", _HINT)
    names = dict(fields)
    present = {normalize_field(name): name for name in reversed(list(first))}
    for role, aliases in _FIELDS.items():
        matches = [present[key] for key in map(normalize_field, aliases) if key in present]
        if role not in names and matches:
            names[role] = matches[0]
    if {"candidates", "negatives"} <= names.keys() and not {"candidates", "negatives"} & set(
        fields
    ):
        raise DataError(
            f"{path}: has both candidates ({names['candidates']!r}) and negatives"
            f" ({names['negatives']!r})",
            f"say which is meant: fields = {{ candidates = {names['candidates']!r} }}, or"
            f" {{ negatives = {names['negatives']!r} }}",
        )
    if "negatives" in fields:
        names.pop("candidates", None)
    elif "candidates" in names:
        names.pop("negatives", None)
    if list(first) == ["user", "items"] and not {"candidates", "negatives"} & names.keys():
        names["candidates"] = "items"
    if not {"candidates", "negatives"} & names.keys():
        raise DataError(
            f"{path}: which field holds the lists cannot be guessed; it has {join_fields(first)}",
            _HINT,
        )
    return names


def _search_items(
    path: Path, records: Iterable[ExternalRecord], name: str, pattern: str, after: str
) -> Iterator[ExternalRecord]:
    """Yield the records with the items that `pattern` finds in a text in place of the text."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"candidates.pattern {pattern!r}: {error}", "correct it") from None
    if expression.groups > 1:
        raise ConfigError(
            f"candidates.pattern {pattern!r} has {expression.groups} groups",
            "leave one group, around the item; write the others (?:...)",
        )
    for where, record in records:
        text = record.get(name)
        if not isinstance(text, str):
            raise field_error(path, where, name, "is no text to be searched")
        if after and after not in text:
            raise field_error(
                path, where, name, f"does not contain {after!r}", "correct candidates.after"
            )
        matches = expression.findall(text.rpartition(after)[2] if after else text)
        items = [item.strip() for item in matches if item.strip()]
        if not items:
            raise field_error(
                path, where, name, f"{pattern!r} finds no item in it", "correct candidates.pattern"
            )
        yield where, {**record, name: items}


def _make_lists(
    path: Path,
    records: Sequence[ExternalRecord],
    names: Mapping[str, str],
    content: ListContent,
    separator: str | None,
) -> Iterator[ExternalList]:
    columns: dict[str, list[list[Any] | None]] = {}
    for role in (content, "history"):
        if role in names:
            plain = [(where, _plain_items(record, names[role])) for where, record in records]
            columns[role] = parse_list_column(
                path, plain, names[role], separator, role == content, _SEPARATOR_SETTING
            )
    histories = columns.get("history") or [None] * len(records)
    for (where, record), items, history in zip(records, columns[content], histories, strict=True):
        if not items:
            raise field_error(path, where, names[content], "holds no item")
        yield ExternalList(
            where=where,
            case_id=_optional_text(path, where, record, names.get("case_id")),
            user=_optional_text(path, where, record, names.get("user")),
            items=tuple(_item_text(item) for item in items),
            targets=_read_targets(path, where, record, names.get("target")),
            history=None if history is None else tuple(_item_text(item) for item in history),
        )


def _plain_items(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the field with items that are objects, as `benchkit data cases` writes them, as ids.

    The rest of such an object (title, rating, time) is known from the dataset.
    """
    value = record.get(name)
    if isinstance(value, list):
        value = [
            item.get("item", item.get("item_id", item)) if isinstance(item, dict) else item
            for item in value
        ]
    return {name: value}


def _read_targets(
    path: Path, where: str, record: Mapping[str, Any], name: str | None
) -> tuple[str, ...]:
    value = record.get(name) if name else None
    if value is None or value == "":
        return ()
    values = value if isinstance(value, list) else [value]
    values = [item.get("item", item) if isinstance(item, dict) else item for item in values]
    if any(item is None or isinstance(item, list | dict | bool) for item in values):
        raise field_error(path, where, name or "", f"{value!r} is no target")
    return tuple(_item_text(item) for item in values)


def _optional_text(
    path: Path, where: str, record: Mapping[str, Any], name: str | None
) -> str | None:
    if name is None:
        return None
    value = record.get(name)
    if value is None or value == "" or isinstance(value, list | dict | bool):
        raise field_error(path, where, name, f"{value!r} is no name")
    return _item_text(value)


def _item_text(item: Any) -> str:
    """Return a name as text; whole numbers that a table made floats lose their `.0`."""
    if isinstance(item, float) and item.is_integer():
        return str(int(item))
    return str(item).strip()


def _read_lines(path: Path, separator: str | None, begin_with_user: bool) -> Iterator[ExternalList]:
    if not path.is_file():
        raise DataError(f"{path}: no such file", "check the path")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # titles may hold U+2028
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path}: cannot be read: {error}", "it must be UTF-8 text") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        head, *items = _split_line(line.strip(), separator)
        if not begin_with_user:
            yield ExternalList(f"line {number}", None, None, (head, *items), (), None)
            continue
        if not items:
            raise DataError(
                f"{path}, line {number}: a user and no item",
                "a line is a user and its items; say what stands between them:"
                f" {_SEPARATOR_SETTING}",
            )
        pair = _NCF_HEAD.fullmatch(head)
        user, targets = (pair[1].strip(), (pair[2].strip(),)) if pair else (head.rstrip(":"), ())
        yield ExternalList(f"line {number}", None, user, tuple(items), targets, None)


def _split_line(line: str, separator: str | None) -> list[str]:
    if separator is None and re.search(r"\s", line) is None and not line.startswith("("):
        separator = ","
    parts = line.split(separator)
    return [part.strip() for part in parts if part.strip()]
