"""The page's data: what it says of tables, rows, pairs and cases, and that nothing breaks out."""

import json
import re
import shutil
from itertools import combinations

import polars as pl
import pytest

from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.core.labels import format_cell, metric_columns
from benchkit.report.paper import published_values
from benchkit.report.paper.published_values import PublishedValue
from benchkit.report.site import page, payload
from benchkit.report.site.cards import match_card
from benchkit.report.site.example_cases import CaseInput, examples_per_row
from benchkit.runs.store import Store
from benchkit.stats.multiple_testing import holm
from benchkit.stats.paired import compare_paired
from tests.support.result_store import NASTY, make_store, write_page
from tests.support.suites import make_suite, run_all

LABELS = ["best", "second", "third", "last"]


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path, LABELS, ("toys", "tea"), failed=["third"], judge=True)


def blocks(store, figures=(), questions=None):
    return payload.build_payload(collect_results(store, "made"), store, figures, questions)


def data(html):
    """The blocks of a page as a browser reads them."""
    page_data = re.findall(
        r'<script type="application/json" id="data-([^"]+)">(.*?)</script>', html
    )
    return {name: json.loads(text) for name, text in page_data}


def test_cells_are_those_of_the_tables(store):
    results = collect_results(store, "made")
    page_data = blocks(store)
    for place, table in enumerate(results.tables):
        block = page_data[f"table-{place}"]
        names = metric_columns(results.plan, table)
        assert [column["name"] for column in block["columns"]] == names
        for row, line in zip(table.rows, block["rows"], strict=True):
            if not row.cells:
                assert line["status"].startswith("failed: it raised because")
                assert "cells" not in line
                continue
            for name, cell in zip(names, line["cells"], strict=True):
                assert cell[0] == format_cell(row.cells[name])
                assert cell[1] == pytest.approx(row.cells[name].mean)
        for i, name in enumerate(names):
            means = {r.label: r.cells[name].mean for r in table.rows if r.cells}
            order = sorted(set(means.values()), reverse=True)
            for line in block["rows"]:
                if "cells" in line:
                    assert (line["cells"][i][4] == 1) == (means[line["label"]] == order[0])


def test_negative_numbers_are_set_as_the_page_sets_differences():
    texts = [payload._cell(cell, ())[0] for cell in (
        Cell(0.075, -0.007, 0.157), Cell(-0.05), Cell(0.0, -0.0001, 0.1), Cell(-1.25),
    )]  # fmt: skip
    assert texts == [".075 [−.007, .157]", "−.050", ".000 [.000, .100]", "−1.250"]


def test_marks_axis_and_costs(store):
    block = blocks(store)["table-0"]
    rows = {row["label"]: row for row in block["rows"]}
    assert rows["last"]["at_chance"]
    assert "at_chance" not in rows["best"]
    assert rows["best"]["notes"] == [1]
    assert block["footnotes"] == ["because"]
    assert rows["best"]["costs"] == {
        "fit": ["1.5", 1.5], "seconds": ["10.0", 10.0], "tokens": ["15,000", 15000.0],
        "memory": ["812", 812.0], "device": ["cpu", 0.0],
    }  # fmt: skip
    assert [column["name"] for column in block["costs"]] == list(rows["best"]["costs"])
    low, high = block["columns"][0]["axis"]
    assert low <= 0
    assert all(high >= cell[3] for r in block["rows"] for cell in r.get("cells", [])[:1])


def test_pairs_are_paired_comparisons_with_holm_over_the_table(store):
    block = blocks(store)["pairs-0"]
    assert block["all"]
    seed_values = block["metrics"]["hr@1"]
    assert seed_values["rows"] == [0, 1, 3]  # the third has no results
    assert seed_values["n"] == 40
    plan = store.plan("made")
    values = {}
    for row in plan.rows[: len(LABELS)]:
        if row.label != "third":
            metrics = store.run("made", "toys", row.label, row.run_id).metrics()
            values[LABELS.index(row.label)] = metrics.filter(pl.col("metric") == "hr@1").sort(
                "case_id"
            )["value"]
    single = [compare_paired(values[a], values[b]) for a, b in combinations([0, 1, 3], 2)]
    for line, one in zip(seed_values["values"], single, strict=True):
        assert line[:3] == pytest.approx([one.difference, one.low, one.high], abs=1e-5)
        assert line[3] == pytest.approx(one.p, rel=1e-2)
    adjusted = holm([one.p for one in single])
    assert [line[4] for line in seed_values["values"]] == pytest.approx(adjusted.tolist(), rel=1e-2)


