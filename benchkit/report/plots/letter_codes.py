"""Codes for letters that the plots' font lacks, and the note that says so.

The font ships with matplotlib, so that a plot is the same everywhere; it has no Chinese, Japanese
or Korean letters and few emoji. They are shown by their Unicode code, never as equal boxes.
"""

import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CODE = re.compile(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}")
PNG_DPI = 160
_SIZE = 7.5  # points
_LETTERS_PER_INCH = 14
_LINE = 0.15  # inches
_MARGIN = 0.12  # inches to the left of the note, above and below it


def letter_code(letter: str) -> str:
    """Return the code of a letter, as Python writes it.

    >>> letter_code("推"), letter_code("😀")
    ('\\\\u63a8', '\\\\U0001f600')
    """
    number = ord(letter)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def add_code_note(figure: "Figure", colour: str) -> float:
    """Say below a figure that is drawn what the codes in its texts mean, if it has any.

    The note is below the lower edge, so that nothing in the figure moves.

    Returns:
        How many inches below the edge it takes.
    """
    from matplotlib.text import Text

    texts = (artist.get_text().replace("\n", "") for artist in figure.findobj(Text))
    example = next((match.group() for text in texts if (match := CODE.search(text))), None)
    if example is None:
        return 0.0
    width, height = figure.get_size_inches()
    note = (
        f"{example} is the Unicode code of a letter that the font of the plots lacks, and so are"
        " others of this form. Tables have the names as they are."
    )
    lines = textwrap.wrap(note, max(20, int((width - 2 * _MARGIN) * _LETTERS_PER_INCH)))
    if figure.legends:
        _anchor_legends(figure)
    figure.text(
        _MARGIN / width,
        -_MARGIN / height,
        "\n".join(lines),
        va="top",
        ha="left",
        fontsize=_SIZE,
        color=colour,
    )
    return _LINE * len(lines) + 2 * _MARGIN


def _anchor_legends(figure: "Figure") -> None:
    """Keep legends in the figure, which otherwise move to the edge of what is written."""
    dpi = figure.get_dpi()
    figure.set_dpi(PNG_DPI)
    figure.draw_without_rendering()
    figure.set_dpi(dpi)
    figure.set_layout_engine("none")  # it would make no room for a legend with an anchor
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
