"""Made-up stores for tests of plots, and what shows of a plot that is drawn."""

import tempfile
from itertools import combinations
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl

from benchkit import io
from benchkit.report.core.collect import collect_results
from benchkit.report.core.file_names import unique_stems
from benchkit.report.plots import style, suite
from tests.support.result_store import make_store

LONG = "a method with a name that goes on and on, far beyond what any plot has room for " * 2
NASTY = ("$x_1^2$ & 50%", "_hidden", "<b>&amp;", "مرحبا عليكم", "😀 推荐", LONG + "1", LONG + "2")


def changed(store, config=None, identity=None, history=None, seconds=None, **plan):
    """A made-up store with other settings, lengths of history, values, cost, or plan."""
    for run in store.runs():
        manifest = run.manifest()
        own = dict(manifest.identity)
        if config is not None:
            own |= {"config": config[manifest.label], "method": "Other"}
        own |= (identity or {}).get(manifest.label, {})
        cost = manifest.cost
        if seconds:
            cost = {**cost, "scored_seconds": seconds[manifest.label]}
        if history and manifest.status == "complete":
            table = run.predictions()
            lengths = pl.Series("history_length", np.resize(history, len(table)))
            io.write_parquet(run.path / "predictions.parquet", table.with_columns(lengths))
        changes = {"identity": own, "cost": cost, "files": {}}
        run.write_manifest(manifest.model_copy(update=changes))
    if plan:
        store.update_plan(store.plan("made").model_copy(update=plan))
    return store


def plots(store, reading=True):
    """Name -> plot, of everything that the made-up suite gives."""
    results = collect_results(store, "made")
    found = list(suite.suite_plots(results, store if reading else None))
    return dict(zip(unique_stems(plot.name for plot in found), found, strict=True))


def watched(write):
    """Calls `write` with an empty folder; gives of each figure that it writes there the figure, the
    texts that came to be seen in the PNG with their extents in pixels, and its size."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    seen, made = {}, []
    draw, save = Text.draw, Figure.savefig

    def spy(self, renderer, *args, **kwargs):
        if isinstance(renderer, RendererAgg) and self.get_visible() and self.get_text().strip():
            # Without the line to a point; the last time is that of the file.
            seen[self] = Text.get_window_extent(self, renderer)
        return draw(self, renderer, *args, **kwargs)

    def keep(self, file, **settings):
        save(self, file, **settings)
        if settings["format"] == "png":
            region = settings.get("bbox_inches")  # with a note below the figure
            inches = self.get_size_inches() if region is None else np.array(region.size)
            size = tuple(settings["dpi"] * inches)
            made.append((self, list(seen.items()), size))
            seen.clear()

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(Text, "draw", spy),
        mock.patch.object(Figure, "savefig", keep),
    ):
        write(Path(folder))
    return made


def drawn(plot):
    """What `watched` gives of one plot."""
    (found,) = watched(
        lambda folder: style.save_figure(folder / "drawn", plot.height, plot.draw, plot.width)
    )
    return found


def overlap(one, two):
    return (
        min(one.x1, two.x1) - max(one.x0, two.x0) > 1
        and min(one.y1, two.y1) - max(one.y0, two.y0) > 1
    )


def check_whole(found):
    """Every text of a watched figure lies in it, and no two touch; gives the texts."""
    _, texts, (width, height) = found
    for text, box in texts:
        assert box.x0 >= -1 and box.y0 >= -1, text.get_text()
        assert box.x1 <= width + 1 and box.y1 <= height + 1, text.get_text()
    for (one, a), (two, b) in combinations(texts, 2):
        assert not overlap(a, b), (one.get_text(), two.get_text())
    return [text for text, _ in texts]


def check_nothing_is_cut(plot):
    """`check_whole` of one plot."""
    return check_whole(drawn(plot))


def sweep_store(root, **more):
    betas = {"c-apo beta=0.1": 0.1, "c-apo beta=0.5": 0.5, "c-apo beta=1": 1.0, "c-apo beta=5": 5.0}
    margins = {f"rec-po lambda={m:g}": (m, 0) for m in (0, 0.5, 1, 2)}
    margins |= {f"rec-po future lambda={m:g}": (m, 5) for m in (0.5, 2)}
    config = {label: {"beta": beta, "train": {"epochs": 3}} for label, beta in betas.items()}
    config |= {
        label: {"beta": 1.0, "margin": margin, "future_steps": steps}
        for label, (margin, steps) in margins.items()
    }
    config["random"] = {}
    return changed(make_store(root, list(config), **more), config)


def scaling_store(root):
    config = {}
    for name in ("sft", "c-apo"):
        base = {"limit_users": None, "nano": {"hidden": 64, "intermediate": 128}, "name": name}
        config |= {f"{name} users={n}": {**base, "limit_users": n} for n in (1100, 3400)}
        config[name] = base
        config |= {
            f"{name} hidden={h}": {**base, "nano": {"hidden": h, "intermediate": 2 * h}}
            for h in (32, 128)
        }
    return changed(make_store(root, list(config)), config)
