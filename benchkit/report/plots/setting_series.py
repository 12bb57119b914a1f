"""Which rows of a suite are one method with one setting varied: sweeps and scaling curves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from benchkit.report.core.results import ResultRow

Settings = Mapping[str, Any]  # "nano.hidden" -> 64
SettingValue = float | None  # None: the setting is off, e.g. no limit
_BREAK = re.compile(r"([\s_=,;:/()-]+)")


@dataclass(frozen=True)
class RowSettings:
    """A row and what its run was made with. method: its class, and a hash of its code."""

    row: ResultRow
    method: tuple[str, str]
    settings: Settings


@dataclass(frozen=True)
class SettingSeries:
    """Rows that differ in `setting` alone, from its smallest value to None.

    name: what their labels have in common. along: settings of the same table that grow with it,
    such as the width of a model's layers. rest: all other settings.
    """

    name: str
    setting: str
    covarying: tuple[str, ...]
    values: tuple[SettingValue, ...]
    rows: tuple[ResultRow, ...]
    other_settings: Settings


def flatten_settings(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by path.

    >>> flatten_settings({"beta": 1.0, "nano": {"hidden": 64}})
    {'beta': 1.0, 'nano.hidden': 64}
    """
    found: dict[str, Any] = {}
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            found |= flatten_settings(entry, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = entry
    return found


def find_series(rows: Sequence[RowSettings]) -> list[SettingSeries]:
    """Every series of two rows of a table at least, in the order of their first rows.

    One of two rows is left out where longer ones hold both: two sweeps of beta that differ in
    another setting are two curves over beta, not as many pairs over the other setting.
    """
    found: list[SettingSeries] = []
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        varied = dict.fromkeys(_difference(a.settings, b.settings) for a, b in combinations(own, 2))
        for names in filter(None, varied):
            found += _along(own, names)
    reach = {s.setting: 0 for s in found}
    for one in found:
        reach[one.setting] = max(reach[one.setting], len(one.rows))
    kept: list[SettingSeries] = []
    held: set[str] = set()
    for one in sorted(found, key=lambda s: (-len(s.rows), -reach[s.setting])):
        labels = {row.label for row in one.rows}
        if len(labels) > 2 or not labels <= held:
            kept.append(one)
            held |= labels
    order = [row.row.label for row in rows]
    return sorted(kept, key=lambda s: min(order.index(row.label) for row in s.rows))


def series_names(found: Sequence[SettingSeries]) -> list[str]:
    """A name for each series of a plot; those of one name say which other settings they have."""
    named = []
    for one in found:
        same = [other.other_settings for other in found if other.name == one.name]
        differ = [
            k
            for k in one.other_settings
            if any(rest.get(k) != one.other_settings[k] for rest in same)
        ]
        settings = ", ".join(f"{k.rpartition('.')[2]} {one.other_settings[k]}" for k in differ[:3])
        named.append(f"{one.name}, {settings}" if settings else one.name)
    return named


def common_label(labels: Sequence[str]) -> str:
    """What the labels of a series begin with, without the setting's name.

    >>> common_label(["c-apo beta=0.1", "c-apo beta=0.5"]), common_label(["sft", "sft users=10"])
    ('c-apo', 'sft')
    """
    pieces = [_BREAK.split(label) for label in labels]
    shared = []
    for column in zip(*pieces, strict=False):
        if len(set(column)) > 1:
            break
        shared.append(column[0])
    text = "".join(shared)
    if text.rstrip().endswith("=") and " " in text.strip():
        text = text.strip().rpartition(" ")[0]
    return text.strip(" _=,;:/(-")


def _difference(one: Settings, two: Settings) -> tuple[str, ...]:
    """Names of the settings that differ, if all are numbers and no more than one table's."""
    names = [n for n in {**one, **two} if one.get(n) != two.get(n)]
    numeric = all(_number(s.get(n)) for n in names for s in (one, two))
    tables = {name.rpartition(".")[0] for name in names}
    several = len(names) > 1 and (len(tables) > 1 or "" in tables)
    return () if not numeric or several else tuple(names)


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _along(rows: Sequence[RowSettings], varied: tuple[str, ...]) -> list[SettingSeries]:
    """The series over `varied`: rows alike in all else, in which all of them grow together."""
    groups: dict[str, dict[tuple[SettingValue, ...], RowSettings]] = {}
    for row in rows:
        values = tuple(row.settings.get(name) for name in varied)
        if all(map(_number, values)):
            groups.setdefault(repr(_rest(row, varied)), {}).setdefault(values, row)
    made = []
    for group in groups.values():
        order = sorted(group, key=lambda values: tuple(map(_rank, values)))
        grows = all(
            _rank(a) < _rank(b)
            for one, two in pairwise(order)
            for a, b in zip(one, two, strict=True)
        )
        if len(order) < 2 or not grows:
            continue
        own = [group[values] for values in order]
        made.append(
            SettingSeries(
                common_label([row.row.label for row in own]) or own[0].method[0],
                varied[0],
                varied[1:],
                tuple(values[0] for values in order),
                tuple(row.row for row in own),
                dict(_rest(own[0], varied)),
            )
        )
    return made


def _rest(row: RowSettings, varied: tuple[str, ...]) -> list[tuple[str, Any]]:
    return sorted((name, value) for name, value in row.settings.items() if name not in varied)


def _rank(value: SettingValue) -> tuple[bool, float]:
    """None stands behind all numbers."""
    return value is None, value or 0.0
