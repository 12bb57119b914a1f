"""Papers' tables and figures by name: each is known or excluded, and ours stands in its shape."""

import csv
import io
import re

import numpy as np
import pytest

from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.errors import ConfigError
from benchkit.report.experiments.declarations import (
    find_panels,
    normalize_reference,
    read_declarations,
)
from benchkit.report.experiments.report import render_experiment
from benchkit.report.paper.published_values import PUBLISHED_FOLDER, read_published_table
from benchkit.runs.records import Manifest, PlannedRow
from benchkit.runs.store import Store
from tests.support.experiment_results import make_grades, make_results
from tests.support.training_traces import line, write

ABLATION = ("random", "A base", "B sft", "C dpo", "C' s-dpo", "D pl", "E c-apo raw", "F c-apo")


def printed_references():
    """Every paper:table of leaderboards/published, with the kind of text it is."""
    found = []
    for path in sorted(PUBLISHED_FOLDER.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += [f"{row['paper']}:{row['table']}" for row in csv.DictReader(file)]
    return list(dict.fromkeys(found))


def render(results, reference, tmp_path, format_="md", **options):
    store = Store(tmp_path / "runs")
    return render_experiment(results, store, PUBLISHED_FOLDER, reference, format_, **options)


def test_every_printed_table_and_figure_is_shown_or_excluded_with_a_reason():
    references = [r for r in printed_references() if re.search(":(table|figure)", r)]
    assert len(references) == 19
    excluded = read_declarations().excluded
    for reference in references:
        if reference in excluded:
            assert re.search("dataset|hyper-parameters|agreement|times", excluded[reference])
            with pytest.raises(ConfigError, match="is not shown by --paper: it has"):
                find_panels(reference)
            continue
        panels = find_panels(reference)
        assert panels, reference
        if panels[0].kind == "rates":
            assert read_published_table(PUBLISHED_FOLDER, reference)


@pytest.mark.parametrize(
    "reference",
    [*(f"c-apo:figure{n}" for n in (4, 5, 6, 7)), *(f"c-apo:table{n}" for n in (3, 6, 7)),
     *(f"twice-rec:figure{n}" for n in (4, 5, 6, 7)), "recpo:table1", "recpo:table2",
     *(f"eapo:table{n}" for n in (1, 2, 3, 4)),
     *(f"rationale:{x}" for x in ("table1", "figure1", "figure2")), "c-apo:sectionG"],
)  # fmt: skip
def test_experiments_have_names(reference):
    assert find_panels(normalize_reference(reference))


def test_declared_suites_are_shipped_and_have_a_row_of_what_they_are_declared_for():
    shipped = list_shipped_suites()
    for panel in read_declarations().panels:
        for name in panel.suites:
            suite = load_suite(name) if name in shipped else None
            assert suite, f"{panel.name}: no suite {name}"
            if panel.kind == "rows" and panel.label:
                found = {x for m in suite.methods if (x := panel.find_x(m.name))}
                assert found, f"{panel.name}: {name} has no row of it"


def test_a_figure_without_printed_values_is_a_table_of_ours(tmp_path):
    results = make_results("ablation", ABLATION, ("grocery", "ml-100k"))
    text = render(results, "c-apo:figure5", tmp_path)
    lines = text.splitlines()
    assert lines[0] == (
        "**Ablation, in the shape of c-apo, figure5: Model variants (frozen candidates, scored)**"
    )
    assert lines[2] == "| Variant | Domain | HR@1 | HR@5 | NDCG@5 |"
    assert lines[4] == "| *Chance* | grocery | 3.33 | 16.67 | 9.83 |"
    assert "| A: base | grocery | 11.00 | 12.00 | 13.00 |" in lines
    assert "| F: +SFT +C-APO | ml-100k | 18.00 | 19.00 | 20.00 |" in lines
    assert "random" not in text and "s-dpo" not in text
    assert "Rates in percent." in text and "No value of it is printed" in text
    assert "No task of this suite: fashion, scientific, clothing, health." in text
    assert "Other data than the paper's: ml-100k." in text
    assert "[5.00, 20.00]" in render(results, "c-apo:figure5", tmp_path, intervals=True)
    assert r"\begin{tabular}{llrrr}" in render(results, "c-apo:figure5", tmp_path, "latex")


def test_points_of_a_sweep_are_in_order_of_the_setting(tmp_path):
    labels = [f"lambda={n}" for n in (5, 10, 0, 3)]
    text = render(
        make_results("twice-rec-lambda", labels, ("fashion",)), "twice-rec:figure6", tmp_path
    )
    first = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")][2:]
    assert first == ["| *Chance*", "| 0", "| 3", "| 5", "| 10"]
    assert "Study of lambda, fashion (frozen" in text and "| lambda | HR@1 |" in text
    labels = ["lambda=2", "lambda=0.5", "sft"]
    text = render(make_results("recpo-lambda", labels, ("movielens",)), "recpo:figure6", tmp_path)
    assert text.index("| 0.5 |") < text.index("| 2 |")
    assert "sft" not in text and "movielens" in text


def test_shares_of_grades_stand_beside_the_printed_one(tmp_path):
    shares = {"c-apo": (0.1, 0.1, 0.2, 0.6), "dpo, with rationales": (0.4, 0.3, 0.2, 0.1)}
    one = make_grades("ml-100k", shares)
    results = make_results("rationale", list(shares), ["ml-100k"], grades=[one])
    text = render(results, "c-apo:figure4", tmp_path)
    assert "| Grade 0 | Grade 1 | Grade 2 | Grade 3 ours | Grade 3 published |" in text
    assert "Grades of rationales, ml-100k**" in text  # the only series
    assert "| C-APO | 10.00 | 10.00 | 20.00 | 60.00 | 84.33 |" in text
    assert "| DPO | 40.00 |" in text and "| Rec-SAVER | – |" in text
    assert "Without results here: Gemma-3-4B-it, Gemma-3-12B-it, Rec-SAVER, S-DPO." in text
    other = make_grades("toys", {"c-apo": (0.0, 0.0, 0.0, 1.0)})
    text = render(
        make_results("rationale", list(shares), ["ml-100k", "toys"], grades=[one, other]),
        "c-apo:figure4", tmp_path,
    )  # fmt: skip
    assert "| C-APO | all | 5.00 | 5.00 | 10.00 | 80.00 | 84.33 |" in text
    rows = list(csv.DictReader(io.StringIO(render(results, "c-apo:figure4", tmp_path, "csv"))))
    (third,) = [r for r in rows if (r["x"], r["metric"]) == ("C-APO", "3")]
    assert float(third["ours"]) == 0.6 and float(third["published"]) == pytest.approx(0.8433)
    assert float(third["difference"]) == pytest.approx(0.6 - 0.8433)


def test_grades_of_another_scale_are_not_these(tmp_path):
    five = {"criteria": [{"name": "fit", "low": 1, "high": 5}]}
    grades = [
        make_grades("toys", {"c-apo": (0, 1, 0, 0)}, five, "quality"),
        make_grades("toys", {"c-apo": (0, 0, 0, 1)}),
    ]
    text = render(make_results("rationale", ["c-apo"], ["toys"], grades=grades), "c-apo:figure4",
                  tmp_path)  # fmt: skip
    assert "| C-APO | 0.00 | 0.00 | 0.00 | 100.00 | 84.33 |" in text


def test_a_model_is_a_judge_before_rules_and_is_named(tmp_path):
    rules = make_grades("toys", {"c-apo": (0, 0, 0, 1)}, judge="rules")
    model = make_grades("toys", {"c-apo": (0, 1, 0, 0)}, judge="gpt", name="llm")
    results = make_results("rationale5", ["c-apo"], ["toys"], grades=[rules, model])
    text = render(results, "c-apo:figure4", tmp_path)
    assert "| C-APO | 0.00 | 100.00 | 0.00 | 0.00 | 84.33 |" in text
    assert "Judge: gpt (llm), rubric 'Any rubric'; at most 100 answers of a row on a task." in text
    results = make_results("rationale5", ["c-apo"], ["toys"], grades=[rules])
    assert "Judge: rules (heuristic), rubric" in render(results, "c-apo:figure4", tmp_path)


def test_serendipity_over_domains_stands_beside_the_printed_one(tmp_path):
    metrics = ("serendipity@1", "serendipity@5")
    results = make_results("serendipity", ["sft", "c-apo"], ("grocery", "health"), metrics)
    lines = render(results, "c-apo:sectionG", tmp_path).splitlines()
    head = "| Method | Domain | SERENDIPITY@1 ours | SERENDIPITY@1 published | SERENDIPITY@5 |"
    assert head in lines
    assert "| C-APO | grocery | 11.00 |  | 12.00 |" in lines
    assert "| C-APO | all | 11.50 | 30.00 | 12.50 |" in lines
    assert "| SFT | all | 10.50 | 25.00 | 11.50 |" in lines
    one = make_results("serendipity", ["sft", "c-apo"], ("grocery",), metrics)
    assert "| C-APO | 11.00 | 30.00 | 12.00 |" in render(one, "c-apo:sectionG", tmp_path)


def test_grades_by_history_have_the_papers_buckets(tmp_path):
    buckets = [
        (1, 2, 0, None, None),
        (3, 7, 40, 2.5, 0.5),
        (8, 11, 5, 2.75, None),
        (12, None, 9, 3.0, 0.0),
    ]
    grades = [make_grades("toys", {"c-apo": (0, 0, 0, 1), "sft": (1, 0, 0, 0)}, buckets=buckets)]
    results = make_results("rationale", ["c-apo", "sft"], ["toys"], grades=grades)
    lines = render(results, "c-apo:table5", tmp_path).splitlines()
    assert "| 1-2 | – | 998 | – | 2.20 | – | 0.81 |" in lines
    assert "| 3-7 | 40 | 538 | 2.50 | 2.68 | 0.50 | 0.82 |" in lines
    assert "| 8-11 | 5 | 142 | 2.75 | 2.70 | – | 0.81 |" in lines
    assert "| 12+ | 9 | 220 | 3.00 | 2.76 | 0.00 | 0.71 |" in lines


def test_grades_by_history_are_pooled_over_the_answers_of_all_domains(tmp_path):
    low, high = [1.0, 2.0, 3.0], [3.0, 3.0]
    grades = [
        make_grades(task, {"c-apo": (0, 0, 0, 1)}, buckets=[
            (3, 7, len(each), float(np.mean(each)), float(np.std(each, ddof=1)))
        ])
        for task, each in (("toys", low), ("tea", high))
    ]  # fmt: skip
    text = render(make_results("rationale5", ["c-apo"], ["toys", "tea"], grades=grades),
                  "c-apo:table5", tmp_path)  # fmt: skip
    sd = np.std(low + high, ddof=1)
    assert f"| 3-7 | all | 5 | 538 | 2.40 | 2.68 | {sd:.2f} | 0.82 |" in text


def test_a_latency_is_beside_that_of_the_online_test_over_several_domains(tmp_path):
    results = make_results("any", ["c-apo"], ["toys", "tea"], cost={"scored_seconds": 13.8})
    text = render(results, "c-apo:table3", tmp_path)
    assert "| C-APO | all | 79.50 | 11.95 | 15.03 | 2.60 | 138 | 138 |" in text


def test_an_online_test_has_what_can_be_measured_and_one_note_for_the_rest(tmp_path):
    results = make_results("any", ["random", "c-apo"], ["toys"], cost={"scored_seconds": 13.8})
    text = render(results, "c-apo:table3", tmp_path)
    assert "| C-APO | 79.50 | 11.95 | 15.03 | 2.60 | 138 | 138 |" in text
    assert "| ML model | 127.83 |" in text
    assert text.count("no suite measures them") == 1
    assert "Without results here: ML model, SFT." in text


def test_weights_by_gap_are_of_what_training_left(tmp_path):
    results = make_results("ablation", ["F c-apo"], ["toys"])
    store = Store(tmp_path / "runs")
    row = PlannedRow(task="toys", label="F c-apo", family="preference", seed=0, run_id="id")
    store.update_plan(results.plan.model_copy(update={"rows": [row]}))
    run = store.run("ablation", "toys", "F c-apo", "id")
    run.path.mkdir(parents=True)
    early = line(1, gaps=(-2.0, 3.0, 3.0), weights=(0.9, 0.9, 0.9))
    late = line(5, gaps=(-2.0, 3.0, 5.0), weights=(0.1, 0.7, 0.9))
    write(run.artifacts / "steps.jsonl", [early, early, early, early, late])
    run.write_manifest(
        Manifest(run_id="id", row_id="id", status="complete", suite="ablation", task="toys",
                 label="F c-apo", family="preference", seed=0, identity={}, provenance={},
                 started="")
    )  # fmt: skip
    lines = render(results, "c-apo:figure7", tmp_path).splitlines()
    assert "| Gap | Pairs | Mean weight | Median |" in lines
    assert "| -2 | 1 | 0.10 | 0.10 |" in lines and "| 3 | 1 | 0.70 | 0.70 |" in lines
    mine = make_results("mine", ["c-apo"], ["toys"])
    row = row.model_copy(update={"label": "c-apo"})
    plan = mine.plan.model_copy(update={"rows": [row]})
    Store(tmp_path / "other" / "runs").update_plan(plan)
    with pytest.raises(ConfigError, match="has nothing of c-apo, figure7"):
        render(mine, "c-apo:figure7", tmp_path / "other")


def test_lengths_of_history_are_points(tmp_path):
    parts = ("", "history of 3 to 7", "history of 12 or more", "history of 8 to 11")
    results = make_results("recpo4", ["sft", "rec-po"], ["beeradvocate", "steam"], subgroups=parts)
    text = render(results, "recpo:figure4", tmp_path)
    assert "figure4c: By length of history" in text and "steam" not in text.partition("Of other")[0]
    places = [text.index(x) for x in ("| 3 to 7 | SFT", "| 8 to 11 | SFT", "| 12 or more | RecPO")]
    assert places == sorted(places)
    assert "recpo, figure4a: suite preference" in text


def test_what_another_suite_gives_is_named(tmp_path):
    results = make_results("quickstart@50users", ["random", "dpo"], ["ml-100k"])
    with pytest.raises(
        ConfigError, match="suite 'quickstart@50users' has nothing of c-apo, fig"
    ) as e:
        render(results, "c-apo:figure5", tmp_path)
    assert e.value.hint == "benchkit run --suite ablation"
    with pytest.raises(ConfigError, match="has no task of c-apo, table2") as e:
        render(results, "c-apo:table2", tmp_path)
    assert e.value.hint.endswith("benchkit run --suite amazon5")
    with pytest.raises(ConfigError) as e:
        render(results, "recpo:figure4", tmp_path)
    assert e.value.hint == "benchkit run --suite preference and benchkit run --suite recpo4"
    with pytest.raises(ConfigError, match="c-apo:table1 is not shown by --paper") as e:
        render(results, "c-apo:table1", tmp_path)
    assert e.value.hint == "benchkit data describe --suite amazon5"
    with pytest.raises(ConfigError) as e:
        render(results, "c-apo:figur5", tmp_path)
    assert "'c-apo:figure5'" in e.value.hint


def test_a_suite_that_has_not_got_so_far_shows_the_shape(tmp_path):
    results = make_results("ablation", ["random"], ["grocery"])
    text = render(results, "c-apo:figure5", tmp_path)
    assert "Without results here: A, B, C, D, E, F." in text


def test_labels_of_ours_stand_for_methods_with_names_of_papers(tmp_path):
    results = make_results("amazon2", ["rationale-sft"], ["grocery"])
    text = render(results, "rationale:table1", tmp_path)
    assert (
        "Ours is rationale-sft" in text and "| published: rationale-integration, table1 |" in text
    )
    results = make_results("amazon2", ["rationale-sft", "sft/rationale"], ["grocery"])
    text = render(results, "rationale:figure2", tmp_path)
    assert "| A: trained and asked with rationale | 10.00 |" in text
    assert "| C: trained without, asked with | 11.00 |" in text
    assert "Without results here: B." in text


def test_sampled_points_of_a_mixed_figure_are_marked(tmp_path):
    results = make_results("ablation", ABLATION, ("grocery",), protocols=("scored", "sampled"))
    text = render(results, "c-apo:figure5", tmp_path)
    assert "(frozen candidates, sampled or scored)" in text and "| A: base‡ |" in text
    assert "| *Chance, sampled* |" in text and "Chance, scored" not in text
    assert text.count("‡ sampled: ") == 1
    assert "‡" not in render(results, "c-apo:figure5", tmp_path, protocol="scored")
