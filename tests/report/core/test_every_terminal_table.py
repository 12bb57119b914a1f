"""Whatever a command prints as a table: at any width no figure is cut, and no line is too long."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.console import VisibleConsole
from benchkit.report.core import terminal_table
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.core.text_table import TextTable
from tests.support.command_line import said
from tests.support.result_store import make_store

FIGURE = re.compile(r"[-+±]?\d*\.?\d+%?")
METRICS = ["hr@1", "hr@5", "ndcg@5", "mrr", "hr@10", "ndcg@10", "recall@20", "graded-ndcg@20"]


def figures(text):
    """Every number of a text with its sign and per cent."""
    return FIGURE.findall(text)


def check(text, tables, width):
    assert tables
    assert "…" not in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= width, max(lines, key=len)
    present = set(figures(text))
    for table in tables:
        for _, cells in table.text_rows():
            for cell in cells[table.text_columns :]:
                assert set(figures(cell.text)) <= present, (cell.text, table.title)


@pytest.fixture
def printed(monkeypatch):
    """The tables that a command has printed."""
    tables = []
    blocks = terminal_table._TableGrid.blocks

    def record(grid):
        tables.append(grid.table)
        return blocks(grid)

    monkeypatch.setattr(terminal_table._TableGrid, "blocks", record)
    return tables


def labels(length):
    return [f"{letter}{'n' * (length - 1)}" for letter in "abcd"]


SIZES = [(40, 8), *(pytest.param(p, marks=pytest.mark.slow) for p in ((4, 8), (15, 3), (40, 5)))]
WIDTHS = [80, *(pytest.param(width, marks=pytest.mark.slow) for width in (100, 140))]


@pytest.fixture(scope="module", params=SIZES, ids=lambda p: f"{p[0]}-{p[1]}")
def stored(request, tmp_path_factory):
    length, n_metrics = request.param
    root = tmp_path_factory.mktemp("tables")
    names, tasks = labels(length), ("toys", "office-products", "books")
    make_store(root / "runs", names, tasks, METRICS[:n_metrics], failed=names[3:], judge=True)
    rows = [f"i{item},r{rater},{(item * rater) % 4}" for item in range(30) for rater in range(3)]
    (root / "grades.csv").write_text("\n".join(["item,rater,grade", *rows]))
    return root


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "command",
    [
        "report --suite made --out {root}/runs",
        "report --suite made --out {root}/runs --ranks",
        "report --suite made --out {root}/runs --costs",
        "report --suite made --out {root}/runs --layout paper",
        "report --suite made --out {root}/runs --layout paper --intervals",
        "compare --suite made --out {root}/runs",
        "agree {root}/grades.csv",
        "abtest --control 310/12000/40 --treatment 402/12000/61",
    ],
)
def test_no_figure_of_a_command_is_cut(stored, printed, monkeypatch, command, width):
    monkeypatch.setenv("COLUMNS", str(width))
    text = said(*command.format(root=stored).split())
    # Notes are sentences, which a terminal wraps itself.
    lines = [line for line in text.splitlines() if not is_note(line, printed)]
    check("\n".join(lines), printed, width)


def is_note(line, tables):
    notes = {note for table in tables for note in table.notes}
    return any(line.strip() and line.strip() in note for note in notes)


names = st.text("abcdefghij -", min_size=4, max_size=40).map(lambda text: f"m{text.strip()}"[:40])
values = st.one_of(
    st.floats(-1e6, 1e6).map(lambda f: f"{f:,.3f}"),
    st.floats(0, 1).map(lambda f: f"{f:.3f} [{f / 2:.3f}, {f * 1.5:.3f}]"),
    st.floats(0, 1).map(lambda f: f"{f:.3f} ±{f / 9:.3f}"),
    st.just(""),
)


@settings(max_examples=60)
@given(st.data(), st.sampled_from([80, 100, 140]), st.integers(3, 8))
def test_no_figure_of_any_table_is_cut(data, width, n_metrics):
    header = ("Method", *(f"{name.upper()}" for name in METRICS[:n_metrics]))
    row = st.tuples(names, *[values] * n_metrics)
    table = TextTable("t", header, tuple(data.draw(st.lists(row, min_size=1, max_size=5))))
    out = io.StringIO()
    print_tables(VisibleConsole(file=out, width=width, color_system=None), [table])
    text = out.getvalue()
    check(text, [table], width)
    columns = "".join(text.split())
    for cells in table.rows:  # in the order of the row, and whole
        assert all("".join(cell.split()) in columns for cell in cells[1:])
