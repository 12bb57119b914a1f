"""Drawings that are made once: a plot is drawn again only if what it is drawn from has changed."""

from collections.abc import Iterable
from typing import Any

from benchkit.report.core.labels import metric_title, short_protocol_title
from benchkit.report.core.results import ResultTable
from benchkit.report.incremental.codecs import decode_bytes, encode_bytes
from benchkit.report.incremental.digest import digest
from benchkit.report.incremental.memo import Memo, UnknownInputsError
from benchkit.report.plots.base import Plot
from benchkit.report.plots.style import Images, draw_images


def recall_images(memo: Memo, plot: Plot, titles: Any = None) -> Images:
    """Return the files of a plot, drawn now or when the same plot was drawn before.

    Args:
        memo: The drawings of before.
        plot: Where its `draw` is a `functools.partial`, that is handed all it draws.
        titles: What else its texts depend on, as `drawn_titles`.
    """
    return memo.recall(
        "plot",
        lambda: [plot.height, plot.width, _digest_drawn(plot), titles],
        lambda: draw_images(plot.height, plot.draw, plot.width),
        lambda images: {ending: encode_bytes(content) for ending, content in images.items()},
        lambda value: {ending: decode_bytes(value[ending]) for ending in (".svg", ".png")},
    )


def _digest_drawn(plot: Plot) -> str:
    """Return the digest of what a plot draws; a function that hides it is drawn every time."""
    try:
        return digest(plot.draw)
    except TypeError as error:
        raise UnknownInputsError from error


def drawn_titles(tables: Iterable[ResultTable]) -> list[tuple[str, str]]:
    """Return the titles of metrics and protocols, which other packages may bring along."""
    tables = list(tables)
    metrics = {name for t in tables for row in t.rows for name in (*row.cells, *t.chance)}
    protocols = {table.protocol for table in tables}
    return [
        *((name, metric_title(name)) for name in sorted(metrics)),
        *((name, short_protocol_title(name)) for name in sorted(protocols)),
    ]
