"""Text in plots: letters that the font has, lengths that fit, titles, notes and legends."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchkit.report.core.results import ResultRow
from benchkit.report.plots.backend import load_matplotlib
from benchkit.report.plots.letter_codes import CODE, letter_code
from benchkit.report.plots.style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LABEL_LENGTH = 34  # characters of a label
_FAMILY = "DejaVu Sans"
_CODE_START = re.compile(r"\\[uU]")  # what looks like a code, but stands in the name
_BREAKS = re.compile(r"(?<=[ /_-])")  # a line may end after these
_HINTING = 1.03  # rounding to pixels makes letters at most this much wider
_MARGIN = 0.12  # inches between the edge of a figure and its title
# Legends with several columns; lengths are in units of the font size.
LEGEND_STYLE: dict[str, Any] = {
    "fontsize": 8, "handletextpad": 0.4, "columnspacing": 1.4, "handlelength": 1.6,
}  # fmt: skip
_ENTRY = (0.4 + 1.4 + 1.6) * 8 / 72  # inches of a legend entry besides its name


def sanitize(text: str) -> str:
    """Return one line without invisible characters, and with codes for letters the font lacks.

    Different names must not look the same, as rows of empty boxes would.

    >>> sanitize("a\\u202e b\\n推"), sanitize("\\u200b")
    ('a b \\\\u63a8', '?')
    """
    known = _letters()
    visible = []
    for place, letter in enumerate(text):
        category = unicodedata.category(letter)
        if letter.isspace() or category in ("Zl", "Zp"):
            visible.append(" ")
        elif category in ("Cc", "Cf"):
            continue
        elif ord(letter) in known and not _CODE_START.match(text, place):
            visible.append(letter)
        else:
            visible.append(letter_code(letter))
    return " ".join("".join(visible).split()) or "?"


def shorten_names(names: Sequence[str], longest: int = MAX_LABEL_LENGTH) -> list[str]:
    """Return sanitized names of at most `longest` characters, numbered where they become equal.

    The middle is left out, because variants of a method differ at the end of their names.

    >>> shorten_names(["short", "a very long name of something 1"], 16)
    ['short', 'a very l…thing 1']
    """
    short = {name: _cut(sanitize(name), longest) for name in names}
    many, seen = Counter(short.values()), Counter[str]()
    for name, text in short.items():
        if many[text] > 1:
            seen[text] += 1
            mark = f" ({seen[text]})"
            short[name] = _cut(text, longest - len(mark)) + mark
    return [short[name] for name in names]


def wrap(text: str, inches: float, size: float, weight: str = "normal", lines: int = 3) -> str:
    """Break sanitized text into at most `lines` lines that are at most `inches` wide.

    size: font size in points. Text that exceeds the lines is cut and ends in '…'.
    """
    width = partial(text_width, size=size, weight=weight)
    done: list[str] = []
    line = ""
    for piece in _pieces(sanitize(text), inches, width):
        if line and width(line + piece.rstrip()) > inches:
            done.append(line.rstrip())
            line = ""
        line += piece
    done.append(line.rstrip())
    if len(done) > lines:
        last = done[lines - 1]
        while last and width(last + "…") > inches:
            last = last[:-1]
        done = [*done[: lines - 1], last + "…"]
    return "\n".join(done)


def add_title(figure: "Figure", text: str) -> None:
    """Add the heading of a figure, aligned to its left edge."""
    inches = figure.get_figwidth() - 2 * _MARGIN
    figure.suptitle(
        wrap(text, inches, 10, "bold"), x=_MARGIN / figure.get_figwidth(), ha="left",
        fontsize=10, fontweight="bold",
    )  # fmt: skip


def add_note(figure: "Figure", *sentences: str) -> None:
    """Add sentences under a figure that a reader must know."""
    if text := " ".join(filter(None, sentences)):
        inches = figure.get_figwidth() - 2 * _MARGIN
        figure.supxlabel(
            wrap(text, inches, 7.5, lines=6), x=_MARGIN / figure.get_figwidth(), ha="left",
            fontsize=7.5, color=GREY,
        )  # fmt: skip


def text_height(text: str, width: float) -> float:
    """Estimate the height, in inches, of a heading or note in a figure of `width` inches."""
    return 0.17 * min(6, 1 + int(len(text) / (width * 12)))


def missing_rows(rows: Iterable[ResultRow]) -> str:
    """Return 'Without a result: dpo (interrupted), pl (not run).', or '' where all have one."""
    named = [
        f"{_cut(row.label, MAX_LABEL_LENGTH)} ({_cut(row.status, 40)})"
        for row in rows
        if not row.cells
    ]
    return f"Without a result: {join_names(named)}." if named else ""


def join_names(names: Sequence[str], most: int = 12) -> str:
    """Join names with commas; of very many the first, and how many more there are.

    >>> join_names(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    text = ", ".join(_cut(name, MAX_LABEL_LENGTH + 44) for name in names[:most])
    return text + (f" and {len(names) - most} more" if len(names) > most else "")


def escape_legend_names(names: Iterable[str]) -> list[str]:
    """Return names that a legend shows: matplotlib omits those that begin with '_'."""
    return [f" {name}" if name.startswith("_") else name for name in names]


def add_legend_above(
    axes: "Axes", handles: Sequence[Any], names: Sequence[str], inches: float
) -> None:
    """Add a legend between the heading and the plot, in rows of at most `inches`.

    handles: matplotlib artists, such as lines or bars.
    """
    axes.legend(handles, escape_legend_names(names), loc="lower left", bbox_to_anchor=(0, 1.0),
                ncols=count_legend_columns(names, inches), borderaxespad=0.2,
                **LEGEND_STYLE)  # fmt: skip


def count_legend_columns(names: Sequence[str], inches: float) -> int:
    """Return how many columns of a legend fit in `inches`; matplotlib fills column by column.

    >>> count_legend_columns(["a", "b", "c"], 5), count_legend_columns(["a" * 30, "b", "c" * 30], 3)
    (3, 1)
    """
    widths = [text_width(name, LEGEND_STYLE["fontsize"]) for name in names]
    for columns in range(len(names), 1, -1):
        size, more = divmod(len(names), columns)  # so many columns have one name more
        starts = [i * size + min(i, more) for i in range(columns + 1)]
        if sum(_ENTRY + max(widths[a:b]) for a, b in pairwise(starts)) <= inches:
            return columns
    return 1


def _cut(text: str, longest: int) -> str:
    """Return at most `longest` characters, without the middle; codes of letters stay whole."""
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2 + (longest - 1) % 2
    tail = len(text) - (longest - 1 - head)
    for start, stop in (match.span() for match in CODE.finditer(text)):
        head = start if start < head < stop else head
        tail = stop if start < tail < stop else tail
    return f"{text[:head]}…{text[tail:]}"


def _pieces(text: str, inches: float, width: Callable[[str], float]) -> Iterator[str]:
    """Yield words, or parts of them, with the character they end in, none wider than a line."""
    for word in filter(None, _BREAKS.split(text)):
        while width(word) > inches and len(word) > 1:
            fits = max(1, int(len(word) * inches / width(word)))
            while fits > 1 and width(word[:fits]) > inches:
                fits -= 1
            yield word[:fits]
            word = word[fits:]
        yield word


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a line in inches, rather too much than too little.

    size: font size in points.
    """
    load_matplotlib()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(family=_FAMILY, weight=weight, size=size)
    width = TextToPath().get_text_width_height_descent(text, font, ismath=False)[0]
    return _HINTING * float(width) / 72


@cache
def _letters() -> frozenset[int]:
    """Return the code points that the font has in regular and in bold."""
    load_matplotlib()
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    fonts = [
        FT2Font(findfont(FontProperties(family=_FAMILY, weight=weight)))
        for weight in ("normal", "bold")
    ]
    return frozenset.intersection(*(frozenset(font.get_charmap()) for font in fonts))
