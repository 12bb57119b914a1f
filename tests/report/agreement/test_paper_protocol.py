"""Agreement as C-APO measures it: by hand, generated, and from labels of a batch."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchkit.api.judge_reports.agreement_protocol import agreement_like_paper
from benchkit.errors import ConfigError, DataError
from benchkit.judging.rubric import load_rubric
from benchkit.report.agreement.paper_protocol import (
    PROTOCOLS,
    find_paper_protocol,
    measure_protocol,
    protocol_tables,
    synthetic_ratings,
)
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.report.paper.published_values import PUBLISHED_FOLDER
from benchkit.stats.agreement.kappa import quadratic_weighted_kappa
from benchkit.stats.agreement.synthetic_raters import draw_grades, draw_raters
from tests.support.annotation_exports import GRADED_RUNS
from tests.support.annotation_store import make_store
from tests.support.command_line import invoked, said

FIGURE_8, FIGURE_10 = PROTOCOLS


def ratings(*columns, raters=("judge:m", "ann", "bob")):
    grades = np.array(columns, dtype=float).T
    return RatingsTable(tuple(map(str, range(len(grades)))), None, raters, grades)


def test_a_judge_beside_the_mean_of_people_by_hand():
    nan = float("nan")
    judge, ann, bob = [0, 1, 2, 3, 3, 1], [0, 1, 3, 3, 0, 1], [0, 2, 2, nan, 3, 1]
    result = measure_protocol(ratings(judge, ann, bob), FIGURE_10)
    mean = [0, 1.5, 2.5, 3, 1.5, 1]
    agreement = result.pair.item_level
    assert agreement.estimates["spearman"].value == pytest.approx(stats.spearmanr(judge, mean)[0])
    rounded = [0, 2, 3, 3, 2, 1]  # halves up
    expected = quadratic_weighted_kappa(judge, rounded, FIGURE_10.scale)
    assert agreement.estimates["kappa"].value == pytest.approx(expected)
    assert agreement.confusion.sum() == 6
    assert agreement.confusion[1, 2] == 1  # rows are the judge's
    assert result.n_apart == 1  # 0 and 3
    assert not result.is_synthetic


def test_what_cannot_be_compared_is_refused():
    two = ratings([1, 2], [1, 2], [2, 1], raters=("judge:a", "judge:b", "ann"))
    with pytest.raises(ConfigError, match="these judges: judge:a, judge:b"):
        measure_protocol(two, FIGURE_10)
    assert measure_protocol(two, FIGURE_10, "b").pair.first == "judge:b"
    with pytest.raises(ConfigError, match="0 people"):
        measure_protocol(ratings([1, 2], raters=("judge:a",)), FIGURE_10)
    off = ratings([0, 1, 1, 1], [7, 1, 7, 7], [1, 1, 9, 1], raters=("judge:a", "ann", "bob"))
    with pytest.raises(DataError, match="grade 7 by 'ann'") as caught:  # not by the mean of both
        measure_protocol(off, FIGURE_10)
    assert caught.value.cause.endswith("(3 such grades)")
    assert caught.value.hint == "c-apo:figure10 is of grades from 0 to 3"
    with pytest.raises(ConfigError, match="c-apo:figure8"):
        find_paper_protocol("c-apo:table2")


@given(st.integers(0, 2**31), st.floats(0, 3))
def test_generated_grades_are_on_the_scale_and_without_noise_the_same(seed, noise):
    model = draw_grades(1, 7, 50, seed)
    rated = draw_raters(model, 1, 7, 3, noise, seed)
    assert rated.shape == (50, 3)
    assert set(np.unique(rated)) | set(model) <= set(range(1, 8))
    assert (draw_raters(model, 1, 7, 3, 0.0, seed) == model[:, None]).all()
    assert (rated == draw_raters(model, 1, 7, 3, noise, seed)).all()


@pytest.mark.parametrize("noise", [-1.0, float("nan"), float("inf")])
def test_noise_is_a_standard_deviation(noise):
    with pytest.raises(ConfigError, match="no standard deviation"):
        draw_raters(np.ones(3), 0, 3, 2, noise, 0)


def test_more_noise_agrees_less():
    small = replace(FIGURE_8, n_samples=60, n_people=2)
    kappas = [
        measure_protocol(synthetic_ratings(small, noise), small)
        .pair.item_level.estimates["kappa"].value
        for noise in (0.0, 1.0, 4.0)
    ]  # fmt: skip
    assert kappas[0] == pytest.approx(1)
    assert kappas[0] > kappas[1] > kappas[2] > 0


@pytest.mark.parametrize(("reference", "samples", "people", "qwk", "rho"), [
    ("c-apo:figure8", "400", "7", ".63", ".71"), ("c-apo:sectionF", "250", "2", ".75", ".63"),
])  # fmt: skip
def test_a_demo_has_the_papers_numbers_and_says_synthetic(
    tmp_path, reference, samples, people, qwk, rho
):
    tables, paths = agreement_like_paper([], reference, demo=True, noise=0.8, out=tmp_path)
    by_name = {row[0]: row for row in tables[0].rows}
    assert by_name["Samples"][1:] == (samples, samples)
    assert by_name["People"][1:] == (people, people)
    assert by_name["Quadratic weighted kappa"][2] == qwk
    assert by_name["Spearman"][2] == rho
    assert all("SYNTHETIC" in path.name for path in paths)
    assert all("SYNTHETIC" in table.title for table in tables)
    assert "standard deviation 0.8" in tables[0].notes[0]
    labels = tmp_path / "SYNTHETIC-labels.csv"
    if people == "2":
        again, _ = agreement_like_paper([labels], reference)
        assert again[0].rows == tables[0].rows
        assert "SYNTHETIC" in again[0].title


def test_the_commands_from_judged_runs_to_the_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = {key: grades[:8] for key, grades in GRADED_RUNS.items()}
    make_store(tmp_path / "runs", runs, rubric=load_rubric("rationale-0-3"))
    made = said("annotate", "--judgements", "runs", "--suite", "plum", "--n", "40",
                "--synthetic", "0.6", "--out", "pages")  # fmt: skip
    assert "SYNTHETIC exports" in made
    exports = sorted(map(str, (tmp_path / "pages").glob("*-SYNTHETIC.csv")))
    assert len(exports) == 2
    said("annotate", "--read", *exports, "--key", "pages/key.json", "--out", "labels.csv")
    shown = said("agree", "labels.csv", "--paper", "c-apo:figure10", "--out", "figure")
    assert "SYNTHETIC demo: agreement in the shape of c-apo, figure10" in shown
    assert "SYNTHETIC annotator-1" in (tmp_path / "labels.csv").read_text()
    assert len(list((tmp_path / "figure").glob("*.png"))) == 1
    of_suite = ("report", "--suite", "plum", "--paper", "c-apo:figure10")
    as_csv = said(*of_suite, "--labels", "labels.csv", "--format", "csv").splitlines()
    assert as_csv[0] == "source,statistic,ours,published"
    assert as_csv[3].startswith("SYNTHETIC,Quadratic weighted kappa,")
    assert as_csv[3].endswith(",.75")
    assert as_csv[3].split(",")[2].strip('"') in shown
    with pytest.raises(ConfigError, match="from people's labels"):
        invoked(*of_suite)


def test_neither_or_both_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("item,rater,grade\n1,a,1\n")
    figure = ("--paper", "c-apo:figure8")
    for arguments, cause in (
        ((), "no grades to compare"),
        (figure, "no labels to measure"),
        (("a.csv", *figure, "--demo"), "labels of its own"),
    ):
        with pytest.raises(ConfigError, match=cause):
            invoked("agree", *arguments)


@pytest.fixture
def weighted(tmp_path):
    """A judge and two people on 20 samples, of which the first ten weigh thrice as much."""
    rows = ["item,rater,grade,weight"]
    for i in range(20):
        grades = {"judge:m": i % 4, "ann": i % 4, "bob": (i + i % 2) % 4}
        rows += [f"i{i},{rater},{grade},{3 if i < 10 else 1}" for rater, grade in grades.items()]
    path = tmp_path / "weighted.csv"
    path.write_text("\n".join(rows))
    return path


def test_weights_are_said_with_the_samples_that_they_leave(weighted):
    tables, _ = agreement_like_paper([weighted], "c-apo:figure10")
    (note,) = (note for note in tables[0].notes if note.startswith("Weighted"))
    assert "kappa and Spearman" in note and "the matrix are unweighted" in note
    assert "as much as 16 samples" in note  # (10 * 3 + 10)^2 / (10 * 9 + 10)
    assert tables[0].rows[0][1] == "20"
    plain = " ".join(said("agree", weighted).split())
    assert "as much as 16 of equal weights" in plain
    even = weighted.with_name("even.csv")
    even.write_text(weighted.read_text().replace(",3\n", ",1\n"))
    tables, _ = agreement_like_paper([even], "c-apo:figure10")
    assert not any(note.startswith("Weighted") for note in tables[0].notes)


@pytest.mark.parametrize(("judge", "people", "reason"), [
    ([2, 2, 2], [1, 2, 3], "Spearman ρ: judge:m is constant."),
    ([1, 2, 3], [2, 2, 2], "Spearman ρ: people (mean) is constant."),
    ([2, 2, 2], [2, 2, 2], "Kappa (quadratic); Spearman ρ: both raters are constant."),
])  # fmt: skip
def test_equal_grades_have_a_reason(judge, people, reason):
    result = measure_protocol(ratings(judge, people, raters=("judge:m", "ann")), FIGURE_10)
    (table, _) = protocol_tables(result, PUBLISHED_FOLDER)
    assert dict(row[:2] for row in table.rows)["Spearman"] == "-"
    assert reason in table.notes


def test_the_formats_are_those_of_plain_agree(weighted):
    figure = ("agree", weighted, "--paper", "c-apo:figure10", "--format")
    shown = said(*figure, "terminal")
    assert said(*figure, "md").startswith("**") or "| Samples" in said(*figure, "md")
    done = invoked(*figure, "csv")
    lines = done.stdout.splitlines()
    assert lines[0] == "source,statistic,ours,published"
    assert lines[1] == "measured,Samples,20,250"
    assert "Weighted: kappa and Spearman" in done.stderr
    record = json.loads(said(*figure, "json"))
    ours = {row["statistic"]: row["ours"] for row in record["statistics"]}
    assert ours["Samples"] == "20" and ours["Spearman"] in shown
    assert np.sum(record["confusion"]["counts"]) == 20
    assert record["confusion"]["grades"] == ["0", "1", "2", "3"]
    assert any(note.startswith("Weighted") for note in record["notes"])


def test_a_demo_says_that_it_is_of_a_paper():
    with pytest.raises(ConfigError, match="which one is not said") as caught:
        invoked("agree", "--demo")
    assert "--paper c-apo:figure8" in caught.value.hint


@pytest.mark.parametrize("figure", ["c-apo:figure8", "c-apo:figure10"])
def test_every_line_of_a_demo_as_csv_says_synthetic(figure):
    header, *lines = invoked(
        "agree", "--paper", figure, "--demo", "--format", "csv"
    ).stdout.splitlines()
    assert header.startswith("source,")
    assert lines and all(line.startswith("SYNTHETIC,") for line in lines)