def test_a_row_opens_its_manifest_judges_and_cases(store):
    panel = blocks(store)["row-0-0"]
    assert ["train.epochs", "3"] in panel["config"]
    assert ["test", "f00d"] in panel["hashes"]
    assert ["numpy", "2.0"] in panel["versions"]
    assert panel["judges"] == [
        {
            "judge": "strict",
            "kind": "llm",
            "cases": 2,
            "scored": 1,
            "means": {"fit": "3.000", "trust": "2.000"},
            "remarks": ["because"],
            "warnings": [],
        }
    ]
    cases = {example["case"]: example for example in panel["examples"]}
    assert set(cases) == {"test:1", "test:2"}  # where a judge was, only its cases
    graded = cases["test:1"]
    assert graded["judged"][0]["grades"] == {"fit": 3, "trust": 2}
    assert graded["history"] == ["because", "Green Tea"]
    assert graded["target"] == "because"  # the title, which only the judge's record has
    assert graded["samples"][0]["hit"]
    unscored = cases["test:2"]["judged"][0]
    assert unscored["status"] == "unscored"
    assert "grades" not in unscored


def test_a_row_without_results_opens_its_reason(store):
    panel = blocks(store)["row-0-2"]
    assert panel["status"].startswith("failed: it raised because")
    assert "runs" not in panel


def test_questions_give_titles_and_the_top_of_the_list(tmp_path):
    store = make_store(tmp_path, ["one"])
    lookups = []

    def questions(task, fingerprint, cases):
        lookups.append((task, fingerprint))
        return {case: CaseInput(("Old", "New"), ("a", "b", "c"), {"a": "Ants"}) for case in cases}

    example = blocks(store, questions=questions)["row-0-0"]["examples"][0]
    assert lookups == [("toys", "f00d")]
    assert example["history"] == ["Old", "New"]
    assert {entry["item"] for entry in example["top"]} == {"Ants", "b", "c"}
    assert [entry["hit"] for entry in example["top"] if entry["item"] == "Ants"] == [True]
    scores = [float(entry["score"]) for entry in example["top"]]
    assert scores == sorted(scores, reverse=True)


def test_the_same_cases_for_every_method(tmp_path):
    store = make_store(tmp_path, LABELS)
    page_data = blocks(store)
    chosen = [[e["case"] for e in page_data[f"row-0-{place}"]["examples"]] for place in range(4)]
    assert len(chosen[0]) == 5
    assert all(cases == chosen[0] for cases in chosen)
    assert [examples_per_row(rows) for rows in (1, 100, 200, 480)] == [5, 5, 2, 2]


def test_long_texts_are_cut(tmp_path):
    store = make_store(tmp_path, ["one"], text="word " * 1000)
    example = blocks(store)["row-0-0"]["examples"][0]
    assert example["rationale"].endswith("[…]")
    assert len(example["rationale"]) < 1000


def test_published_figures_stand_beside_the_row_they_name(tmp_path):
    (tmp_path / "p.csv").write_text(
        "paper,table,domain,method,metric,value,variant,note\n"
        "p,table1,toys,SASRec,hr@1,4.22,,percent\n"
        "p,table1,toys,SASRec,hr@1,9.99,cold,percent\n"
        "p,table1,tea,SASRec,hr@1,0.03,,ratio\n"
        "p,table2,toys,SASRec,hr@1,1.00,,percent\n"
        "p,table1,toys,-,users,11028,,count\n"
    )
    figures = published_values.read_published_values(tmp_path, ["p:table1", "absent:table1"])
    assert [(f.domain, round(f.value, 6)) for f in figures] == [("toys", 0.0422), ("tea", 0.03)]
    store = make_store(tmp_path / "runs", ["recbole/SASRec", "fpmc"])
    page_data = blocks(store, figures)
    first, second = page_data["table-0"]["rows"]
    assert first["published"] == {"hr@1": [[".042", "p, table1"]]}
    assert "published" not in second
    assert page_data["row-0-0"]["published"] == [["HR@1", ".042", "p, table1"]]


def test_whole_catalogue_figures_have_nothing_published_beside_them(methods, tmp_path):
    suite = make_suite("Counts", protocols=["scored", "full"])
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    figures = [PublishedValue("p", "table1", "toy", "Counts", "hr@1", 0.5)]
    page_data = payload.build_payload(collect_results(store, "small"), store, figures, None)
    protocols = [table["protocol"] for table in page_data["index"]["tables"]]
    with_figures = [
        "published" in page_data[f"table-{i}"]["rows"][0] for i in range(len(protocols))
    ]
    assert dict(zip(protocols, with_figures, strict=True)) == {"scored": True, "full": False}


