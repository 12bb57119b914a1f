"""C-APO's Figure 4 from its suite's demo: judged offline, ours beside the printed shares."""

import csv
import io

import pytest

from benchkit.config.suite import load_suite
from tests.support.command_line import said
from tests.support.latex import compile_latex, needs_latex

SUITE = "rationale5@demo100"


@pytest.mark.parametrize("name", ["rationale2", "rationale5", "rationale8"])
def test_answers_are_judged_in_the_papers_two_steps(name):
    judging = load_suite(name).judging
    assert judging.cases == 300 and judging.answers == "sampled"
    assert judging.judges[0].config == {"rubric": "rationale-0-3-vocabulary"}


# The figure of rationale2 is of a smaller model than the table of amazon2.
@pytest.mark.parametrize(("name", "main"), [("rationale5", "amazon5"), ("rationale8", "amazon8")])
def test_rows_of_the_main_table_are_set_as_there_so_that_their_runs_are_taken_over(name, main):
    suite, table = load_suite(name), load_suite(main)
    assert suite.datasets == table.datasets and suite.decoding == table.decoding
    assert (suite.metrics, suite.seeds, suite.protocols) == (
        table.metrics, table.seeds, table.protocols,
    )  # fmt: skip
    others = {method.name: method for method in table.methods}
    shared = [method for method in suite.methods if method.name in others]
    assert len(shared) >= 4  # two controls, and two of the paper's rows
    assert all(method == others[method.name] for method in shared)
    for model in {method.model or "default" for method in shared}:
        assert suite.models[model] == table.models[model]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figure")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        said("run", "--suite", "rationale5", "--demo", "--demo-users", 100,
             "--dataset", "grocery", "--method", "popularity,rec-saver,c-apo")  # fmt: skip
        yield folder


@pytest.mark.slow
def test_shares_of_grades_stand_beside_the_printed_ones(ran):
    printed = said("report", "--suite", SUITE, "--paper", "c-apo:figure4", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(printed)))
    for x, published in (("Rec-SAVER", 0.7834), ("C-APO", 0.8433)):
        ours = {line["metric"]: line for line in lines if line["x"] == x}
        assert set(ours) == {"0", "1", "2", "3"}
        assert sum(float(line["ours"]) for line in ours.values()) == pytest.approx(1)
        assert {line["n"] for line in ours.values()} == {"100"}
        assert float(ours["3"]["published"]) == pytest.approx(published)
    text = said("report", "--suite", SUITE, "--paper", "c-apo:figure4")
    assert "Judge: heuristic, rubric 'Rationale, 0 to 3, for any valid item'" in text
    assert "Without results here: Gemma-3-4B-it, Gemma-3-12B-it, DPO, S-DPO." in text


@pytest.mark.slow
def test_generated_people_grade_the_demo_and_all_of_it_says_synthetic(ran):
    said("annotate", "--judgements", "runs", "--suite", SUITE, "--n", 250, "--synthetic", 0.8,
         "--out", "annotation")  # fmt: skip
    exports = sorted((ran / "annotation").glob("*-SYNTHETIC.csv"))
    assert len(exports) == 2
    said("annotate", "--read", *exports, "--key", "annotation/key.json", "--out", "labels.csv")
    text = said("agree", "labels.csv", "--paper", "c-apo:figure10", "--out", "figure10")
    assert text.lstrip().startswith("SYNTHETIC demo: agreement in the shape of c-apo, figure10")
    assert ".75" in text and ".63" in text  # as printed
    assert len(list((ran / "figure10").glob("*.png"))) == 1


@pytest.mark.slow
def test_statements_of_the_demo_are_checked_beside_the_control(ran):
    text = said("report", "--suite", SUITE, "--format", "md")
    assert "statements of the rationales (not a grade)" in text
    assert "control: generic, most popular item" in text


@needs_latex
@pytest.mark.slow
def test_the_figure_in_latex_compiles(ran, tmp_path):
    body = said("report", "--suite", SUITE, "--paper", "c-apo:figure4", "--format", "latex")
    assert r"\caption{SYNTHETIC: " in body
    assert "too large" not in compile_latex(body, tmp_path)
