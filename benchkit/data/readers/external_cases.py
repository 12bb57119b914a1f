"""External candidate files: JSON, JSONL, CSV or TSV records to cases of one form.

Which field is what is said by a map (`candidates`, `target` or `target_index`, `history`,
`case_id`), and guessed from common names where the map is silent.
"""

import ast
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.csv_cells import skip_separator_line
from benchkit.errors import DataError, unknown_name_error

FIELD_ALIASES: dict[str, tuple[str, ...]] = {
    "candidates": (
        "candidates", "candidate_items", "candidate_list", "candidate_ids", "item_list", "cans",
        "options", "choices",
    ),
    "target": (
        "target", "true_selection", "target_item", "target_id", "answer", "ground_truth",
        "positive", "positive_item", "next_item", "label",
    ),
    "target_index": ("target_index", "answer_index", "label_index", "target_position"),
    "history": ("history", "history_list", "item_history", "sequence", "seq", "purchase_history"),
    "case_id": ("case_id", "id", "user_id", "user", "uid"),
}  # fmt: skip
_SEPARATORS = ("::", "|", "\t")  # tried in turn; a comma stands in too many titles
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv")
ExternalRecord = tuple[str, dict[str, Any]]  # where it stands, for messages; and its fields


@dataclass(frozen=True, slots=True)
class ExternalCase:
    """One question of an external file, all items as strings."""

    case_id: str
    candidates: tuple[str, ...]
    target: str
    """Need not be among the candidates; that is for the audit to find."""
    history: tuple[str, ...] | None
    """Oldest first as the file has it; None where the file has none."""


def read_external_cases(
    path: Path, fields: Mapping[str, str] | None = None, separator: str | None = None
) -> list[ExternalCase]:
    """Return the cases of `path`, in file order.

    fields: our name -> the file's, e.g. {"candidates": "itemList"}. separator: between the items
    of a list that is written as one string; by default `::`, `|` or a tab, if the file has one.
    A target is one of the items, or a place in the list counted from 0: under `target_index`, or
    where it is a JSON number while the candidates are strings.
    Raises DataError naming file and record, ConfigError for a field name of ours that is none.
    """
    records = list(read_case_records(path))
    if not records:
        raise DataError(f"{path}: holds no record", "check that the file is whole")
    names = _resolve_fields(path, records[0][1], fields or {})
    lists = {
        role: parse_list_column(
            path, records, names[role], separator, required=role == "candidates"
        )
        for role in ("candidates", "history")
        if role in names
    }
    histories = lists.get("history", [None] * len(records))
    cases = []
    for (where, record), candidates, history in zip(
        records, lists["candidates"], histories, strict=True
    ):
        if not candidates:
            raise field_error(path, where, names["candidates"], "holds no candidate")
        cases.append(
            ExternalCase(
                case_id=str(record.get(names.get("case_id", ""), where)),
                candidates=tuple(map(_text, candidates)),
                target=_target(path, where, record, names, candidates),
                history=None if history is None else tuple(map(_text, history)),
            )
        )
    return cases


def parse_field_map(text: str) -> dict[str, str]:
    """Parse 'candidates=itemList,target=trueSelection'. Raises DataError for anything else.

    >>> parse_field_map("candidates=itemList, target=trueSelection")
    {'candidates': 'itemList', 'target': 'trueSelection'}
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not (role.strip() and field.strip()) for role, _, field in pairs):
        raise DataError(f"fields {text!r}: not a list of OURS=THEIRS", "e.g. candidates=itemList")
    return {role.strip(): field.strip() for role, _, field in pairs}


def _resolve_fields(
    path: Path, first: Mapping[str, Any], fields: Mapping[str, str]
) -> dict[str, str]:
    """Return our name -> the file's, for the fields that the file has."""
    for role, field in fields.items():
        if role not in FIELD_ALIASES:
            raise unknown_name_error("field", role, FIELD_ALIASES)
        if field not in first:
            raise DataError(f"{path}: no field {field!r}; it has {join_fields(first)}", _HINT)
    plain = {normalize_field(name): name for name in reversed(list(first))}
    names = dict(fields)
    for role, common in FIELD_ALIASES.items():
        matches = [
            plain[normalize_field(name)] for name in common if normalize_field(name) in plain
        ]
        if role not in names and matches:
            names[role] = matches[0]
    if {"target", "target_index"} <= names.keys():  # a field that was given decides
        del names["target" if "target_index" in fields else "target_index"]
    for needed in ({"candidates"}, {"target", "target_index"}):
        if not needed & names.keys():
            raise DataError(
                f"{path}: which field holds the {min(needed)} cannot be guessed; it has"
                f" {join_fields(first)}",
                _HINT,
            )
    return names


_HINT = "name the fields: --fields candidates=...,target=...,history=...,case_id=..."


