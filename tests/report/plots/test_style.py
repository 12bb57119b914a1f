"""Plots beside those of a suite: nothing is cut, touches or breaks, whatever things are called."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchkit.report.agreement.confusion_plot import write_confusions
from benchkit.report.agreement.measurement import measure_agreement
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.report.comparison.critical_difference import write_critical_difference
from benchkit.report.comparison.paired_comparison import SuiteComparison
from benchkit.report.core.grade_results import GradeRow, GradeTable
from benchkit.report.grades.shares_plot import write_grade_shares
from benchkit.report.plots.style import text_colour_on
from benchkit.report.training.diagnostics import Diagnosis, SuiteDiagnoses
from benchkit.report.training.plots import write_diagnosis_plots
from benchkit.report.training.preference_conflicts import PreferenceConflicts
from benchkit.report.training.trace_statistics import saturated_shares
from benchkit.report.training.training_trace import read_trace
from benchkit.stats.friedman import friedman
from tests.support.plot_checks import NASTY, check_whole, watched
from tests.support.training_traces import line, write

pytest.importorskip("matplotlib")

NAMES = (*NASTY, "a judge: gpt-4o-mini-2024-07-18 (panel of three)", "plain")


def checked(write_plots_to):
    """The texts of every plot that is written; none is cut, and nothing is warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [check_whole(watched_figure) for watched_figure in watched(write_plots_to)]


def shown(texts):
    return [text.get_text() for text in texts]


# Grades


def grade_table(names, levels, task="toys", judge="judge", missing=0.1):
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(len(levels)), len(names)) * (1 - missing)
    rows = [
        GradeRow(name, "cf", "complete", shares=dict(zip(levels, diagnoses.tolist(), strict=True)))
        for name, diagnoses in zip(names, shares, strict=True)
    ]
    rubric = {"criteria": [{"name": "quality of the rationale " * 4}]}
    return GradeTable(task=task, judge=judge, judge_name="llm", rubric=rubric, rubric_hash="",
                      judged_answer="first", caveats=(), rows=tuple(rows),
                      comparisons=())  # fmt: skip


def test_grades_of_a_panel_have_colours_of_their_own():
    levels = [k / 3 for k in range(13)]
    table = grade_table(NAMES, levels, "toys & $x$ " * 9, "<b>推荐" + "judge " * 20)
    ((drawn_figure, texts, size),) = watched(lambda folder: write_grade_shares([table], folder))
    check_whole((drawn_figure, texts, size))
    colours = [tuple(bars[0].get_facecolor()) for bars in drawn_figure.axes[0].containers]
    assert len(colours) == len(set(colours)) == 14
    edges = {tuple(bars[0].get_edgecolor()) for bars in drawn_figure.axes[0].containers[:13]}
    assert edges == {(1, 1, 1, 1)}
    assert "0.667" in shown(text for text, _ in texts)


@pytest.mark.parametrize("name", NAMES)
def test_grades_of_one_method(name):
    (texts,) = checked(
        lambda folder: write_grade_shares([grade_table([name], (0, 1, 2, 3), name, name)], folder)
    )
    assert "grades by" in " ".join(shown(texts)).replace("\n", " ")


def test_grades_of_alike_names_are_apart(tmp_path):
    same = [grade_table(["m", "m"], (0, 1), task, "j") for task in ("a b", "a/b")]
    paths = write_grade_shares(same, tmp_path)
    assert [p.name for p in paths if p.suffix == ".svg"] == [
        "grades-a-b-j.svg",
        "grades-a-b-j-2.svg",
    ]
    ((drawn_figure, _, _), _) = watched(lambda folder: write_grade_shares(same, folder))
    assert len(drawn_figure.axes[0].containers[0]) == 2  # two methods of one name are two bars


@pytest.mark.parametrize(
    "colour", ["#FFFFFF", "#0072B2", "#7A7A7A", "#767676", "#E08214", "#000000"]
)
def test_numbers_stand_out_from_what_they_stand_on(colour):
    """Contrasts of #767676 and #7A7A7A with white are 4.54 and 4.29 by WebAIM's checker."""
    assert text_colour_on(colour) == (
        "white" if colour in ("#0072B2", "#767676", "#000000") else "black"
    )


# Ranks


def comparison(names, seed=0):
    values = np.random.default_rng(seed).normal(size=(8, len(names))) + np.arange(len(names)) / 3
    return SuiteComparison("s", "S", "ndcg@5", "scored", tuple("abcdefgh"), (), (), tuple(names),
                      friedman(values.T, draws=500), None, ())  # fmt: skip


