"""Plots of a suite: which are drawn of what, that they can be drawn again, that nothing is cut."""

import numpy as np
import polars as pl
import pytest
from site_store import make_store

from benchkit import files

pytest.importorskip("matplotlib")

from benchkit.report.suite_plots import suite_plots

LONG = "a method with a name that goes on and on, far beyond what any plot has room for " * 2
NASTY = ("$x_1^2$ & 50%", "_hidden", "<b>&amp;", "مرحبا عليكم", "😀 推荐", LONG + "1", LONG + "2")


def changed(store, config=None, identity=None, history=None, metrics=None, seconds=None, **plan):
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
        run.write_manifest(manifest.model_copy(update={"identity": own, "cost": cost}))
        if history and manifest.status == "complete":
            table = run.predictions()
            lengths = pl.Series("history_length", np.resize(history, len(table)))
            files.write_parquet(run.path / "predictions.parquet", table.with_columns(lengths))
    if plan:
        store.update_plan(store.plan("made").model_copy(update=plan))
    return store


def names(results, store=None):
    return ["-".join(plot.name) for plot in suite_plots(results, store)]


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
