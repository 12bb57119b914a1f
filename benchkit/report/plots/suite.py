"""All plots of a suite; the results decide which there are."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchkit.errors import ConfigError
from benchkit.report.core.file_names import unique_stems
from benchkit.report.core.results import SuiteTables
from benchkit.report.incremental.memo import store_memo
from benchkit.report.plots import style
from benchkit.report.plots.base import Plot
from benchkit.report.plots.history_length import history_plots
from benchkit.report.plots.metric import metric_plots
from benchkit.report.plots.plot_images import drawn_titles, recall_images
from benchkit.report.plots.sweep import sweep_plots
from benchkit.report.plots.tradeoff import tradeoff_plots
from benchkit.runs.store import Store


def write_suite_plots(results: SuiteTables, folder: Path, store: Store | None = None) -> list[Path]:
    """Draw the results into `folder` and return the paths of the SVG and PNG files.

    Args:
        store: The runs; without it there are no curves over a setting, and no warning where
            seconds were measured on different machines.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError("plots need matplotlib", "pip install 'benchkit[plots]'")
    plots = list(suite_plots(results, store))
    memo, texts = store_memo(store), drawn_titles(results.tables)
    paths = []
    for plot, stem in zip(plots, unique_stems(plot.name for plot in plots), strict=True):
        images = recall_images(memo, plot, texts)
        paths += style.write_images(folder / stem, images)
    return paths


def suite_plots(results: SuiteTables, store: Store | None = None) -> Iterator[Plot]:
    """Yield the plots of the results, not drawn yet."""
    yield from metric_plots(results)
    yield from history_plots(results)
    if store is not None:
        yield from sweep_plots(results, store)
    yield from tradeoff_plots(results, store)