def test_a_diagram_of_ranks_stays_as_wide_as_a_page():
    ((drawn_figure, texts, (width, height)),) = watched(
        lambda folder: write_critical_difference(comparison(NAMES), folder)
    )
    check_whole((drawn_figure, texts, (width, height)))
    assert width < 1900
    assert any("\\u63a8" in text.get_text() for text, _ in texts)
    checked(
        lambda folder: write_critical_difference(comparison([f"m{i}" for i in range(30)]), folder)
    )
    checked(lambda folder: write_critical_difference(comparison(["a", "b", "c"]), folder))


# Raters


@pytest.mark.parametrize(("n", "grades"), [(60, 2), (60, 7), (20_000, 4), (3, 2)])
def test_confusions_of_raters_with_nasty_names(n, grades):
    rng = np.random.default_rng(0)
    ratings = np.column_stack([rng.integers(0, grades, n), rng.integers(0, grades, n)]).astype(
        float
    )
    (pair,) = measure_agreement(
        RatingsTable(tuple(map(str, range(n))), None, ("a", "b"), ratings)
    ).pairs
    for first, second in zip(NAMES[1:], NAMES, strict=False):
        named = [replace(pair, first=first, second=second)]
        (texts,) = checked(partial(write_confusions, named))
        assert any(text.startswith(f"n = {n:,}, kappa (quadratic)") for text in shown(texts))


# Preference training


def diagnosis(folder, label, task, k=2, seed=0, only=False):
    rng = np.random.default_rng(0)
    lines = []
    for step in range(30):
        gaps = [float(gap) for gap in rng.integers(-4, 6, 4 * (k * (k + 1) // 2))]
        weights = [1 / (1 + np.exp(-gap)) for gap in gaps]
        lines.append(line(step, tuple(rng.normal(size=k)), gaps, weights))
    trace = read_trace(write(folder / "steps.jsonl", lines))
    conflicts = PreferenceConflicts(
        4000, 0.31, *((None, None) if only else (0.31, 0.02)), 0.05, None
    )
    return Diagnosis(task, label, seed, "", "complete", trace, conflicts)


def test_plots_of_training_with_nasty_names(tmp_path):
    names = zip(NAMES[2:], NAMES[1:], strict=False)
    diagnoses = [
        diagnosis(tmp_path, label, task, (1, 2, 7)[i % 3], i % 2)
        for i, (label, task) in enumerate(names)
    ]
    texts = checked(
        lambda folder: write_diagnosis_plots(SuiteDiagnoses("s", tuple(diagnoses), ()), folder)
    )
    assert len(texts) == 3 * len(NAMES[2:]) + 1
    assert any("#1, n = 4,000" in text for text in shown(texts[-1]))


def test_one_rejected_item_has_one_bar(tmp_path):
    diagnoses = (
        diagnosis(tmp_path, "dpo", "toys", 1, only=True),
        diagnosis(tmp_path, "c-apo", "toys"),
    )
    drawn_figure, texts, _ = watched(
        lambda folder: write_diagnosis_plots(SuiteDiagnoses("s", diagnoses, ()), folder)
    )[-1]
    assert [len(bars) for bars in drawn_figure.axes[0].containers] == [1, 1, 1]
    texts_shown = shown(text for text, _ in texts)
    assert "the only rejected item scores higher" in texts_shown and texts_shown.count("31 %") == 2


def test_shares_show_saturated_weights_where_there_are_weights(tmp_path):
    plain = Diagnosis("t", "m", 0, "", "complete",
                      read_trace(write(tmp_path / "a", [line(0), line(1)])), None)  # fmt: skip
    diagnoses = diagnosis(tmp_path, "m2", "t")
    (_, _, _), (one, _, _), (_, _, _), (two, _, _), *_ = watched(
        lambda folder: write_diagnosis_plots(SuiteDiagnoses("s", (plain, diagnoses), ()), folder)
    )
    entries = [text.get_text() for text in two.axes[0].get_legend().get_texts()]
    assert entries[1:] == ["utilities with |βd| > 10", "weights below 0.01 or above 0.99"]
    assert len(one.axes[0].lines) == 4 and len(two.axes[0].lines) == 6
    assert two.axes[0].lines[4].get_ydata().tolist() == saturated_shares(diagnoses.trace).tolist()
