"""What preference training left behind: reading, summarising, files, plots, the command."""

import csv
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchkit.cli.diagnose import diagnose as command
from benchkit.errors import ConfigError, StoreError
from benchkit.records import Manifest, Plan, PlannedRow
from benchkit.report.diagnosis_files import summary, table, write_tables
from benchkit.report.diagnostics import diagnose, read_conflicts, read_trace
from benchkit.report.plots import write_plots
from benchkit.report.trace_statistics import (
    correlations,
    pairs_of,
    smoothed,
    steps_of,
    weight_bins,
)
from benchkit.store import Run, Store


def line(step, margin=(1.0, 3.0), gaps=(), weights=(), beta=1.0, **more):
    values = {"step": step, "margin": list(margin), "leads": 0.5, "saturated": 0.0, "beta": beta}
    if gaps:
        values |= {"score_gap": list(gaps), "weight": list(weights)}
    return values | more


def write(path, lines, end="\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(own) for own in lines) + end)
    return path


def trace(tmp_path, lines):
    return read_trace(write(tmp_path / "steps.jsonl", lines))


def example(chosen, hard, easy, weights):
    """Gaps and weights of one example as the training logs them: (c,h), (c,e), (h,e)."""
    return (chosen - hard, chosen - easy, hard - easy), weights


# Reading


def test_a_step_is_the_mean_of_its_micro_batches(tmp_path):
    found = trace(
        tmp_path,
        [
            line(0, (1.0, 3.0), beta=2.0, leads=0.25, saturated=0.5),
            line(0, (2.0, 5.0), beta=2.0, leads=0.75, saturated=0.0),
            line(1, (4.0, -1.0), beta=0.5, leads=1.0, saturated=1.0),
        ],
    )
    assert found.step.tolist() == [0, 1]
    assert found.lead.tolist() == [[1.5, 4.0], [4.0, -1.0]]
    assert found.margin.tolist() == [[3.0, 8.0], [2.0, -0.5]]
    assert found.leads.tolist() == [0.5, 1.0]
    assert found.saturated.tolist() == [0.25, 1.0]
    assert found.beta.tolist() == [2.0, 0.5]
    assert not found.weighted


def test_only_pairs_with_the_chosen_response_are_looked_at(tmp_path):
    one, two = (example(5, 6, 2, (0.2, 0.9, 0.99)), example(4, 3, 1, (0.7, 0.95, 0.8)))
    both = line(0, gaps=one[0] + two[0], weights=one[1] + two[1])
    found = trace(tmp_path, [both])
    assert found.pairs[0].tolist() == [[-1, 0.2], [3, 0.9], [1, 0.7], [3, 0.95]]


def test_what_was_done_again_after_an_interruption_counts_once(tmp_path):
    old = [line(step, (9.0, 9.0)) for step in (0, 0, 1, 1, 2, 2, 3)]
    new = [line(step, (1.0, 1.0)) for step in (2, 2, 3, 3, 4, 4)]
    found = trace(tmp_path, old + new)
    assert found.step.tolist() == [0, 1, 2, 3, 4]
    assert found.lead[:, 0].tolist() == [9, 9, 1, 1, 1]


def test_a_step_that_was_broken_off_and_resumed_at_itself_counts_once(tmp_path):
    old = [line(step, (9.0, 9.0)) for step in (0, 0, 1, 1, 2)]
    new = [line(step, (1.0, 1.0)) for step in (2, 2, 3, 3)]
    assert trace(tmp_path, old + new).lead[:, 0].tolist() == [9, 9, 1, 1]


@given(
    micro=st.integers(1, 4),
    cuts=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 20)), max_size=4),
)
def test_however_often_it_was_interrupted_each_step_is_the_last_one_done(
    micro, cuts, tmp_path_factory
):
    """Each attempt resumes at a step that was reached, gets so many steps further, and breaks off
    after a step; the last one ends at step 9."""
    lines, reached = [], 0
    for attempt, (back, steps) in enumerate(cuts):
        start = max(0, reached - back)
        if start == reached and attempt:
            start = max(0, reached - 1)
        end = min(9, start + steps)
        lines += [line(s, (attempt, attempt)) for s in range(start, end) for _ in range(micro)]
        reached = end
    start = max(0, reached - 1)
    lines += [line(s, (99, 99)) for s in range(start, 10) for _ in range(micro)]
    found = trace(tmp_path_factory.mktemp("t"), lines)
    last = {own["step"]: own["margin"][0] for own in lines}
    assert found.step.tolist() == list(range(10))
    assert found.lead[:, 0].tolist() == [last[step] for step in range(10)]


