"""Names in plots: legible, short, different, and whole or marked as cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.report.plots.text_fitting import (
    LEGEND_STYLE,
    count_legend_columns,
    sanitize,
    shorten_names,
    wrap,
)

pytest.importorskip("matplotlib")


def test_letters_that_cannot_be_seen_or_drawn():
    assert sanitize("a\u202eb\u2028c\x00\n推") == "ab c \\u63a8"
    assert sanitize("😀 é مرحبا $x$ _") == "😀 é مرحبا $x$ _"
    assert sanitize("\u200b") == "?"


def test_short_names_stay_different():
    long = ["x" * 80 + "1", "x" * 80 + "2", "y" * 40 + "z" * 40, "y" * 40 + "q" + "z" * 39]
    short = shorten_names(long)
    assert len(set(short)) == 4 and all(len(name) <= 34 for name in short)
    assert short[0].endswith("1") and short[3].endswith("(2)")


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=120))
def test_wrapped_text_keeps_its_letters_or_says_that_some_are_missing(text):
    lines = wrap(text, 1.5, 8, lines=4).split("\n")
    assert len(lines) <= 4
    together = "".join("".join(lines).split())
    whole = "".join(sanitize(text).split())
    assert together == whole or (together.endswith("…") and whole.startswith(together[:-1]))


@pytest.mark.parametrize("names", [["cf", "sft", "preference", "control", "a long name " * 2, "x"]])
@pytest.mark.parametrize("inches", [2.0, 3.0, 4.0, 5.0, 8.0])
def test_a_legend_is_as_wide_as_is_said(names, inches):
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    canvas = Figure(figsize=(10, 3), dpi=160)
    lines = [Line2D([], []) for _ in names]
    columns = count_legend_columns(names, inches)
    legends = [
        canvas.legend(lines, names, ncols=n, borderpad=0, **LEGEND_STYLE)
        for n in (columns, columns + 1)
    ]
    canvas.draw_without_rendering()
    one, more = (legend.get_window_extent().width / 160 for legend in legends)
    assert one <= inches
    assert more > inches - 0.35 or columns == len(names)


def test_lines_end_behind_words_and_hyphens():
    lines = wrap("musical-instruments of all kinds", 1.1, 8)
    assert lines == "musical-\ninstruments of all\nkinds"
