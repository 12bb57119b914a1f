"""What files of lists call items: ids, or titles."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from benchkit.data.disk_table import iter_chunks
from benchkit.data.raw import RawData
from benchkit.data.readers.list_files import ListFile
from benchkit.data.spec import CandidateFileSpec
from benchkit.errors import ConfigError, DataError


def resolve_items(file: ListFile, raw: RawData, spec: CandidateFileSpec) -> ListFile:
    """Return the lists with item ids in place of what the file calls items.

    Raises:
        DataError: The dataset has no such item, or a title belongs to two.
        ConfigError: The names can be read as ids and as titles.
    """
    ids, titles, counts = _known_names(raw)
    used = {item for row in file.lists for item in (*row.items, *row.targets)}
    names = spec.names or _detect_names(file, used, ids, titles)
    _check_known(file, raw, used, names, titles if names == "title" else ids, spec)
    if names == "id":
        return file
    repeated = sorted(name for name in used if counts[name] > 1)
    if repeated:
        raise DataError(
            f"{file.path}: the title {repeated[0]!r} belongs to {counts[repeated[0]]} items"
            f" ({len(repeated)} such titles in the lists)",
            "name items by their ids",
        )
    lists = []
    for row in file.lists:
        history = row.history
        if history is not None:
            history = tuple(titles.get(name, name) for name in history)
        lists.append(
            replace(
                row,
                items=tuple(titles[name] for name in row.items),
                targets=tuple(titles[name] for name in row.targets),
                history=history,
            )
        )
    return replace(file, lists=tuple(lists))


def _known_names(raw: RawData) -> tuple[set[str], dict[str, str], Counter[str]]:
    """Return the ids of items with a title, title -> id, and how many items have each title."""
    if raw.items is None:
        chunks = iter_chunks(raw.interactions, "item")
        return set().union(*(chunk["item"].unique().to_list() for chunk in chunks)), {}, Counter()
    rows = raw.items.select("item", "title").iter_rows()
    titled = [(item, title.strip()) for item, title in rows if title and title.strip()]
    counts = Counter(title for _, title in titled)
    return {item for item, _ in titled}, {title: item for item, title in titled}, counts


def _detect_names(
    file: ListFile, used: set[str], ids: set[str], titles: dict[str, str]
) -> Literal["id", "title"]:
    """Return what most names are; those that can be both must mean the same items."""
    if used <= ids:
        other = sorted(name for name in used if titles.get(name, name) != name)
        if other and used <= titles.keys():
            raise ConfigError(
                f"{file.path}: {other[0]!r} is the id of one item and the title of another",
                'say which the lists have: candidates.names = "id", or names = "title"',
            )
        return "id"
    return "title" if len(used & titles.keys()) > len(used & ids) else "id"


def _check_known(
    file: ListFile,
    raw: RawData,
    used: set[str],
    names: Literal["id", "title"],
    known: Iterable[str],
    spec: CandidateFileSpec,
) -> None:
    unknown = used - set(known)
    if not unknown:
        return
    row = next(row for row in file.lists if unknown & {*row.items, *row.targets})
    name = next(item for item in (*row.items, *row.targets) if item in unknown)
    place = raw.origin[0 if raw.items is None else 1]
    hint = "add these items with their titles, or correct the lists"
    if spec.names is None:
        hint += '; candidates.names = "id" or "title" says what the names are'
    raise DataError(
        f"{file.path}, {row.where}: no item of {place} has the {names} {name!r}"
        f" ({len(unknown)} of {len(used)} names are unknown)",
        hint,
    )
