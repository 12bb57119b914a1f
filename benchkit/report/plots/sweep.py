"""Curves of a metric over a setting: sweeps (C-APO, Figure 6) and scaling (its Figure 13)."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from benchkit.report.core.labels import metric_title
from benchkit.report.core.results import Results, ResultTable
from benchkit.report.plots.base import (
    CHANCE_LINE_STYLE,
    Plot,
    plot_heading,
    series_styles,
    table_primary_metric,
    tables_with_results,
)
from benchkit.report.plots.curves import Curve, draw_curves
from benchkit.report.plots.setting_series import (
    RowSettings,
    SettingSeries,
    SettingValue,
    find_series,
    flatten_settings,
    series_names,
)
from benchkit.report.plots.style import FIGURE_WIDTH
from benchkit.report.plots.text_fitting import (
    add_note,
    add_title,
    missing_rows,
    sanitize,
    text_height,
)
from benchkit.report.site.row_details import MethodRuns, collect_method_runs
from benchkit.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ASSIGNED = re.compile(r"([^\W\d]\w*)=([^\s,;]+)")  # 'lambda=0.5' in a label
_WIDE = 8.0  # largest over smallest value from where on the scale is logarithmic
_AXIS = 3.6  # inches of the x axis, about
_CHOICE = "Figures of the test cases: a value that is picked here has been picked on them."


def sweep_plots(results: Results, store: Store) -> Iterator[Plot]:
    """One for each setting that a method was run with several values of, by task and protocol.

    The values are those of the runs' manifests.
    """
    tables = tables_with_results(results)
    found = collect_method_runs(store, results.plan, tables)
    for table in tables:
        metric = table_primary_metric(results, table)
        rows = [
            RowSettings(
                row,
                _method(source),
                flatten_settings(source.manifests[0].identity.get("config", {})),
            )
            for row in table.rows
            if metric in row.cells and (source := found.get((row.task, row.label)))
        ]
        settings: dict[str, list[SettingSeries]] = {}
        for one in find_series(rows):
            settings.setdefault(one.setting, []).append(one)
        for setting, own in settings.items():
            text = missing_rows(table.rows)
            yield Plot(
                ("sweep", setting, table.task, table.protocol),
                3.2 + text_height(_CHOICE + text, FIGURE_WIDTH) + 0.17 * max(0, len(own) - 10),
                partial(draw_sweep, results=results, table=table, found=own, text=text),
                FIGURE_WIDTH + 0.4,
            )


def draw_sweep(
    figure: "Figure",
    results: Results,
    table: ResultTable,
    found: Sequence[SettingSeries],
    text: str,
) -> None:
    """A curve for each series; a dotted line leads to a value that the scale has no place for."""
    metric = table_primary_metric(results, table)
    places = axis_positions([value for one in found for value in one.values])
    axes = figure.subplots()
    if metric in table.chance:
        axes.axhline(table.chance[metric], **CHANCE_LINE_STYLE)
    curves = [
        Curve(
            name,
            tuple(places[value][0] for value in one.values),
            tuple(row.cells.get(metric) for row in one.rows),
            tuple(places[a][1] or places[b][1] for a, b in pairwise(one.values)),
        )
        for name, one in zip(series_names(found), found, strict=True)
    ]
    draw_curves(axes, curves, series_styles(len(curves)))
    ticks = sorted((place, _shown(value)) for value, (place, _) in places.items())
    axes.set_xticks([place for place, _ in ticks], _apart(ticks))
    axes.margins(x=0.08)
    axes.set(xlabel=sanitize(_axis(found)), ylabel=metric_title(metric))
    add_title(
        figure, plot_heading(results, table, f"{metric_title(metric)} by {setting_title(found)}")
    )
    chance = "Dashed: chance." if metric in table.chance else ""
    add_note(figure, "Bars: 95 % intervals over users.", chance, _CHOICE, text)


def axis_positions(values: Sequence[SettingValue]) -> dict[SettingValue, tuple[float, bool]]:
    """Value -> its place on the axis, and whether the scale itself has no such place.

    The scale is logarithmic where all are positive, or 0, and the largest is at least 8 times the
    smallest above 0. There 0 stands one step before the others; None, no limit, one behind.

    >>> axis_positions([0, 1, 10, 100])
    {0: (-1.0, True), 1: (0.0, False), 10: (1.0, False), 100: (2.0, False)}
    >>> axis_positions([10, 30, None])
    {10: (10.0, False), 30: (30.0, False), None: (50.0, True)}
    """
    numbers = sorted({value for value in values if value is not None})
    above = [value for value in numbers if value > 0]
    wide = bool(above) and numbers[0] >= 0 and above[-1] >= _WIDE * above[0]
    placed = {v: math.log10(v) if wide else float(v) for v in (above if wide else numbers)}
    spots = list(placed.values())
    step = (spots[-1] - spots[0]) / (len(spots) - 1) if len(spots) > 1 else 1.0
    found: dict[SettingValue, tuple[float, bool]] = {}
    if wide and len(above) < len(numbers):
        found[0] = (spots[0] - step, True)
    found |= {value: (place, False) for value, place in placed.items()}
    if None in values:
        found[None] = (spots[-1] + step if spots else 0.0, True)
    return found


def _apart(ticks: Sequence[tuple[float, str]]) -> list[str]:
    """The labels of the ticks, without those that would touch one that is shown."""
    reach = (ticks[-1][0] - ticks[0][0]) or 1.0
    labels, end = [], -1.0
    last = _AXIS - _width(ticks[-1][1]) / 2
    for place, text in ticks:
        centre = (place - ticks[0][0]) / reach * _AXIS
        low, high = centre - _width(text) / 2, centre + _width(text) / 2
        fits = low >= end and (high <= last or place == ticks[-1][0])
        labels.append(text if fits else "")
        end = high if fits else end
    return labels


def _width(text: str) -> float:
    return 0.08 * len(text) + 0.08


def _shown(value: SettingValue) -> str:
    if value is None:
        return "no limit"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _axis(found: Sequence[SettingSeries]) -> str:
    along = dict.fromkeys(name for one in found for name in one.covarying)
    return setting_title(found) + (f", and with it {', '.join(along)}" if along else "")


def setting_title(found: Sequence[SettingSeries]) -> str:
    """What the varied setting is called: 'lambda (setting margin)' where all labels with a value
    have another word for it, as 'rec-po lambda=0.5' has."""
    setting = found[0].setting
    words = {
        next((w for w, shown in _ASSIGNED.findall(row.label) if shown == f"{value:g}"), "")
        for one in found
        for value, row in zip(one.values, one.rows, strict=True)
        if value is not None
    }
    word = words.pop() if len(words) == 1 else ""
    return setting if word.lower() in setting.lower() else f"{word} (setting {setting})"


def _method(source: MethodRuns) -> tuple[str, str]:
    identity = source.manifests[0].identity
    return str(identity.get("method", "")), str(identity.get("code", ""))
