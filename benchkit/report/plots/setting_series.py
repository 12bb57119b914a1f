"""Find the rows of a suite that vary one setting of a method: sweeps and scaling curves."""

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
    """A row and the settings of its run."""

    row: ResultRow
    method: tuple[str, str]
    """Class, and hash of the code."""
    settings: Settings


@dataclass(frozen=True)
class SettingSeries:
    """Rows that differ in `setting` alone."""

    name: str
    """The common part of their labels."""
    setting: str
    covarying: tuple[str, ...]
    """Settings of the same table that grow with it, such as the width of a model's layers."""
    values: tuple[SettingValue, ...]
    """Ascending; None comes last."""
    rows: tuple[ResultRow, ...]
    other_settings: Settings


def flatten_settings(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their dotted path.

    >>> flatten_settings({"beta": 1.0, "nano": {"hidden": 64}})
    {'beta': 1.0, 'nano.hidden': 64}
    """
    settings: dict[str, Any] = {}
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            settings |= flatten_settings(entry, f"{prefix}{name}.")
        else:
            settings[f"{prefix}{name}"] = entry
    return settings


def find_series(rows: Sequence[RowSettings]) -> list[SettingSeries]:
    """Return every series of at least two rows, in the order of their first rows.

    A series of two rows is dropped where longer series contain both: two sweeps of beta that differ
    in another setting are two curves over beta, not many pairs over the other setting.
    """
    series: list[SettingSeries] = []
    for method in dict.fromkeys(row.method for row in rows):
        method_rows = [row for row in rows if row.method == method]
        varied = dict.fromkeys(
            _difference(a.settings, b.settings) for a, b in combinations(method_rows, 2)
        )
        for names in filter(None, varied):
            series += _along(method_rows, names)
    reach = {s.setting: 0 for s in series}
    for candidate in series:
        reach[candidate.setting] = max(reach[candidate.setting], len(candidate.rows))
    selected: list[SettingSeries] = []
    covered: set[str] = set()
    for candidate in sorted(series, key=lambda s: (-len(s.rows), -reach[s.setting])):
        labels = {row.label for row in candidate.rows}
        if len(labels) > 2 or not labels <= covered:
            selected.append(candidate)
            covered |= labels
    order = [row.row.label for row in rows]
    return sorted(selected, key=lambda s: min(order.index(row.label) for row in s.rows))


def series_names(all_series: Sequence[SettingSeries]) -> list[str]:
    """Return a name for each series of a plot; equal names get the settings that differ."""
    names = []
    for one in all_series:
        same = [other.other_settings for other in all_series if other.name == one.name]
        differ = [
            k
            for k in one.other_settings
            if any(rest.get(k) != one.other_settings[k] for rest in same)
        ]
        settings = ", ".join(f"{k.rpartition('.')[2]} {one.other_settings[k]}" for k in differ[:3])
        names.append(f"{one.name}, {settings}" if settings else one.name)
    return names


def common_label(labels: Sequence[str]) -> str:
    """Return the common start of a series' labels, without the setting's name.

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
    """Return the settings that differ, if all are numbers and belong to one table."""
    names = [n for n in {**one, **two} if one.get(n) != two.get(n)]
    numeric = all(_number(s.get(n)) for n in names for s in (one, two))
    tables = {name.rpartition(".")[0] for name in names}
    several = len(names) > 1 and (len(tables) > 1 or "" in tables)
    return () if not numeric or several else tuple(names)


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _along(rows: Sequence[RowSettings], varied: tuple[str, ...]) -> list[SettingSeries]:
    """Return the series over `varied`: rows that agree in all else and grow in all of these."""
    groups: dict[str, dict[tuple[SettingValue, ...], RowSettings]] = {}
    for row in rows:
        values = tuple(row.settings.get(name) for name in varied)
        if all(map(_number, values)):
            groups.setdefault(repr(_rest(row, varied)), {}).setdefault(values, row)
    series = []
    for group in groups.values():
        order = sorted(group, key=lambda values: tuple(map(_rank, values)))
        grows = all(
            _rank(a) < _rank(b)
            for one, two in pairwise(order)
            for a, b in zip(one, two, strict=True)
        )
        if len(order) < 2 or not grows:
            continue
        ordered_rows = [group[values] for values in order]
        series.append(
            SettingSeries(
                common_label([row.row.label for row in ordered_rows]) or ordered_rows[0].method[0],
                varied[0],
                varied[1:],
                tuple(values[0] for values in order),
                tuple(row.row for row in ordered_rows),
                dict(_rest(ordered_rows[0], varied)),
            )
        )
    return series


def _rest(row: RowSettings, varied: tuple[str, ...]) -> list[tuple[str, Any]]:
    return sorted((name, value) for name, value in row.settings.items() if name not in varied)


def _rank(value: SettingValue) -> tuple[bool, float]:
    """Return a sort key that puts None behind all numbers."""
    return value is None, value or 0.0