def parse_list_column(
    path: Path,
    records: Sequence[ExternalRecord],
    name: str,
    separator: str | None,
    required: bool,
    setting: str = '--separator "::"',
) -> list[list[Any] | None]:
    """Return the lists of one field; None where a record has none and none is required.

    setting: what names the separator, for messages.
    """
    texts = (value for _, r in records if isinstance(value := r.get(name), str))
    if separator is None:
        head = [text for text, _ in zip(texts, range(1000), strict=False)]
        separator = next((s for s in _SEPARATORS if any(s in text for text in head)), None)
    lists: list[list[Any] | None] = []
    for where, record in records:
        value = record.get(name)
        if value is None and not required:
            lists.append(None)
            continue
        items = _split(value, separator)
        whole = isinstance(value, str) and separator is None and items == [value.strip()]
        if items is None or (required and whole):
            what = "is no list" if value is not None else "is missing"
            raise field_error(path, where, name, what, f"say what stands between items: {setting}")
        if any(item is None or isinstance(item, list | dict) for item in items):
            raise field_error(path, where, name, "holds something that is no item")
        lists.append(items)
    return lists


def _split(value: Any, separator: str | None) -> list[Any] | None:
    """Return a list, or the items of a string that encodes one; None for anything else."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        for parse in (json.loads, ast.literal_eval):
            try:
                parsed = parse(text)
            except (ValueError, SyntaxError):
                continue
            if isinstance(parsed, list):
                return parsed
    parts = [text] if separator is None else text.split(separator)
    return [part.strip() for part in parts if part.strip()]


def _target(
    path: Path, where: str, record: Mapping[str, Any], names: Mapping[str, str], items: list[Any]
) -> str:
    indexed = "target_index" in names
    name = names["target_index" if indexed else "target"]
    value = record.get(name)
    if value is None or value == "" or isinstance(value, list | dict | bool):
        raise field_error(path, where, name, f"{value!r} is no target")
    number = isinstance(value, int) and all(isinstance(item, str) for item in items)
    if not (indexed or number):
        return _text(value)
    try:
        place = int(value)
    except ValueError:
        raise field_error(path, where, name, f"{value!r} is no place in the list") from None
    if not 0 <= place < len(items):
        raise field_error(path, where, name, f"there is no place {place} in a list of {len(items)}")
    return _text(items[place])


def _text(item: Any) -> str:
    return str(item).strip()


def read_case_records(path: Path) -> Iterator[ExternalRecord]:
    """Yield where each record of a file stands, and its fields."""
    readers: dict[str, Callable[[Path], Iterator[ExternalRecord]]] = {
        ".json": _json, ".jsonl": _lines, ".ndjson": _lines, ".csv": _csv, ".tsv": _csv,
    }  # fmt: skip
    if not path.is_file():
        raise DataError(f"{path}: no such file", "check the path")
    if path.suffix.lower() not in readers:
        raise DataError(f"{path}: unknown kind of file", f"use one of {', '.join(_SUFFIXES)}")
    try:
        for where, record in readers[path.suffix.lower()](path):
            if not isinstance(record, dict):
                raise DataError(f"{path}, {where}: is no object", "each record names its fields")
            yield where, record
    except (UnicodeDecodeError, OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}", "it must be UTF-8 text") from None


def _json(path: Path) -> Iterator[ExternalRecord]:
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: {error}", "one object a line is called .jsonl") from None
    if not isinstance(records, list):
        raise DataError(f"{path}: is no list of objects", "put the records into one list")
    yield from ((f"record {number}", record) for number, record in enumerate(records, 1))


def _lines(path: Path) -> Iterator[ExternalRecord]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield f"line {number}", json.loads(line)
                except json.JSONDecodeError as error:
                    raise DataError(f"{path}, line {number}: {error}", "correct it") from None


def _csv(path: Path) -> Iterator[ExternalRecord]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        separator, _ = skip_separator_line(file, "\t" if path.suffix.lower() == ".tsv" else ",")
        rows = csv.DictReader(file, delimiter=separator)
        for number, row in enumerate(rows, 1):
            if None in row:
                raise DataError(
                    f"{path}, record {number}: has more cells than the header",
                    "put cells that hold the delimiter into quotation marks",
                )
            yield f"record {number}", row


def field_error(
    path: Path, where: str, name: str, what: str, hint: str = "correct it"
) -> DataError:
    """Return the error for a field that is not what it should be."""
    return DataError(f"{path}, {where}, field {name!r}: {what}", hint)


def normalize_field(name: str) -> str:
    """Return the letters and digits of a field's name in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def join_fields(record: Mapping[str, Any]) -> str:
    """Return the names of a record's fields, for a message."""
    return ", ".join(map(repr, record)) or "no field"
