"""Plots of preference training: margins, shares, weights and conflicts."""

from collections.abc import Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchkit.report.plots.style import (
    FIGURE_WIDTH,
    GREY,
    SERIES_COLOURS,
    format_percent,
    save_figure,
)
from benchkit.report.plots.text_fitting import (
    add_legend_above,
    add_note,
    add_title,
    shorten_names,
    text_height,
)
from benchkit.report.training.diagnostics import Diagnosis, SuiteDiagnoses
from benchkit.report.training.files import diagnosis_folders
from benchkit.report.training.trace_statistics import (
    PHASES,
    SATURATION_BOUNDS,
    WeightBin,
    saturated_shares,
    weight_bins,
)
from benchkit.report.training.trace_statistics import smooth as smoothed
from benchkit.report.training.training_trace import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = {"start": "first fifth of the steps", "end": "last fifth of the steps"}
_PALE = "Pale: each step; dark: the mean of the steps around it."
_SHADED = "Shaded: conflicts, Δs < 0; C-APO's Figure 7 counts Δs = 0 as one, too."
_LEGEND = FIGURE_WIDTH - 0.9  # inches
_HIGHER = (  # in the conflicts plot: which rejected item, where its bar stands, and its colour
    ("hard", "the hard rejected item scores higher", -0.19, SERIES_COLOURS[0]),
    ("easy", "the easy rejected item scores higher", 0.19, SERIES_COLOURS[1]),
    ("share", "the only rejected item scores higher", 0.0, SERIES_COLOURS[2]),
)


def write_diagnosis_plots(suite: SuiteDiagnoses, folder: Path) -> list[Path]:
    """Draw margins, shares and weights of each run, and the conflicts of all; returns the paths.

    Raises ConfigError when matplotlib is not installed.
    """
    paths = []
    for diagnosis, name in zip(suite.diagnoses, diagnosis_folders(suite), strict=True):
        run_folder, heading = folder / name, _heading(suite, diagnosis)
        extra = text_height(heading, FIGURE_WIDTH)
        draw = partial(draw_margins, diagnosis=diagnosis, heading=heading)
        paths += save_figure(run_folder / "margins", 3.6 + extra, draw)
        draw = partial(draw_shares, diagnosis=diagnosis, heading=heading)
        paths += save_figure(run_folder / "shares", 3.4 + extra, draw)
        if bins := weight_bins(diagnosis.trace):
            draw = partial(draw_weights, bins=bins, heading=heading)
            paths += save_figure(run_folder / "weights", 4.4 + extra, draw)
    scored = [diagnosis for diagnosis in suite.diagnoses if diagnosis.conflicts is not None]
    if scored:
        heading = f"{suite.heading}: conflicts of choice and coherence"
        height = 1.7 + 0.5 * len(scored) + text_height(heading, FIGURE_WIDTH)
        draw = partial(draw_conflicts, scored=scored, heading=heading)
        paths += save_figure(folder / "conflicts", height, draw)
    return paths


def draw_margins(figure: "Figure", diagnosis: Diagnosis, heading: str) -> None:
    """Draw the reward margin of the chosen response over each rejected one, step by step."""
    axes = figure.subplots()
    axes.axhline(0, color=GREY, linewidth=0.8)
    names, handles = [_over(name) for name in diagnosis.rejected_names], []
    for k, colour in zip(range(len(names)), cycle(SERIES_COLOURS), strict=False):
        handles.append(_line(axes, diagnosis, diagnosis.trace.margin[:, k], colour))
    axes.set(xlabel="optimiser step", ylabel="reward margin (nats)")
    add_legend_above(axes, handles, names, _LEGEND)
    add_title(figure, f"Reward margins: {heading}")
    add_note(figure, _PALE)


def draw_shares(figure: "Figure", diagnosis: Diagnosis, heading: str) -> None:
    """Draw shares: chosen response leads, large utilities, and, with weights, saturated ones."""
    axes = figure.subplots()
    trace = diagnosis.trace
    low, high = SATURATION_BOUNDS
    lines = [
        ("pairs in which the chosen response leads", trace.lead_shares),
        ("utilities with |βd| > 10", trace.beyond_10),
    ]
    if trace.weighted:
        lines.append((f"weights below {low:g} or above {high:g}", saturated_shares(trace)))
    handles = [
        _line(axes, diagnosis, values, colour)
        for (_, values), colour in zip(lines, SERIES_COLOURS, strict=False)
    ]
    axes.set(xlabel="optimiser step", ylabel="share", ylim=(-0.03, 1.03))
    axes.yaxis.set_major_formatter(format_percent)
    add_legend_above(axes, handles, [name for name, _ in lines], _LEGEND)
    add_title(figure, f"Leads and saturation: {heading}")
    add_note(figure, _PALE)