def test_a_last_line_without_its_end_is_left_out(tmp_path):
    path = write(tmp_path / "steps.jsonl", [line(0)], end='\n{"step": 1, "mar')
    assert read_trace(path).step.tolist() == [0]


def test_empty_lines_are_passed_over(tmp_path):
    path = tmp_path / "steps.jsonl"
    path.write_text(json.dumps(line(0)) + "\n\n" + json.dumps(line(1)) + "\n")
    assert read_trace(path).step.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no step in it"),
        ('{"step": 0\n', "line 1: Invalid JSON"),
        (json.dumps(line(0)) + "\n[1]\n", "line 2: Input should be an object"),
        (json.dumps(line(-1)) + "\n", "line 1: step"),
        ('{"step": 0}\n', "line 1: margin: Field required"),
        (json.dumps(line(0, margin=())) + "\n", "line 1: margin"),
        (json.dumps(line(0, margin=(math.nan,))) + "\n", "line 1: margin.0"),
        (json.dumps(line(0, gaps=(1, 2), weights=(1, 0))) + "\n", "2 weights and 2 score gaps"),
        (json.dumps(line(0, gaps=(1, 2, 3), weights=(1, 0))) + "\n", "2 weights and 3 score gaps"),
    ],
)
def test_a_wrong_record_says_which_line_is_wrong(tmp_path, text, message):
    path = tmp_path / "steps.jsonl"
    path.write_text(text)
    with pytest.raises(StoreError) as caught:
        read_trace(path)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "steps.jsonl").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(StoreError, match="cannot be read"):
        read_trace(tmp_path / "steps.jsonl")


def preference(chosen, *rejected):
    return {
        "key": "u", "chosen": {"item": "a", "score": chosen},
        "rejected": [{"item": "b", "score": score} for score in rejected],
    }  # fmt: skip


COUNTS = {"asked": 9, "incomplete": 2, "tied": 3, "kept": 4, "conflicts": 0.5, "weak": 0.25}


def test_conflicts_are_counted_for_the_hard_and_the_easy_item(tmp_path):
    run = Run(tmp_path)
    lines = [preference(*own) for own in ((5, 6, 2), (3, 6, 4), (5, 5, 1), (7, 4, 2))]
    write(run.artifacts / "preferences.jsonl", lines)
    (run.artifacts / "preferences.json").write_text(json.dumps(COUNTS))
    found = read_conflicts(run)
    assert (found.n, found.hard, found.easy, found.equal) == (4, 0.5, 0.25, 0.25)
    assert found.counts.tied == 3


def test_preferences_without_scores_have_no_conflicts(tmp_path):
    run = Run(tmp_path)
    assert read_conflicts(run) is None
    write(run.artifacts / "preferences.jsonl", [preference(None, None), preference(4, None)])
    assert read_conflicts(run) is None


# Summaries


def test_smoothing_is_a_centred_mean_and_keeps_a_straight_line():
    values = np.arange(100.0)[:, None] * [1.0, -2.0]
    inside = smoothed(values)[5:-5]
    assert np.allclose(inside, values[5:-5])
    assert smoothed(values)[0].tolist() == [1.0, -2.0]  # of the steps 0, 1 and 2
    assert smoothed(np.ones((3, 1))).tolist() == [[1.0]] * 3
    gap = np.array([[np.nan], [2.0]])
    assert np.isnan(smoothed(gap)[0, 0]) and smoothed(gap)[1, 0] == 2


@pytest.mark.parametrize(
    ("n", "start", "end"), [(1, [0], [0]), (4, [0], [3]), (10, [0, 1], [8, 9])]
)
def test_start_and_end_are_a_fifth_of_the_steps(tmp_path, n, start, end):
    found = trace(tmp_path, [line(step) for step in range(n)])
    assert found.step[steps_of(found, "start")].tolist() == start
    assert found.step[steps_of(found, "end")].tolist() == end


