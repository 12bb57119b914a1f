"""Wide tables in LaTeX: blocks of columns that can be read, with every cell in one of them."""

import re

import pytest

from benchkit.report.core import latex_blocks
from benchkit.report.core.latex import render_latex
from benchkit.report.core.latex_blocks import PAGE_HEIGHT, SMALLEST_SCALE, TableWidths
from benchkit.report.core.text_table import TextCell, TextRow, TextTable
from tests.support.latex import compile_latex, needs_latex

METRICS = ("HR@1", "HR@5", "NDCG@5")


def wide_table(domains, rows=3, interval="", notes=()):
    """Domains by metrics, with a family, a row of chance, and one without figures."""
    header = ("Method", *METRICS * domains)
    groups = tuple(f"domain {d}" for d in range(domains) for _ in METRICS)
    figures = [
        tuple(TextCell(f"{r}{c:03d}{interval}", bold=r == 1) for c in range(1, len(header)))
        for r in range(1, rows + 1)
    ]
    lines = [TextRow(("Chance", *("9999",) * (len(header) - 1)), muted=True)]
    lines += [TextRow((TextCell("a family", italic=True),), rule=True)]
    lines += [TextRow((f"row {r}", *cells)) for r, cells in enumerate(figures, 1)]
    lines += [TextRow(("broken", "failed: it has no memory"))]
    return TextTable("A title", header, tuple(lines), notes, groups=groups, wide=True)


def test_a_table_that_fits_stays_whole():
    widths = TableWidths(wide_table(2))
    assert widths.split() == [[1, 2, 3, 4, 5, 6]]
    assert render_latex([widths.table]).count(r"\begin{tabular}") == 1


def test_a_table_that_is_longer_than_a_page_is_set_in_blocks_of_rows():
    rows = [TextRow(("Chance", ".1"), muted=True)]
    for group in range(4):
        rows.append(TextRow((f"group {group}",), rule=True))
        for place in range(8):
            rows.append(TextRow((f"m{group}{place}", ".2")))
            rows += [TextRow((text, ".3"), continues=True) for text in ("published", "minus")]
    table = TextTable("T", ("Method", "HR"), tuple(rows))
    text = render_latex([table])
    bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, flags=re.DOTALL)
    assert len(bodies) > 1 and "(1 of " in text
    lines = [line for body in bodies for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) == len(rows)  # none is lost, none is there twice
    for body in bodies:
        shown = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert not shown[0].startswith(("published", "minus"))
        assert "group" not in shown[-1]
        assert 12 * (len(shown) + 2) + 20 <= 1.1 * PAGE_HEIGHT  # so that it is hardly scaled down


@pytest.mark.parametrize("domains", [5, 8, 13])
def test_blocks_can_be_read_and_keep_what_belongs_together(domains):
    widths = TableWidths(wide_table(domains))
    split = widths.split()
    assert len(split) > 1
    assert [place for block in split for place in block] == list(range(1, 3 * domains + 1))
    assert all(len(block) % 3 == 0 for block in split)
    assert max(map(len, split)) - min(map(len, split)) <= 3
    assert widths.scale(split) >= SMALLEST_SCALE


def test_groups_that_are_too_wide_by_themselves_are_split():
    table = wide_table(2, interval=" [.123456789012345, .123456789012345]")
    widths = TableWidths(table)
    assert all(len(block) < 3 for block in widths.split())
    assert widths.scale(widths.split()) >= SMALLEST_SCALE


def test_every_figure_is_in_one_block_and_every_block_says_which_rows_it_has():
    text = render_latex([wide_table(8, notes=("A note",))])
    figures = re.findall(r"\b[1-3]0\d\d\b", text)
    assert sorted(figures) == sorted({f"{r}{c:03d}" for r in (1, 2, 3) for c in range(1, 25)})
    blocks = text.count(r"\begin{tabular}")
    assert blocks > 1
    for words in ("row 1", "a family", "failed: it has no memory", "Chance"):
        assert text.count(words) == blocks
    assert text.count("A note.") == text.count(r"\caption") == 1


def test_notes_are_no_larger_than_the_table():
    order = (r"\scriptsize", r"\footnotesize", r"\small", r"\normalsize")
    for domains in (1, 2, 3, 5):
        text = render_latex([wide_table(domains, notes=("A note.",))])
        fonts = [order.index(font) for font in re.findall(r"\\(?:\w+size|small)\b", text)]
        assert fonts[0] >= fonts[-1]


def test_rows_that_a_block_could_not_show_keep_the_table_whole():
    table = wide_table(8)
    row = TextRow(("half", "1", "2", "3", "the rest is missing"))
    table = TextTable(table.title, table.header, (*table.rows, row), groups=table.groups)
    assert len(TableWidths(table).split()) == 1


def test_titles_over_columns_count():
    title = "a very long title over narrow columns " * 3
    table = TextTable("t", ("Method", "a", "b"), (("x", "1", "2"),), groups=(title, title))
    assert sum(TableWidths(table).columns) > latex_blocks.latex_width(title)


@needs_latex
@pytest.mark.parametrize(("rows", "tables"), [(3, 1), (60, 4)])
def test_no_float_is_larger_than_a_page(rows, tables, tmp_path):
    body = render_latex([wide_table(8, rows=rows, notes=("A long note. " * 30,))])
    assert body.count(r"\caption") == tables
    log = compile_latex(body, tmp_path)
    assert "too large" not in log
