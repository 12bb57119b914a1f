"""Ours in the shape of a published table: rows, groups, columns and unit are the paper's."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchkit.errors import ConfigError
from benchkit.report.core.cell import Cell
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.paper import published_values
from benchkit.report.paper.published_shape import like_published
from benchkit.report.paper.rendering import paper_csv
from benchkit.runs.records import PlannedRow, PlanRecord
from tests.support.paper_results import paper_latex, paper_markdown
from tests.support.published_csv import write_published

SHIPPED = Path(__file__).parents[3] / "leaderboards" / "published"
METRICS = {"hr@1": 1 / 30, "hr@5": 5 / 30, "ndcg@5": 0.0983}


def made(values, protocol="scored", metrics=METRICS, more=()):
    """Results of `metrics`: {task: {label: mean or why there is none}}."""
    labels = list(dict.fromkeys(label for row in values.values() for label in row))

    def row(task, label, mean):
        if isinstance(mean, str):
            return ResultRow(task, protocol, label, "ours", mean)
        cells = {m: Cell(mean, mean - 0.01, mean + 0.01, 100, 0.001) for m in (*metrics, *more)}
        return ResultRow(task, protocol, label, "ours", "complete", (0,), ("id",), cells)

    tables = tuple(
        ResultTable(
            task, protocol, "", dict(metrics), tuple(row(task, *x) for x in means.items()), ()
        )
        for task, means in values.items()
    )
    rows = [PlannedRow(task=t, label=m, family="ours", seed=0) for t in values for m in labels]
    plan = PlanRecord(
        suite="s", title="Suite", primary="hr@1", metrics=list(metrics), protocols=[protocol],
        tasks=list(values), labels=labels, rows=rows,
    )  # fmt: skip
    return SuiteTables(plan, tables)


TABLE = [
    "table1,fashion,SASRec,CF Rec,hr@1,3.47,,percent",
    "table1,fashion,SASRec,CF Rec,hr@5,17.71,,percent",
    "table1,health,SASRec,CF Rec,hr@1,2.67,,percent",
    "table1,health,SASRec,CF Rec,hr@5,13.88,,percent",
    "table1,fashion,Intuitur,LLM Rec,hr@1,4.46,,percent",
    "table1,fashion,Intuitur,LLM Rec,hr@5,10.46,,percent",
    "table1,health,Intuitur,LLM Rec,hr@1,3.30,,percent",
    "table1,health,Intuitur,LLM Rec,hr@5,8.62,,percent",
    "table1,fashion,Other,LLM Rec,hr@1,1.00,,percent",
    "table1,fashion,Other,LLM Rec,hr@5,5.00,,percent",
    "table1,health,Other,LLM Rec,hr@1,1.00,,percent",
    "table1,health,Other,LLM Rec,hr@5,5.00,,percent",
]


@pytest.fixture
def figures(tmp_path):
    return published_values.read_published_table(
        write_published(tmp_path / "published", p=TABLE), "p:table1"
    )


def test_the_shape_is_that_of_the_paper(figures):
    results = made({"Fashion": {"markov": 0.5, "intuitor": 0.0456, "recbole/SASRec": 0.0512}})
    layout = like_published(results, figures, "scored")
    assert paper_markdown(results.plan, [layout]).splitlines() == [
        "**Suite, in the shape of p, table1 (frozen candidates, scored)**",
        "",
        "| Method | Fashion HR@1 | Fashion HR@5 | health HR@1 | health HR@5 |",
        "| --- | --: | --: | --: | --: |",
        "| *Chance* | 3.33 | 16.67 |  |  |",
        "| *CF Rec* |  |  |  |  |",
        "| SASRec | **5.12** | **5.12** | – | – |",
        "| published: p, table1 | 3.47 | 17.71 | 2.67 | 13.88 |",
        "| ours minus published | +1.65 | -12.59 |  |  |",
        "| *LLM Rec* |  |  |  |  |",
        "| Intuitur | <u>4.56</u> | <u>4.56</u> | – | – |",
        "| published: p, table1 | 4.46 | 10.46 | 3.30 | 8.62 |",
        "| ours minus published | +0.10 | -5.90 |  |  |",
        "| Other | – | – | – | – |",
        "| published: p, table1 | 1.00 | 5.00 | 1.00 | 5.00 |",
        "",
        "Best of a column bold, second underlined. Chance: exact value of a random ranking.  ",
        "In percent, as the paper prints.  ",
        "Our rows for the paper's methods: SASRec is recbole/SASRec; Intuitur is intuitor.  ",
        "Without results here: Other.  ",
        "No task of this suite: health.",
    ]


def test_intervals_are_in_the_unit_of_the_paper(figures):
    results = made({"fashion": {"SASRec": 0.05}})
    text = paper_markdown(results.plan, [like_published(results, figures, "scored")], True)
    assert "| SASRec | **5.00 [4.00, 6.00]** |" in text


def test_of_several_rows_that_match_the_nearest_stands_there(figures):
    results = made({"fashion": {"sasrec": 0.04, "recbole/SASRec": 0.05}})
    layout = like_published(results, figures, "scored")
    assert layout.rows[0].cells["fashion", "hr@1"].mean == 0.05
    assert "SASRec is recbole/SASRec (sasrec would be, too)" in layout.notes[1]
    results = made({"fashion": {"sasrec": 0.04, "recbole/SASRec": "not installed: recbole"}})
    layout = like_published(results, figures, "scored")
    assert layout.rows[0].cells["fashion", "hr@1"].mean == 0.04
    assert "SASRec is sasrec (recbole/SASRec would be, too)" in layout.notes[1]


def test_a_row_without_results_says_why(figures):
    results = made({"fashion": {"SASRec": "failed: no memory"}, "health": {"SASRec": 0.1}})
    text = paper_markdown(results.plan, [like_published(results, figures, "scored")])
    assert "SASRec, fashion: failed: no memory." in text
    assert "average" not in text and "Without results here: Intuitur, Other." in text


def test_rates_stay_rates_and_valid_ratios_are_of_sampled_answers(tmp_path):
    lines = ["table1,toys,DPO,,hr@1,0.2809,,ratio", "table1,toys,DPO,,valid_ratio,0.9970,,ratio"]
    figures = published_values.read_published_table(
        write_published(tmp_path / "published", r=lines), "r:table1"
    )
    results = made({"toys": {"dpo": 0.25}}, "sampled", {"hr@1": 0.05}, ["valid"])
    text = paper_markdown(results.plan, [like_published(results, figures, "sampled")])
    assert "| Method | toys HR@1 | toys VALID |" in text
    assert "| DPO | **0.2500** | **0.2500** |" in text
    assert "| ours minus published | -0.0309 | -0.7470 |" in text
    results = made({"toys": {"dpo": 0.25}}, "scored", {"hr@1": 0.05}, ["valid"])
    text = paper_markdown(results.plan, [like_published(results, figures, "scored")])
    assert "| Method | toys HR@1 | toys VALID\\_RATIO |" in text
    assert "| DPO | **0.2500** | – |" in text


def test_what_cannot_be_shown_is_refused(figures):
    results = made({"fashion": {"SASRec": 0.1}})
    with pytest.raises(ConfigError, match="--protocol sampled: it has no results") as caught:
        like_published(results, figures, "sampled")
    assert caught.value.hint == "choose of: scored"
    with pytest.raises(ConfigError, match="--protocol full: papers rank a few candidates"):
        like_published(made({"fashion": {"SASRec": 0.1}}, "full"), figures, "full")
    with pytest.raises(ConfigError, match="suite 's' has no task of p, table1") as caught:
        like_published(made({"books": {"SASRec": 0.1}}), figures, "scored")
    assert "fashion, health" in caught.value.hint


def test_csv_has_exact_rates_of_ours_and_theirs(figures):
    results = made({"fashion": {"SASRec": 0.05, "intuitor": "failed: no memory"}})
    text = paper_csv(results.plan, [like_published(results, figures, "scored")])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 12
    own = {(r["method"], r["task"], r["metric"]): r for r in rows}
    first = own["SASRec", "fashion", "hr@1"]
    assert [first[k] for k in ("mean", "low", "high")] == ["0.05", "0.04", "0.060000000000000005"]
    assert float(first["published"]) == pytest.approx(0.0347)
    assert float(first["difference"]) == pytest.approx(0.0153)
    assert (first["place"], first["beats_all"], first["status"]) == ("1", "0", "complete")
    assert own["Intuitur", "fashion", "hr@5"]["status"] == "failed: no memory"
    assert own["Other", "health", "hr@1"]["mean"] == own["Other", "health", "hr@1"]["status"] == ""


# The whole of C-APO's Table 2

DOMAINS = ("fashion", "grocery", "scientific", "clothing", "health")


def whole_table():
    labels = ("recbole/SASRec", "sasrec", "recbole/FPMC", "s-dpo", "c-apo")
    results = made({task: {m: 0.1 + 0.01 * i for i, m in enumerate(labels)} for task in DOMAINS})
    return results, like_published(
        results, published_values.read_published_table(SHIPPED, "c-apo:table2"), "scored"
    )


def test_the_main_table_of_c_apo_has_its_rows_groups_and_columns():
    results, layout = whole_table()
    assert layout.columns == tuple((d, m) for d in DOMAINS for m in METRICS)
    groups = {name: [line.label for line in lines] for name, lines in layout.families()}
    assert [len(lines) for lines in groups.values()] == [10, 10]
    assert groups["CF Rec"][0] == "SASRec" and groups["LLM Rec"][-1] == "C-APO"
    text = paper_latex(results.plan, [layout])
    head = r"& \multicolumn{3}{c}{fashion} & \multicolumn{3}{c}{grocery}"
    assert head in text and r"\cmidrule(lr){2-4} \cmidrule(lr){5-7}" in text
    assert r"C-APO & \textbf{14.00}" in text and r"S-DPO & \underline{13.00}" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_main_table_of_c_apo_compiles_and_fits_the_line(tmp_path):
    results, layout = whole_table()
    preamble = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"
    text = preamble + paper_latex(results.plan, [layout]) + "\\end{document}\n"
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"Overfull|Float too large", done.stdout)
