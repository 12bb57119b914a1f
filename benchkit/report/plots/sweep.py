"""Curves of a metric over a setting: sweeps (C-APO, Figure 6) and scaling (Figure 13)."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from benchkit.report.core.labels import metric_title
from benchkit.report.core.method_runs import MethodRuns, collect_method_runs
from benchkit.report.core.results import ResultTable, SuiteTables
from benchkit.report.plots.base import (
    CHANCE_LINE_STYLE,
    Plot,
    plot_heading,
    select_plot_results,
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
from benchkit.runs.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ASSIGNED = re.compile(r"([^\W\d]\w*)=([^\s,;]+)")  # 'lambda=0.5' in a label
_WIDE = 8.0  # ratio of the largest to the smallest value that makes the scale logarithmic
_AXIS_WIDTH = 3.6  # inches, about
_CHOICE = "Measured on the test cases: a value picked from this plot is picked on the test set."


def sweep_plots(results: SuiteTables, store: Store) -> Iterator[Plot]:
    """Yield a plot for each setting that varies between rows of a method, by task and protocol.

    Values are read from the manifests of the runs.
    """
    tables = tables_with_results(results)
    method_runs = collect_method_runs(store, results.plan, tables)
    for table in tables:
        metric = table_primary_metric(results, table)
        rows = [
            RowSettings(
                row,
                _method(source),
                flatten_settings(source.manifests[0].identity.get("config", {})),
            )
            for row in table.rows
            if metric in row.cells and (source := method_runs.get((row.task, row.label)))
        ]
        settings: dict[str, list[SettingSeries]] = {}
        for series in find_series(rows):
            settings.setdefault(series.setting, []).append(series)
        for setting, setting_series in settings.items():
            text = missing_rows(table.rows)
            yield Plot(
                ("sweep", setting, table.task, table.protocol),
                3.2
                + text_height(_CHOICE + text, FIGURE_WIDTH)
                + 0.17 * max(0, len(setting_series) - 10),
                partial(
                    draw_sweep,
                    results=select_plot_results(results, [table]),
                    table=table,
                    all_series=setting_series,
                    text=text,
                ),
                FIGURE_WIDTH + 0.4,
            )


def draw_sweep(
    figure: "Figure",
    results: SuiteTables,
    table: ResultTable,
    all_series: Sequence[SettingSeries],
    text: str,
) -> None:
    """Draw a curve for each series; dotted lines lead to values off the scale."""
    metric = table_primary_metric(results, table)
    positions = axis_positions([value for series in all_series for value in series.values])
    axes = figure.subplots()
    if metric in table.chance:
        axes.axhline(table.chance[metric], **CHANCE_LINE_STYLE)
    curves = [
        Curve(
            name,
            tuple(positions[value][0] for value in series.values),
            tuple(row.cells.get(metric) for row in series.rows),
            tuple(positions[a][1] or positions[b][1] for a, b in pairwise(series.values)),
        )
        for name, series in zip(series_names(all_series), all_series, strict=True)
    ]
    draw_curves(axes, curves, series_styles(len(curves)))
    ticks = sorted((place, _shown(value)) for value, (place, _) in positions.items())
    axes.set_xticks([place for place, _ in ticks], _apart(ticks))
    axes.margins(x=0.08)
    axes.set(xlabel=sanitize(_axis(all_series)), ylabel=metric_title(metric))
    add_title(
        figure,
        plot_heading(results, table, f"{metric_title(metric)} by {setting_title(all_series)}"),
    )
    chance = "Dashed: chance." if metric in table.chance else ""
    add_note(figure, "Bars: 95 % intervals over users.", chance, _CHOICE, text)


def axis_positions(values: Sequence[SettingValue]) -> dict[SettingValue, tuple[float, bool]]:
    """Return for each value its position on the axis, and whether it is off the scale.

    The scale is logarithmic where no value is negative and the largest is at least 8 times the
    smallest positive one; 0 is then one step before the others. None, no limit, is one step after.

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
    positions: dict[SettingValue, tuple[float, bool]] = {}
    if wide and len(above) < len(numbers):
        positions[0] = (spots[0] - step, True)
    positions |= {value: (place, False) for value, place in placed.items()}
    if None in values:
        positions[None] = (spots[-1] + step if spots else 0.0, True)
    return positions


def _apart(ticks: Sequence[tuple[float, str]]) -> list[str]:
    """Return the tick labels, with those blank that would touch another."""
    reach = (ticks[-1][0] - ticks[0][0]) or 1.0
    labels, end = [], -1.0
    last = _AXIS_WIDTH - _width(ticks[-1][1]) / 2
    for place, text in ticks:
        centre = (place - ticks[0][0]) / reach * _AXIS_WIDTH
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


def _axis(all_series: Sequence[SettingSeries]) -> str:
    along = dict.fromkeys(name for series in all_series for name in series.covarying)
    return setting_title(all_series) + (f", and with it {', '.join(along)}" if along else "")


def setting_title(all_series: Sequence[SettingSeries]) -> str:
    """Return the name of the varied setting.

    It is 'lambda (setting margin)' where all labels have another word, as 'rec-po lambda=0.5'.
    """
    setting = all_series[0].setting
    words = {
        next((w for w, text in _ASSIGNED.findall(row.label) if text == f"{value:g}"), "")
        for series in all_series
        for value, row in zip(series.values, series.rows, strict=True)
        if value is not None
    }
    word = words.pop() if len(words) == 1 else ""
    return setting if word.lower() in setting.lower() else f"{word} (setting {setting})"


def _method(source: MethodRuns) -> tuple[str, str]:
    identity = source.manifests[0].identity
    return str(identity.get("method", "")), str(identity.get("code", ""))
