"""The style of every plot; matplotlib is loaded when the first is drawn.

Plots are written as PNG and as SVG. The same numbers and the same matplotlib give the same bytes.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.report.incremental.output_files import write_changed
from benchkit.report.plots.backend import load_matplotlib
from benchkit.report.plots.letter_codes import PNG_DPI, add_code_note

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours with enough contrast on white; distinct for any colour vision.
SERIES_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
FIGURE_WIDTH = 6.2  # inches
GREY, PALE = "#666666", "#E4E4E4"
_STYLE: Any = {  # matplotlib's names for its settings
    "font.family": "DejaVu Sans",  # ships with matplotlib, so text looks the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#222222",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # labels may contain dollars
    "svg.hashsalt": "benchkit",
    "svg.fonttype": "path",
}
DrawFunction = Callable[["Figure"], None]
Images = dict[str, bytes]  # ".svg" and ".png" -> what is in the file


def save_figure(
    stem: Path, height: float, draw: DrawFunction, width: float = FIGURE_WIDTH
) -> list[Path]:
    """Draw a figure of `width` x `height` inches and write it as `stem`.svg and `stem`.png.

    Raises ConfigError when matplotlib is not installed.
    """
    return write_images(stem, draw_images(height, draw, width))


def draw_images(height: float, draw: DrawFunction, width: float = FIGURE_WIDTH) -> Images:
    """Draw a figure of `width` x `height` inches and return it as files.

    Raises ConfigError when matplotlib is not installed.
    """
    with _style():
        figure, below = _new_figure(height, draw, width)
        region = _region(figure, below)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(
            svg, format="svg", bbox_inches=region, metadata={"Date": None, "Creator": None}
        )
        figure.savefig(
            png, format="png", dpi=PNG_DPI, bbox_inches=region, metadata={"Software": None}
        )
    text = "\n".join(line.rstrip() for line in svg.getvalue().splitlines())
    return {".svg": (text + "\n").encode(), ".png": png.getvalue()}


def write_images(stem: Path, images: Images) -> list[Path]:
    """Write the files of a figure, unless they are there, and return their paths."""
    paths = [stem.with_name(stem.name + ending) for ending in images]
    for path, content in zip(paths, images.values(), strict=True):
        write_changed(path, content)
    return paths


def make_figure(height: float, draw: DrawFunction, width: float = FIGURE_WIDTH) -> "Figure":
    """Draw on a figure of `width` x `height` inches and return it, e.g. for a notebook.

    Raises ConfigError when matplotlib is not installed.
    """
    with _style():
        return _new_figure(height, draw, width)[0]


def _new_figure(height: float, draw: DrawFunction, width: float) -> tuple["Figure", float]:
    """Return a figure, and how many inches below its edge there is a note."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    draw(figure)
    return figure, add_code_note(figure, GREY)


def _region(figure: "Figure", below: float) -> Any:
    """Return what is written of a figure with a note below its edge; None for all of it."""
    from matplotlib.transforms import Bbox

    width, height = figure.get_size_inches()
    return Bbox.from_extents(0, -below, width, height) if below else None


@contextmanager
def _style() -> Iterator[None]:
    """Use our style alone, and restore matplotlib's settings afterwards."""
    mpl = load_matplotlib()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def text_colour_on(colour: Any) -> str:
    """Return white or black, whichever has a contrast of at least 4.5 on `colour`.

    colour: any matplotlib colour. Reference: WCAG 2.2, criterion 1.4.3.

    >>> text_colour_on("#0072B2"), text_colour_on("#E08214")
    ('white', 'black')
    """
    return "white" if 1.05 / (_luminance(colour) + 0.05) >= 4.5 else "black"


def _luminance(colour: Any) -> float:
    """Return WCAG's relative luminance, from 0 for black to 1 for white."""
    from matplotlib.colors import to_rgb

    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def format_percent(share: float, _: object = None) -> str:
    """Return '31 %'; also serves as a tick formatter, hence the second argument."""
    return f"{100 * share:.0f} %"
