"""Plots of a suite: which are drawn of what, that they can be drawn again, that nothing is cut."""

import subprocess
import sys

import numpy as np
import pytest

from benchkit.errors import ConfigError
from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.plots import style, suite
from benchkit.report.plots.base import error_bar_lengths, series_styles
from benchkit.report.plots.suite import write_suite_plots
from tests.support.plot_checks import LONG, NASTY, changed, check_nothing_is_cut, drawn, plots
from tests.support.result_store import CHANCE, make_store

pytest.importorskip("matplotlib")


def test_a_table_gives_its_metric_and_what_it_cost(tmp_path):
    store = make_store(tmp_path, ["a", "b", "c"], failed=["c"])
    assert list(plots(store)) == [
        "metric-toys-scored", "tradeoff-seconds-toys-scored", "tradeoff-training-toys-scored",
        "tradeoff-tokens-toys-scored",
    ]  # fmt: skip
    assert list(plots(store, reading=False)) == list(plots(store))


def test_files_are_those_of_the_plots(tmp_path):
    store = make_store(tmp_path / "runs", ["a", "b"])
    paths = write_suite_plots(collect_results(store, "made"), tmp_path / "out", store)
    assert [path.name for path in paths] == [
        f"{stem}.{kind}" for stem in plots(store) for kind in ("svg", "png")
    ]
    assert sorted(path.name for path in paths) == sorted(
        p.name for p in (tmp_path / "out").iterdir()
    )


def test_one_method_has_no_tradeoff(tmp_path):
    assert list(plots(make_store(tmp_path, ["only"]))) == ["metric-toys-scored"]


def test_nothing_is_drawn_without_a_result(tmp_path):
    store = make_store(tmp_path / "runs", ["a", "b"], failed=["a", "b"])
    assert write_suite_plots(collect_results(store, "made"), tmp_path / "out", store) == []
    assert not (tmp_path / "out").exists()


def test_several_tasks_stand_side_by_side(tmp_path):
    found_plots = plots(make_store(tmp_path, ["a", "b"], tasks=("toys", "books", "games")))
    assert [name for name in found_plots if name.startswith("metric")] == [
        "metric-toys-scored", "metric-books-scored", "metric-games-scored", "metrics-scored",
    ]  # fmt: skip


def test_without_matplotlib_the_mend_is_named(tmp_path, monkeypatch):
    results = collect_results(make_store(tmp_path, ["a"]), "made")
    monkeypatch.setattr(suite, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="matplotlib"):
        write_suite_plots(results, tmp_path / "out")


def test_matplotlib_is_loaded_when_a_plot_is_drawn():
    code = "import sys, benchkit.report.plots.suite\nprint('matplotlib' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_the_same_store_gives_the_same_bytes(tmp_path):
    store = changed(
        make_store(tmp_path / "runs", ["a x=1", "a x=2", *NASTY[:5]], tasks=("toys", "books")),
        {"a x=1": {"x": 1}, "a x=2": {"x": 2}, **{name: {} for name in NASTY}},
        history=[1, 5], history_buckets=[(1, 2), (3,)],
    )  # fmt: skip
    kinds = {plot.name[0]: plot for plot in plots(store).values()}
    assert set(kinds) == {"metric", "metrics", "history", "sweep", "tradeoff"}
    for kind, again in ((plot.name[0], plot) for plot in plots(store).values()):
        if kinds.get(kind) and again.name == kinds[kind].name:
            one, two = (
                style.save_figure(tmp_path / folder / kind, plot.height, plot.draw, plot.width)
                for folder, plot in (("one", kinds[kind]), ("two", again))
            )
            for a, b in zip(one, two, strict=True):
                assert a.read_bytes() == b.read_bytes(), a.name


# Metric by method