def weighted(tmp_path, first, last):
    """Ten steps with one rejected response: the pairs of the first two, and of the last two."""
    lines = []
    for step in range(10):
        gaps, weights = zip(
            *(first if step < 2 else last if step > 7 else ((0, 0.5),)), strict=True
        )
        lines.append(line(step, (1.0,), gaps, weights))
    return trace(tmp_path, lines)


FIRST = ((-1.0, 0.1), (-0.6, 0.3), (0.0, 0.5), (2.0, 0.9))
LAST = ((-1.0, 0.4), (1.49, 0.6), (1.5, 0.6), (2.0, 0.2))


def test_bins_are_around_whole_numbers_and_hold_mean_and_quartiles(tmp_path):
    found = weighted(tmp_path, FIRST, LAST)
    bins = {(b.phase, b.low): b for b in weight_bins(found)}
    assert list(bins) == [(p, low) for p in ("start", "end") for low in (-1.5, -0.5, 0.5, 1.5)]
    assert [b.count for b in bins.values()] == [4, 2, 0, 2, 2, 0, 2, 4]
    first = bins["start", -1.5]
    assert first.high == -0.5
    assert first.mean == pytest.approx(0.2) and first.median == pytest.approx(0.2)
    assert (first.q25, first.q75) == pytest.approx((0.1, 0.3))
    assert bins["start", 0.5].mean is None and bins["start", 0.5].median is None
    end = bins["end", 1.5]
    assert (end.mean, end.q25, end.q75) == pytest.approx((0.4, 0.2, 0.6))


def test_correlations_are_those_of_the_phase(tmp_path):
    straight = [(gap, 0.5 + gap / 10) for gap in (-3.0, -1.0, 0.0, 2.0)]
    # r of (0, 1, 2) and (0, 1, 0) is 0; ranks tie.
    start, end = correlations(weighted(tmp_path, straight, [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0)]))
    assert (start.phase, start.n, end.phase, end.n) == ("start", 8, "end", 6)
    assert (start.pearson, start.spearman) == pytest.approx((1, 1))
    assert (end.pearson, end.spearman) == pytest.approx((0, 0), abs=1e-12)


def test_a_curve_that_only_rises_has_spearman_one_and_less_of_pearson(tmp_path):
    curve = [(gap, float(np.exp(gap))) for gap in (-3.0, 0.0, 1.0, 4.0)]
    start, end = correlations(weighted(tmp_path, curve, [(0.0, 0.3), (1.0, 0.3)]))
    assert start.spearman == pytest.approx(1) and start.pearson < 0.95
    assert end.pearson is None and end.spearman is None  # the weights are all the same


def test_without_weights_there_are_no_bins_and_no_correlations(tmp_path):
    found = trace(tmp_path, [line(0), line(1)])
    assert weight_bins(found) == () and correlations(found) == ()
    assert pairs_of(found, "end").shape == (0, 2)


# A store


def add(store, task, label, lines=None, status="complete", seed=0, preferences=None):
    run_id = f"{label}{seed}"
    run = store.run("s", task, label, run_id)
    run.path.mkdir(parents=True)
    run.write_manifest(
        Manifest(
            run_id=run_id,
            row_id=label,
            status=status,
            suite="s",
            task=task,
            label=label,
            family="preference",
            seed=seed,
            identity={},
            provenance={},
            started="now",
        )
    )
    if lines is not None:
        write(run.artifacts / "steps.jsonl", lines)
    if preferences is not None:
        write(run.artifacts / "preferences.jsonl", preferences)
        (run.artifacts / "preferences.json").write_text(json.dumps(COUNTS))
    return PlannedRow(task=task, label=label, family="preference", seed=seed, run_id=run_id)


def capo_lines(steps=20):
    rng = np.random.default_rng(0)
    lines = []
    for step in range(steps):
        gaps, weights = [], []
        for chosen, hard, easy in np.round(rng.uniform(1, 7, (4, 3)), 2).tolist():
            gaps += [chosen - hard, chosen - easy, hard - easy]
            weights += [1 / (1 + math.exp(-gap)) for gap in gaps[-3:]]
        lines.append(line(step, (0.1 * step, 0.2 * step), gaps, weights))
    return lines


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs").create()
    rows = [
        add(store, "toy", "popularity"),
        add(store, "toy", "c-apo", capo_lines(), preferences=[preference(5, 6, 2)] * 4),
        add(store, "toy", "s-dpo", [line(s, (1.0, 2.0, 3.0)) for s in range(2)], "started"),
        add(store, "toy", "dpo", [line(0, (1.0,))], seed=0),
        add(store, "toy", "dpo", [line(0, (1.0,))], seed=1),
        add(store, "other", "dpo", status="failed"),
        PlannedRow(task="other", label="s-dpo", family="x", seed=0, run_id="0" * 16),
        PlannedRow(task="other", label="c-apo", family="x", seed=0, left_out="not installed: x"),
    ]
    store.update_plan(
        Plan(
            suite="s",
            title="S",
            primary="ndcg@5",
            metrics=["ndcg@5"],
            protocols=["scored"],
            tasks=["toy", "other"],
            labels=["popularity", "c-apo", "s-dpo", "dpo"],
            rows=rows,
        )
    )
    return store


