"""How a metric depends on the length of the history, for the buckets that a suite names."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchkit.report.figure import WIDTH
from benchkit.report.model import Results, Row, Table
from benchkit.report.plot import CHANCE, Plot, heading, looks, primary, whole
from benchkit.report.plot_curves import Curve, draw_behind, draw_curves
from benchkit.report.plot_text import height_of, lacking, note, shortened, title
from benchkit.report.wording import metric_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS = "Bars: 95 % intervals over users."
_BEHIND = "Grey, without a name: the methods of the other panels."
_TOGETHER = 7  # methods that can be told apart in one panel


def history_plots(results: Results) -> Iterator[Plot]:
    """One for each task and protocol with results in two buckets at least."""
    for table in whole(results):
        parts = buckets(results, table)
        metric = primary(results, table)
        if sum(any(metric in row.cells for row in part.rows) for part in parts.values()) < 2:
            continue
        groups = panels(table.rows, metric)
        text = lacking(table.rows)
        yield Plot(
            ("history", table.task, table.protocol),
            1.1 + 2.3 * len(groups) + height_of(_BARS + _BEHIND + text, WIDTH),
            partial(history_plot, results=results, table=table, parts=parts, text=text),
            WIDTH + 0.8,
        )


def buckets(results: Results, table: Table) -> dict[str, Table]:
    """Name of a bucket, e.g. '3–7' -> the table of its cases."""
    found = {}
    for bucket in results.plan.history_buckets:
        low, high = bucket[0], bucket[1] if len(bucket) > 1 else None
        part = f"history of {low}" + (" or more" if high is None else f" to {high}")
        name = f"≥ {low}" if high is None else (f"{low}" if low == high else f"{low}–{high}")
        for other in results.tables:
            if (other.task, other.protocol, other.part) == (table.task, table.protocol, part):
                found[name] = other
    return found


def panels(rows: Sequence[Row], metric: str) -> list[tuple[str, list[Row]]]:
    """Heading and methods of each panel: all in one, or else one for each family, and several for
    a large one."""
    drawn = [row for row in rows if metric in row.cells]
    if len(drawn) <= _TOGETHER:
        return [("", drawn)]
    families: dict[str, list[Row]] = {}
    for row in drawn:
        families.setdefault(row.family, []).append(row)
    names = dict(zip(families, shortened(list(families)), strict=True))
    groups = []
    for family, own in families.items():
        count = -(-len(own) // _TOGETHER)
        size = -(-len(own) // count)
        for place in range(count):
            which = f" ({place + 1} of {count})" if count > 1 else ""
            groups.append((names[family] + which, own[place * size : (place + 1) * size]))
    return groups


def history_plot(
    figure: "Figure", results: Results, table: Table, parts: Mapping[str, Table], text: str
) -> None:
    """A curve a method over the buckets; behind each panel, grey, the methods of the others."""
    metric = primary(results, table)
    groups = panels(table.rows, metric)
    curves = {row.label: _curve(row.label, parts, metric) for _, own in groups for row in own}
    grid = figure.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False)
    for place, (name, own) in enumerate(groups):
        axes = grid[place][0]
        labels = {row.label for row in own}
        draw_behind(axes, [curve for label, curve in curves.items() if label not in labels])
        if metric in table.chance:
            axes.axhline(table.chance[metric], **CHANCE)
        draw_curves(axes, [curves[row.label] for row in own], looks(len(own)))
        axes.set(ylabel=metric_title(metric), title=name, xlim=(-0.45, len(parts) - 0.55))
        axes.grid(visible=False, axis="x")
    counts = [
        max((row.cells[metric].n for row in part.rows if metric in row.cells), default=0)
        for part in parts.values()
    ]
    ticks = [f"{name}\n{n:,} users" for name, n in zip(parts, counts, strict=True)]
    grid[-1][0].set_xticks(range(len(parts)), ticks)
    grid[-1][0].set_xlabel("interactions in the history")
    title(figure, heading(results, table, f"{metric_title(metric)} by length of history"))
    chance = "Dashed: chance." if metric in table.chance else ""
    note(figure, _BARS, chance, _BEHIND if len(groups) > 1 else "", text)


def _curve(label: str, parts: Mapping[str, Table], metric: str) -> Curve:
    cells = []
    for part in parts.values():
        own = [row.cells[metric] for row in part.rows if row.label == label and metric in row.cells]
        cells.append(own[0] if own else None)
    return Curve(label, tuple(range(len(cells))), tuple(cells))