def test_points_intervals_and_chance_are_those_of_the_table(tmp_path):
    store = make_store(tmp_path, ["a", "b", "c", "d"], failed=["b"])
    table = collect_results(store, "made").tables[0]
    drawn_figure, texts, _ = drawn(plots(store)["metric-toys-scored"])
    axes = drawn_figure.axes[0]
    best = sorted((row for row in table.rows if row.cells), key=lambda r: -r.cells["ndcg@5"].mean)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "c", "d°", "b"]
    ends = [segments[0] for bar in axes.collections for segments in [bar.get_segments()]]
    for y, (row, (low, high)) in enumerate(zip(best, ends, strict=True)):
        cell = row.cells["ndcg@5"]
        assert (low[0], high[0]) == pytest.approx((cell.low, cell.high))
        assert low[1] == high[1] == y
    assert any(list(line.get_xdata()) == [CHANCE["ndcg@5"]] * 2 for line in axes.lines)
    visible = [text.get_text() for text, _ in texts]
    assert "failed: it raised because" in visible and "chance .098" in visible
    assert sum(marker.get_marker() not in ("None", "|", "") for marker in axes.lines) == 3


def test_panels_share_rows_and_scale(tmp_path):
    store = make_store(tmp_path, ["a", "b"], tasks=[f"task {i}" for i in range(7)])
    drawn_figure, texts, _ = drawn(plots(store)["metrics-scored"])
    assert len(drawn_figure.axes) == 8 and not drawn_figure.axes[7].axison
    assert len({axes.get_xlim() for axes in drawn_figure.axes[:7]}) == 1
    assert [axes.get_title("left") for axes in drawn_figure.axes[:7]] == [
        f"task {i}" for i in range(7)
    ]
    assert sum(text.get_text() == "a" for text, _ in texts) == 2  # beside the first of each line


def test_panels_mark_what_is_not_above_chance(tmp_path):
    store = make_store(tmp_path, ["a", "b", "c", "d"], tasks=("toys", "tea"))
    tables = collect_results(store, "made").tables
    weak = [(row.task, row.label) for table in tables for row in table.rows
            if row.cells["ndcg@5"].above_chance is False]  # fmt: skip
    visible = [text.get_text() for text in check_nothing_is_cut(plots(store)["metrics-scored"])]
    assert visible.count("°") == len(weak) > 0
    assert any(text.startswith("° not above chance") for text in visible)


def test_families_differ_in_colour_and_marker():
    many = series_styles(30)
    assert len({(look.colour, look.marker) for look in many}) == 30
    assert len({look.colour for look in many[:6]}) == len({look.marker for look in many[:6]}) == 6


def test_a_cell_without_an_interval_has_no_bar():
    assert error_bar_lengths([Cell(0.5), Cell(0.5, 0.4, 0.7)]) == [
        [0.0, pytest.approx(0.1)], [0.0, pytest.approx(0.2)],
    ]  # fmt: skip


# Names


def test_nothing_breaks_or_is_cut_with_nasty_names(tmp_path):
    store = make_store(
        tmp_path, NASTY, tasks=("toys_$1", "مرحبا"), failed=[NASTY[3]], title=LONG + "$a_b$",
        text="<b>😀 推荐" + LONG,
    )  # fmt: skip
    found_plots = plots(changed(store, history=[1, 5], history_buckets=[(1, 2), (3,)]))
    assert len(found_plots) == 11
    for name, plot in found_plots.items():
        if "مرحبا" not in name and "training" not in name:
            check_nothing_is_cut(plot)


@pytest.mark.parametrize("kind", ["metric", "history", "tradeoff-seconds"])
def test_sixty_methods(tmp_path, kind):
    labels = [f"method number {i}" for i in range(60)]
    rng = np.random.default_rng(0)
    seconds = dict(zip(labels, np.exp(rng.normal(0, 2, 60)).tolist(), strict=True))
    store = changed(make_store(tmp_path, labels, users=100), seconds=seconds, history=[1, 5],
                    history_buckets=[(1, 2), (3,)])  # fmt: skip
    plot = plots(store)[f"{kind}-toys-scored"]
    visible = " ".join(text.get_text() for text in check_nothing_is_cut(plot))
    assert all(f"number {i}" in visible for i in range(60))


def test_names_that_find_no_room_stand_under_the_plot(tmp_path):
    labels = [f"a long name of method number {i}" for i in range(60)]
    store = changed(make_store(tmp_path, labels), seconds=dict.fromkeys(labels, 1.0))
    _, texts, _ = drawn(plots(store)["tradeoff-seconds-toys-scored"])
    assert any("Not named in the plot" in text.get_text() for text, _ in texts)