def test_cards_are_found_by_label_or_by_class_and_settings():
    assert match_card("sasrec", "cf", {"method": "SASRec", "config": {}}).name == "sasrec"
    assert match_card("recbole/Other", "cf", None).name == "recbole/Other"
    config = {"model": "SASRec", "epochs": 10, "train_batch_size": 256, "max_length": 20,
              "patience": 3, "parameters": {"n_heads": 1, "inner_size": 64, "more": 1,
              "hidden_dropout_prob": 0.2, "attn_dropout_prob": 0.2}}  # fmt: skip
    renamed = match_card("wide SASRec", "cf", {"method": "RecBole", "config": config})
    assert renamed.name == "recbole/SASRec"
    # A row that is called like a method, but is of another class, does not get its card.
    assert match_card("sasrec", "other", {"method": "Counts", "config": {}}) is None
    assert match_card("my.py:Rec", "other", None) is None


def test_no_text_breaks_out_of_the_page(tmp_path):
    label = NASTY.replace("\u2028", " ")  # a name of a row has no ends of lines
    store = make_store(
        tmp_path, [label, "second"], text=NASTY, judge=True, title=NASTY, failed=["second"]
    )
    html = page.render_page(collect_results(store, "made"), store)
    assert "<script>window.owned" not in html
    assert html.count("</script>") == html.count("<script")
    assert "\u2028" not in html.partition("<body>")[2].partition('id="data-')[2]
    page_data = data(html)
    assert page_data["index"]["methods"][0]["label"] == label  # and nothing is lost
    assert page_data["row-0-0"]["examples"][0]["rationale"] == NASTY
    assert page_data["table-0"]["rows"][1]["status"] == f"failed: it raised {NASTY}"


def test_json_cannot_end_its_element():
    text = page.script_json({"<!--<script>": "</SCRIPT>&\u2028\u2029", "lone": "\ud800"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"<!--<script>": "</SCRIPT>&\u2028\u2029", "lone": "?"}


def test_only_the_scripts_of_the_page_may_run(store):
    html = page.render_page(collect_results(store, "made"), store)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html).group(1)
    assert policy.startswith("default-src 'none'")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(scripts) == 2
    for text in scripts + styles:
        assert page.csp_hash(text) in policy
    assert not re.search(r'\b(?:src|href)="(?!#|data:,)', html)
    assert not re.search(
        r"\son\w+=", html.partition("<style>")[0] + html.partition("<body>")[2][:4000]
    )


def test_same_store_same_bytes(store, tmp_path):
    first = write_page(collect_results(store, "made"), store, tmp_path / "boards" / "made")
    shutil.rmtree(store.report_cache)  # else it would be read again
    again = write_page(
        collect_results(Store(tmp_path), "made"), Store(tmp_path), tmp_path / "b" / "made"
    )
    assert first.name == "index.html"
    assert first.read_bytes() == again.read_bytes()


def test_real_runs_with_buckets_drops_and_seeds(methods, tmp_path):
    toy = {"source": "toy", "options": {"users": 40, "items": 50}, "candidates": {"count": 10}}
    suite = make_suite(
        "Counts", "Noise", "Raises",
        datasets=[{"name": "warm", **toy},
                  {"name": "cold", **toy, "cold": {"of": "users", "share": 0.5}}],
        history_buckets=[[1, 9], [10]], drops=[["warm", "cold"]], seeds=[0, 1],
        metrics=["hr@1", "ndcg@5", "mrr"],
    )  # fmt: skip
    run_all(suite, tmp_path)
    store = Store(tmp_path / "runs")
    results = collect_results(store, "small")
    page_data = data(page.render_page(results, store))
    assert len(page_data["index"]["tables"]) == len(results.tables)
    assert {t["part"] for t in page_data["index"]["tables"]} == {t.subgroup for t in results.tables}
    panel = page_data["row-0-0"]
    assert [run["seed"] for run in panel["runs"]] == [0, 1]
    assert all(1 <= example["rank"] <= 10 for example in panel["examples"] if "rank" in example)
    whole = next(i for i, t in enumerate(results.tables) if not t.subgroup)
    listed = page_data[f"pairs-{whole}"]["metrics"]["ndcg@5"]
    cells = [results.tables[whole].rows[i].cells["ndcg@5"].mean for i in listed["rows"]]
    assert listed["values"][0][0] == pytest.approx(cells[0] - cells[1], abs=1e-5)


def test_colours_have_enough_contrast():
    style = page._asset("style.css")
    pairs_of = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\);", style))
    for theme in (0, 1):
        colour = {name: value.split(", ")[theme] for name, value in pairs_of.items()}
        for ground in ("bg", "soft", "chosen"):
            for text in ("fg", "muted", "accent", "chance"):
                assert contrast(colour[text], colour[ground]) >= 4.5, (theme, text, ground)
            assert contrast(colour["edge"], colour[ground]) >= 3  # borders of controls
        assert contrast(colour["on-accent"], colour["accent"]) >= 4.5


def contrast(first, second):
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""

    def luminance(colour):
        channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