def draw_weights(figure: "Figure", bins: Sequence[WeightBin], heading: str) -> None:
    """Draw weight against score gap, as C-APO's Figure 7: mean, quartiles, and number of pairs."""
    from matplotlib.ticker import MaxNLocator

    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    low, high = min(b.low for b in bins), max(b.high for b in bins)
    upper.axvspan(low - 1, 0, color="#F5F0E6", zorder=0, linewidth=0)
    upper.axhline(0.5, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    handles = []
    for phase, shift, colour, mark in zip(
        PHASES, (-0.14, 0.14), SERIES_COLOURS, "os", strict=False
    ):
        of_phase = [b for b in bins if b.phase == phase]
        filled = [b for b in of_phase if b.mean is not None]
        x = np.array([b.low + 0.5 + shift for b in filled])
        mean = np.array([b.mean for b in filled], dtype=float)
        q25 = np.array([b.q25 for b in filled], dtype=float)
        q75 = np.array([b.q75 for b in filled], dtype=float)
        upper.vlines(x, q25, q75, color=colour, linewidth=5, alpha=0.3)
        handles += upper.plot(x, mean, color=colour, marker=mark, markersize=4.5, linewidth=1.2)
        lower.bar(
            [b.low + 0.5 + shift for b in of_phase], [b.count for b in of_phase], 0.26, color=colour
        )
    upper.set(ylabel="weight w", ylim=(-0.03, 1.03))
    lower.set(
        xlabel="score gap Δs = score(chosen) − score(rejected), in points of the teacher's scale",
        ylabel="pairs",
        xlim=(min(low, -0.5), max(high, 0.5)),
    )
    lower.xaxis.set_major_locator(MaxNLocator(14, integer=True))
    names = [f"{_LABELS[phase]}: mean, quartiles" for phase in PHASES]
    add_legend_above(upper, handles, names, _LEGEND)
    add_title(figure, f"Weight against score gap: {heading}")
    add_note(figure, _SHADED)


def draw_conflicts(figure: "Figure", scored: Sequence[Diagnosis], heading: str) -> None:
    """Draw the share of preferences with a rejected item that scores higher (C-APO, Figure 3)."""
    axes = figure.subplots()
    highest = 0.0
    handles, names = [], []
    for what, name, shift, colour in _HIGHER:
        bars = [
            (place + shift, getattr(d.conflicts, what))
            for place, d in enumerate(scored)
            if d.conflicts and (what == "share") == (d.conflicts.easy is None)
        ]
        if bars:
            places, values = zip(*bars, strict=True)
            handles.append(axes.barh(places, values, 0.34, color=colour))
            names.append(name)
            highest = max(highest, *values)
            for place, share in bars:
                axes.annotate(
                    format_percent(share), (share, place), (3, 0),
                    textcoords="offset points", va="center", fontsize=8,
                )  # fmt: skip
    tasks = shorten_names([diagnosis.task for diagnosis in scored])
    labels = shorten_names([diagnosis.label for diagnosis in scored])
    axes.set_yticks(
        range(len(scored)),
        [
            f"{task}\n{label}{f' #{d.seed}' if d.seed else ''}, n = {d.conflicts.n:,}"
            for d, task, label in zip(scored, tasks, labels, strict=True)
            if d.conflicts
        ],
    )
    axes.invert_yaxis()
    axes.set(xlabel="share of preferences", xlim=(0, max(0.1, 1.15 * highest)))
    axes.xaxis.set_major_formatter(format_percent)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(visible=False, axis="y")
    add_legend_above(axes, handles, names, FIGURE_WIDTH / 2)
    add_title(figure, heading)


def _heading(suite: SuiteDiagnoses, diagnosis: Diagnosis) -> str:
    label, task = shorten_names([diagnosis.label], 60)[0], shorten_names([diagnosis.task], 40)[0]
    return f"{suite.heading}, {label} on {task}" + (
        f", seed {diagnosis.seed}" if diagnosis.seed else ""
    )


def _over(name: str) -> str:
    return f"over {name}" if name.startswith("rejected") else f"over the {name} rejected item"


def _line(axes: "Axes", diagnosis: Diagnosis, values: FloatArray, colour: str) -> Any:
    """Draw [n] values step by step, and return the line of their smoothed means."""
    # A line through very few steps needs points to be seen.
    markers: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(values) < 3 else {}
    axes.plot(diagnosis.trace.step, values, color=colour, alpha=0.25, linewidth=0.7)
    smooth = smoothed(values[:, None])[:, 0]
    return axes.plot(diagnosis.trace.step, smooth, color=colour, linewidth=1.8, **markers)[0]
