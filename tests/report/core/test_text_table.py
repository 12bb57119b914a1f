"""Tables as Markdown and LaTeX: names are escaped, LaTeX compiles and fits the page."""

import re
from dataclasses import replace

import pytest

from benchkit.report.core import latex, latex_text, text_table
from benchkit.report.core.results import SuiteTables
from benchkit.report.leaderboard import tables
from benchkit.report.paper.paper_table import build_paper_tables
from tests.support.latex import compile_latex, needs_latex
from tests.support.paper_results import made, paper_latex, paper_markdown

# What LaTeX would interpret, what its fonts lack, and what it would take after the end of a line.
NASTY = r"100% {a}_b & #c ~^\ $x$ <tag> |z|" + " λ≥2 naïve ł đ e\u0301 x⁴ 日本 🎬 −1"
OPENING = ("[x] " + NASTY, "* " + NASTY, "[1cm]\n\n" + NASTY)


def test_names_cannot_break_out_of_markdown():
    nasty = "cf|<b>$x_"
    results = made({nasty: {nasty: 0.5, "b": None}})
    (table,) = results.tables
    rows = tuple(replace(row, family=nasty, caveats=(nasty,)) for row in table.rows)
    table = replace(table, rows=rows, notes=(nasty,))
    results = replace(results, tables=(table,))
    for text in (
        tables.leaderboard_markdown(results),
        paper_markdown(results.plan, build_paper_tables(results)),
    ):
        assert r"cf\|\<b\>$x\_" in text
        bare = text.replace(r"cf\|\<b\>$x\_", "")
        assert "<b>" not in bare and "x_" not in bare
        bars = {line.count("|") for line in bare.splitlines() if line.startswith("|")}
        assert len(bars) == 1


def documents():
    """LaTeX of every kind of table, with names that LaTeX would interpret."""
    means = {name: 0.1 * i for i, name in enumerate(OPENING)}
    results = made(
        {
            NASTY: {NASTY: 0.5, "b": None, "z": 0.2, **means},
            OPENING[0]: {NASTY: 0.4, "z": 0.6, **means},
        }
    )
    plan = results.plan.model_copy(update={"title": "An empty\n\nline"})
    found = [
        replace(
            table,
            rows=tuple(replace(row, family=OPENING[1], caveats=OPENING[:1]) for row in table.rows),
            notes=OPENING,
        )
        for table in results.tables
    ]
    results = SuiteTables(plan, tuple(found))
    lines = ((NASTY, "< .001"), (NASTY,), *((name, ".1") for name in OPENING))
    wide = text_table.TextTable(NASTY, ("Method", "p"), lines, (NASTY,))
    return {
        "layout": paper_latex(results.plan, build_paper_tables(results), True),
        "tables": tables.leaderboard_latex(results),
        "grid": latex.render_latex([wide]),
    }


@pytest.mark.parametrize("kind", ["layout", "tables", "grid"])
def test_latex_is_balanced_and_every_line_has_all_cells(kind):
    text = documents()[kind]
    assert not re.search(r"\\\\\s*[*[]", text)  # an option of the end of a line
    assert "\n\n" not in "".join(re.findall(r"\\caption{.*?}\n\\", text, flags=re.DOTALL))
    assert text.count(r"\begin{") == text.count(r"\end{")
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    for table in re.findall(r"\\begin{tabular}{(\w+)}(.*?)\\end{tabular}", text, flags=re.DOTALL):
        for line in table[1].splitlines():
            if not line.endswith(r"\\"):
                continue
            cells = len(re.findall(r"(?<!\\)&", line)) + 1
            cells += sum(int(n) - 1 for n in re.findall(r"\\multicolumn{(\d+)}", line))
            assert cells == len(table[0]), line


def test_texts_that_run_from_right_to_left_do_not_turn_the_line():
    assert latex_text.escape_latex("a\u202eb\u2066c") == "abc"


def test_characters_that_pdflatex_lacks_are_written_in_another_way():
    assert latex_text.escape_latex("e\u0301 μ¹²") == r"é \ensuremath{\mu}$^{12}$"
    assert latex_text.escape_latex("日本!") == (
        r"\ifdefined\Umathcode 日本\else U+65E5 U+672C\fi{}!"
    )


@needs_latex
@pytest.mark.parametrize("kind", ["layout", "tables", "grid"])
def test_latex_compiles(kind, tmp_path):
    compile_latex(documents()[kind], tmp_path)


@needs_latex
def test_wide_tables_are_scaled_to_the_page_and_narrow_ones_stay(tmp_path):
    names = [f"{metric}@{k}" for metric in ("hr", "ndcg", "mrr") for k in (1, 5, 10)]
    results = made({"one": {"a": 0.5, "b": None, "z": 0.2}, "two": {"a": 0.4, "z": 0.6}})
    found = [
        replace(
            table,
            chance=dict.fromkeys(names, 1 / 30),
            rows=tuple(
                replace(row, cells=dict.fromkeys(names, row.cells["hr@1"]))
                if row.cells
                else replace(row, status="failed: " + "it has run out of memory again; " * 8)
                for row in table.rows
            ),
        )
        for table in results.tables
    ]
    results = SuiteTables(results.plan.model_copy(update={"metrics": names}), tuple(found))
    body = tables.leaderboard_latex(results) + paper_latex(
        results.plan, build_paper_tables(results), True
    )
    for name, text in (("narrow", "x"), ("wide", r"\rule{2\linewidth}{1pt}")):
        body += rf"\setbox0=\hbox{{{latex.LATEX_FITTED_BOX}" + f"\n{text}}}}}"
        body += rf"\typeout{{{name}=\number\dimexpr\wd0*100/\linewidth\relax}}" + "\n"
    log = compile_latex(body, tmp_path)
    assert "narrow=2\n" in log and "wide=100\n" in log  # in per cent of a line