def test_runs_with_a_record_are_found_and_the_others_say_why_they_have_none(store):
    found = diagnose(store, "s")
    assert [(own.label, own.seed) for own in found.diagnoses] == [
        ("c-apo", 0), ("s-dpo", 0), ("dpo", 0), ("dpo", 1),
    ]  # fmt: skip
    assert found.diagnoses[0].rejected == ("hard", "easy")
    assert found.diagnoses[1].rejected == ("rejected 1", "rejected 2", "rejected 3")
    assert found.without == (
        "toy / popularity: no preference method: it left no steps.jsonl",
        "other / dpo: failed, and preference training had not begun",
        "other / s-dpo: not run",
        "other / c-apo: not installed: x",
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("t",), "suite 't' has not been run"),
        (("s", "toys"), "without dataset 'toys'"),
        (("s", "", "capo"), "without method 'capo'"),
        (("s", "toy", "popularity"), "no preference method"),
        (("s", "other"), "other / s-dpo: not run"),
    ],
)
def test_nothing_to_diagnose_is_said(store, asked, message):
    with pytest.raises(StoreError) as caught:
        diagnose(store, *asked)
    assert message in str(caught.value)


def test_tables_hold_what_was_found(store, tmp_path):
    found = diagnose(store, "s")
    paths = {str(p.relative_to(tmp_path / "d")) for p in write_tables(found, tmp_path / "d")}
    assert paths == {
        "toy-c-apo/steps.csv", "toy-c-apo/weights.csv", "toy-c-apo/summary.json",
        "toy-s-dpo/steps.csv", "toy-s-dpo/summary.json",
        "toy-dpo-seed0/steps.csv", "toy-dpo-seed0/summary.json",
        "toy-dpo-seed1/steps.csv", "toy-dpo-seed1/summary.json", "conflicts.csv",
    }  # fmt: skip
    with (tmp_path / "d" / "toy-c-apo" / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "step", "lead_hard", "lead_easy", "margin_hard", "margin_easy", "smoothed_hard",
        "smoothed_easy", "leads", "saturated", "beta",
    ]  # fmt: skip
    assert [float(row["margin_easy"]) for row in rows] == pytest.approx(0.2 * np.arange(20))
    with (tmp_path / "d" / "toy-c-apo" / "weights.csv").open() as file:
        bins = list(csv.DictReader(file))
    assert sum(int(row["count"]) for row in bins) == 2 * 4 * 4 * 2  # phases, steps, users, pairs
    assert all((row["mean"] == "") == (row["count"] == "0") for row in bins)
    with (tmp_path / "d" / "conflicts.csv").open() as file:
        assert list(csv.reader(file))[1] == ["toy", "c-apo", "0", "4", "1", "0", "0"]
    told = json.loads((tmp_path / "d" / "toy-c-apo" / "summary.json").read_text())
    assert told == summary(found.diagnoses[0])
    assert told["start"]["margin"] == {"hard": 0.15, "easy": 0.3}
    assert told["end"]["steps"] == 4
    assert told["conflicts"]["asked"] == 9 and told["conflicts"]["hard"] == 1
    assert told["weight_and_score_gap"][0]["spearman"] == pytest.approx(1)


def test_the_table_shows_start_and_end(store):
    rows = table(diagnose(store, "s"))
    assert rows[0][:4] == ("toy / c-apo", "20", "0.22 > 2.62", "0.50 > 0.50")
    assert rows[0][6:] == ("1.00 > 1.00", "1.00")
    assert rows[1][0] == "toy / s-dpo (started)" and rows[1][5:] == ("", "", "")
    assert [row[0] for row in rows[2:]] == ["toy / dpo", "toy / dpo #1"]


