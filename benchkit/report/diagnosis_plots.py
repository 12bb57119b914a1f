"""Plots of preference training: margins, shares, weights and conflicts."""

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.report.diagnosis_files import folder_of
from benchkit.report.diagnostics import Diagnosis, Found
from benchkit.report.figure import COLOURS, GREY, below, write
from benchkit.report.trace_statistics import PHASES, Bin, smoothed, weight_bins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = {"start": "first fifth of the steps", "end": "last fifth of the steps"}


def write_plots(found: Found, folder: Path) -> list[Path]:
    """Draw margins, shares and weights of each run, and the conflicts of all; returns the paths.

    Raises ConfigError when matplotlib is not installed.
    """
    paths = []
    for own in found.diagnoses:
        here = folder / folder_of(own, found)
        title = f"{own.label} on {own.task}" + (f", seed {own.seed}" if own.seed else "")
        paths += write(here / "margins", 3.4, partial(margins, own=own, title=title))
        paths += write(here / "shares", 3.0, partial(shares, own=own, title=title))
        if bins := weight_bins(own.trace):
            paths += write(here / "weights", 4.2, partial(weights, bins=bins, title=title))
    scored = [own for own in found.diagnoses if own.conflicts is not None]
    if scored:
        height = 1.4 + 0.5 * len(scored)
        paths += write(folder / "conflicts", height, partial(conflicts, scored=scored))
    return paths


def margins(figure: "Figure", own: Diagnosis, title: str) -> None:
    """Reward margin of the chosen response over each rejected one; pale: each step, dark: mean."""
    axes = figure.subplots()
    trace, smooth = own.trace, smoothed(own.trace.margin)
    axes.axhline(0, color=GREY, linewidth=0.8)
    for k, (name, colour) in enumerate(zip(own.rejected, cycle(COLOURS), strict=False)):
        axes.plot(trace.step, trace.margin[:, k], color=colour, alpha=0.25, linewidth=0.7)
        axes.plot(trace.step, smooth[:, k], color=colour, linewidth=1.8, label=_over(name),
                  **_marked(len(trace.step)))  # fmt: skip
    axes.set(xlabel="optimiser step", ylabel="reward margin (nats)", title=title)
    below(axes, min(len(own.rejected), 4))


def shares(figure: "Figure", own: Diagnosis, title: str) -> None:
    """Share of pairs in which the chosen response leads, and of saturated utilities."""
    axes = figure.subplots()
    trace = own.trace
    lines = (
        ("pairs in which the chosen response leads", trace.leads, COLOURS[0]),
        ("saturated utilities, |βd| > 10", trace.saturated, COLOURS[1]),
    )
    for name, values, colour in lines:
        smooth = smoothed(values[:, None])[:, 0]
        axes.plot(trace.step, values, color=colour, alpha=0.25, linewidth=0.7)
        axes.plot(trace.step, smooth, color=colour, linewidth=1.8, label=name,
                  **_marked(len(trace.step)))  # fmt: skip
    axes.set(xlabel="optimiser step", ylabel="share", ylim=(-0.03, 1.03), title=title)
    below(axes, 2)


def weights(figure: "Figure", bins: Sequence[Bin], title: str) -> None:
    """Weight against score gap, as C-APO's Figure 7: mean and quartiles, and how many pairs."""
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.axvspan(-100, 0, color="#F5F0E6", zorder=0, linewidth=0)
    upper.axhline(0.5, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    for phase, shift, colour, mark in zip(PHASES, (-0.14, 0.14), COLOURS, "os", strict=False):
        own = [b for b in bins if b.phase == phase]
        there = [b for b in own if b.mean is not None]
        x = np.array([b.low + 0.5 + shift for b in there])
        mean = np.array([b.mean for b in there], dtype=float)
        q25 = np.array([b.q25 for b in there], dtype=float)
        q75 = np.array([b.q75 for b in there], dtype=float)
        upper.vlines(x, q25, q75, color=colour, linewidth=5, alpha=0.3)
        upper.plot(x, mean, color=colour, marker=mark, markersize=4.5, linewidth=1.2,
                   label=_LABELS[phase])  # fmt: skip
        lower.bar([b.low + 0.5 + shift for b in own], [b.count for b in own], 0.26, color=colour)
    low, high = min(b.low for b in bins), max(b.high for b in bins)
    upper.set(ylabel="weight w", ylim=(-0.03, 1.03), title=title)
    lower.set(
        xlabel="score gap Δs = score(chosen) − score(rejected)   (points of the 1–7 scale)",
        ylabel="pairs",
        xlim=(min(low, -0.5), max(high, 0.5)),
        xticks=range(round(low + 0.5), round(high + 0.5)),
    )
    upper.text(0.01, 0.96, "conflict: Δs < 0", transform=upper.transAxes, va="top", color=GREY)
    handles, names = upper.get_legend_handles_labels()
    names = [f"{name}: mean, quartiles" for name in names]
    figure.legend(handles, names, loc="outside lower center", ncols=2)


def conflicts(figure: "Figure", scored: Sequence[Diagnosis]) -> None:
    """Share of preferences with a rejected item more coherent than the chosen one (Figure 3)."""
    axes = figure.subplots()
    for k, (what, shift) in enumerate((("hard", -0.19), ("easy", 0.19))):
        for place, own in enumerate(scored):
            assert own.conflicts is not None  # noqa: S101
            share = float(getattr(own.conflicts, what))
            label = f"{what} rejected item scores higher" if not place else None
            axes.barh(place + shift, share, 0.34, color=COLOURS[k], label=label)
            axes.text(share + 0.008, place + shift, f"{share:.0%}", va="center", fontsize=8)
    names = [f"{own.task}\n{own.label}, n = {own.conflicts.n}" for own in scored if own.conflicts]
    axes.set(xlabel="share of preferences", title="Conflicts of choice and coherence")
    axes.set_yticks(range(len(scored)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.12)
    below(axes, 2)


def _over(name: str) -> str:
    return f"over {name}" if name.startswith("rejected") else f"over the {name} rejected item"


def _marked(steps: int) -> dict[str, Any]:
    """A line through very few steps needs points to be seen."""
    return {"marker": "o", "markersize": 3.5} if steps < 3 else {}
