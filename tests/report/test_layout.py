"""The papers' layout: families and domains, best and second, what is missing, published figures."""

import re
import shutil
import subprocess

import pytest
from conftest import make_suite, run_all

from benchkit.errors import ConfigError
from benchkit.records import Plan, PlannedRow
from benchkit.report import grid, layout_text, tables
from benchkit.report.layout import AVERAGE, layouts
from benchkit.report.model import Cell, Results, Row, Table
from benchkit.report.paper import in_shape_of
from benchkit.report.published import Figure, read
from benchkit.report.rows import collect
from benchkit.store import Store

NASTY = r"100% {a}_b & #c ~^\ $x$ <tag>"


def made(values, status="complete", protocol="scored"):
    """Results of one metric: {task: {label: mean}}; a mean of None is a row that is not there."""
    labels = list(dict.fromkeys(label for row in values.values() for label in row))
    found = []
    for task, means in values.items():
        rows = tuple(
            Row(task, protocol, label, "cf" if label < "c" else "sft",
                "complete" if mean is not None else "failed: no memory",
                cells={"hr@1": Cell(mean, mean - 0.1, mean + 0.1, 100, 0.001)}
                if mean is not None else {})
            for label, mean in means.items()
        )  # fmt: skip
        found.append(Table(task, protocol, "", {"hr@1": 1 / 30}, rows, ()))
    plan = Plan(
        suite="s", title="S", primary="hr@1", metrics=["hr@1"], protocols=[protocol],
        tasks=list(values), labels=labels,
        rows=[PlannedRow(task=t, label=m, family="cf", seed=0) for t in values for m in labels],
    )  # fmt: skip
    return Results(plan, tuple(found))


def test_the_average_is_over_all_tasks_or_there_is_none():
    results = made({"one": {"a": 0.2, "b": 0.5}, "two": {"a": 0.4, "b": None}})
    (layout,) = layouts(results)
    a, b = layout.lines
    assert layout.columns[-1] == (AVERAGE, "hr@1")
    assert a.cells[AVERAGE, "hr@1"].mean == pytest.approx(0.3)
    assert (AVERAGE, "hr@1") not in b.cells
    assert b.missing == {"two": "failed: no memory"}
    text = layout_text.markdown(results.plan, [layout])
    assert "| b | **.500** | – | – |" in text
    assert "b, two: failed: no memory; it has no average." in text


def test_best_and_second_share_their_place_when_equal():
    (layout,) = layouts(made({"one": {"a": 0.5, "b": 0.5, "c": 0.2, "d": 0.1}}))
    assert layout.places(("one", "hr@1")) == {"a": 1, "b": 1, "c": 2}


def test_families_are_groups_in_the_order_of_the_suite():
    (layout,) = layouts(made({"one": {"a": 0.1, "d": 0.3, "b": 0.2}}))
    assert [(f, [line.label for line in lines]) for f, lines in layout.families()] == [
        ("cf", ["a", "b"]), ("sft", ["d"]),
    ]  # fmt: skip


def test_intervals_are_there_on_request():
    results = made({"one": {"a": 0.5}})
    assert "[" not in layout_text.markdown(results.plan, layouts(results))
    assert ".500 [.400, .600]" in layout_text.markdown(results.plan, layouts(results), True)


def test_published_figures_and_differences_stand_below_a_row():
    results = made({"Fashion": {"recbole/SASRec": 0.5}})
    figures = [Figure("p", "table1", "fashion", "SASRec", "hr@1", 0.42)]
    text = layout_text.markdown(results.plan, layouts(results, None, figures))
    assert "| published: p, table1 | .420 |" in text
    assert "| ours minus published | +0.080 |" in text


def test_the_mark_of_significance_needs_every_rival_beaten(methods, tmp_path):
    toy = {"source": "toy", "options": {"users": 400, "items": 50}, "candidates": {"count": 10}}
    named = [{"method": name} for name in ("markov", "random", "recs.py:Noise")]
    suite = make_suite(methods=named, datasets=[{"name": "toy", **toy}])
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    results = collect(store, "small")
    (layout,) = layouts(results, store)
    places = layout.places(("toy", "ndcg@5"))
    best = next(line for line in layout.lines if places.get(line.label) == 1)
    assert ("toy", "ndcg@5") in best.significant
    assert all(not line.significant for line in layout.lines if line is not best)
    assert "†" in layout_text.markdown(results.plan, [layout])


def test_the_same_method_twice_beats_nobody(methods, tmp_path):
    twice = [{"method": "recs.py:Counts"}, {"method": "recs.py:Counts", "label": "again"}]
    run_all(make_suite(methods=twice), tmp_path)
    store = Store(tmp_path / "runs")
    (layout,) = layouts(collect(store, "small"), store)
    assert all(not line.significant for line in layout.lines)


def test_ours_in_the_shape_of_a_published_table(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "p.csv").write_text(
        "paper,table,domain,method,metric,value,variant,note\n"
        "p,table1,fashion,Intuitior,hr@1,4.2,,percent\n"
        "p,table1,fashion,Other,hr@1,1.0,,percent\n"
        "p,table1,health,Intuitior,hr@1,3.0,,percent\n"
    )
    results = made({"Fashion": {"intuitor": 0.0456}})
    shaped = in_shape_of(results, read(folder, ["p:table1"]), "scored")
    assert shaped.head == ("Method", "fashion HR@1", "health HR@1")
    assert shaped.lines == (("Intuitior", "4.56", "–"), ("Other", "–", "–"))
    assert "Without results here: Other." in shaped.notes
    with pytest.raises(ConfigError, match="no results under protocol 'full'"):
        in_shape_of(results, read(folder, ["p:table1"]), "full")
    with pytest.raises(ConfigError, match="no rates"):
        in_shape_of(results, [], "scored")


def documents():
    """LaTeX of every kind of table, with names that LaTeX would interpret."""
    results = made({NASTY: {NASTY: 0.5, "b": None, "z": 0.2}, "two": {NASTY: 0.4, "z": 0.6}})
    wide = grid.Grid(NASTY, ("Method", "p"), ((NASTY, "< .001"), (NASTY,)), (NASTY,))
    return {
        "layout": layout_text.latex(results.plan, layouts(results), True),
        "tables": tables.latex(results),
        "grid": grid.latex([wide]),
    }


@pytest.mark.parametrize("kind", ["layout", "tables", "grid"])
def test_latex_is_balanced_and_every_line_has_all_cells(kind):
    text = documents()[kind]
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
    assert tables.tex("a\u202eb\u2066c") == "abc"


@pytest.mark.skipif(
    not (shutil.which("pdflatex") or shutil.which("tectonic")), reason="no LaTeX is installed"
)
@pytest.mark.parametrize("kind", ["layout", "tables", "grid"])
def test_latex_compiles(kind, tmp_path):
    preamble = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(
        preamble + documents()[kind] + "\\end{document}\n", encoding="utf-8"
    )
    command = (
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
        if shutil.which("pdflatex")
        else ["tectonic", "t.tex"]
    )
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 1000