# Plots


def test_plots_are_the_same_bytes_again_and_leave_matplotlib_as_it_was(store, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    found = diagnose(store, "s", label="c-apo")
    before = dict(matplotlib.rcParams)
    paths = write_plots(found, tmp_path / "one")
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False}):
        write_plots(found, tmp_path / "two")
    assert dict(matplotlib.rcParams) == before
    names = {path.relative_to(tmp_path / "one").as_posix() for path in paths}
    assert names == {
        f"{name}.{kind}"
        for name in (*(f"toy-c-apo/{n}" for n in ("margins", "shares", "weights")), "conflicts")
        for kind in ("svg", "png")
    }
    for name in names:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes(), name
        if name.endswith("svg"):
            text = content.decode()
            assert text.startswith("<?xml") and text.endswith("</svg>\n")
            assert "dc:date" not in text
        else:
            assert content.startswith(b"\x89PNG")
    assert {p.name for p in (tmp_path / "one").iterdir()} == {
        "toy-c-apo", "conflicts.svg", "conflicts.png",
    }  # fmt: skip


def test_a_label_with_signs_of_mathematics_can_be_drawn(store, tmp_path):
    pytest.importorskip("matplotlib")
    row = add(store, "toy", "5$ _x_ ^{", [line(s, (1.0,) * 7) for s in range(3)])
    plan = store.plan("s")
    store.update_plan(plan.model_copy(update={"rows": [row], "labels": [row.label]}))
    found = diagnose(store, "s", "toy", row.label)
    assert all(path.stat().st_size > 1000 for path in write_plots(found, tmp_path))


def test_a_loss_without_weights_has_no_plot_of_them(store, tmp_path):
    pytest.importorskip("matplotlib")
    paths = write_plots(diagnose(store, "s", "toy", "s-dpo"), tmp_path)
    assert {path.stem for path in paths} == {"margins", "shares"}


# The command


@pytest.fixture
def invoke(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    app = typer.Typer()
    app.command()(command)
    return lambda *arguments: CliRunner().invoke(app, ["--suite", "s", *arguments])


def test_the_command_writes_and_prints(invoke, tmp_path):
    pytest.importorskip("matplotlib")
    done = invoke("--dataset", "toy", "--method", "c-apo")
    assert done.exit_code == 0, done.output
    assert "toy / c-apo" in done.output and "0.22 > 2.62" in done.output
    folder = tmp_path / "leaderboards" / "s" / "diagnostics"
    assert (folder / "toy-c-apo" / "weights.svg").is_file()
    assert (folder / "toy-c-apo" / "steps.csv").is_file()


def test_the_command_writes_elsewhere_and_names_what_it_leaves_out(invoke, tmp_path):
    pytest.importorskip("matplotlib")
    done = invoke("--to", "here", "--out", "runs")
    assert done.exit_code == 0, done.output
    assert "not shown: toy / popularity: no preference method" in done.output
    assert (tmp_path / "here" / "conflicts.png").is_file()
    assert not (tmp_path / "leaderboards").exists()


def test_the_command_says_what_is_wrong(invoke):
    done = invoke("--method", "popularity")
    assert isinstance(done.exception, StoreError)
    assert "no preference method" in str(done.exception)


def test_without_matplotlib_the_tables_are_written(invoke, tmp_path, monkeypatch):
    def missing(*_):
        raise ConfigError("plots need matplotlib", "pip install 'benchkit[plots]'")

    monkeypatch.setattr("benchkit.report.plots.write_plots", missing)
    done = invoke("--to", "here", "--method", "c-apo")
    assert done.exit_code == 0
    assert "benchkit[plots]" in done.output
    assert (tmp_path / "here" / "toy-c-apo" / "summary.json").is_file()
    assert not list((tmp_path / "here").rglob("*.svg"))


def test_matplotlib_that_is_missing_is_a_mendable_error(store, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match="benchkit\\[plots\\]"):
        write_plots(diagnose(store, "s", "toy", "dpo"), tmp_path)


def test_reading_loads_no_matplotlib_and_no_torch():
    code = (
        "import sys, benchkit.report.plots, benchkit.report.diagnosis_files, benchkit.cli.diagnose;"
        "assert not {'matplotlib', 'torch', 'scipy'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
