"""Curves over a setting and over the length of history."""

import pytest

from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.core.results import ResultRow
from benchkit.report.plots.history_length import family_panels, history_bucket_tables
from benchkit.report.plots.setting_series import (
    RowSettings,
    common_label,
    find_series,
    series_names,
)
from benchkit.report.plots.sweep import axis_positions, setting_title
from tests.support.plot_checks import (
    changed,
    check_nothing_is_cut,
    drawn,
    plots,
    scaling_store,
    sweep_store,
)
from tests.support.result_store import make_store

pytest.importorskip("matplotlib")


def configured(label, method="M", **values):
    row = ResultRow("toys", "scored", label, "cf", "complete")
    return RowSettings(row, (method, "code"), values)


def curves(rows):
    return [(s.name, s.setting, s.values) for s in find_series(rows)]


def test_one_numeric_setting_makes_a_series():
    rows = [configured(f"m beta={b:g}", beta=b, kind="x") for b in (2, 0.5, 1)]
    assert curves(rows) == [("m", "beta", (0.5, 1, 2))]


def test_words_switches_and_other_methods_make_none():
    assert curves([configured("a", kind="x"), configured("b", kind="y")]) == []
    assert curves([configured("a", on=True), configured("b", on=False)]) == []
    assert curves([configured("a", beta=1), configured("b", "N", beta=2)]) == []
    assert curves([configured("a", beta=1, lr=1), configured("b", beta=2, lr=2)]) == []
    assert curves([configured("a", beta=1), configured("b", beta=1)]) == []


def test_two_sweeps_are_two_curves_and_not_pairs_across():
    rows = [configured(f"rec-po lambda={m:g}", margin=m, steps=0) for m in (0, 0.5, 1, 2)]
    rows += [configured(f"rec-po future lambda={m:g}", margin=m, steps=5) for m in (0.5, 2)]
    assert curves(rows) == [
        ("rec-po", "margin", (0, 0.5, 1, 2)), ("rec-po future", "margin", (0.5, 2)),
    ]  # fmt: skip


def test_a_grid_is_curves_in_both_directions_that_say_what_they_are_of():
    rows = [configured(f"m b{b} r{r}", b=b, r=r) for b in (1, 2, 3) for r in (4, 5, 6)]
    outcome = find_series(rows)
    assert [s.setting for s in outcome].count("b") == [s.setting for s in outcome].count("r") == 3
    assert series_names([s for s in outcome if s.setting == "b"]) == ["m, r 4", "m, r 5", "m, r 6"]


def test_settings_of_one_table_may_grow_together_and_none_is_last():
    sizes = [
        configured(f"m hidden={h}", **{"nano.hidden": h, "nano.inner": 2 * h}) for h in (128, 32)
    ]
    assert [(s.setting, s.covarying, s.values) for s in find_series(sizes)] == [
        ("nano.hidden", ("nano.inner",), (32, 128))
    ]
    users = [configured("m", users=None), configured("m users=10", users=10)]
    assert curves(users) == [("m", "users", (10, None))]


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (["c-apo-beta-0.1", "c-apo-beta-0.5"], "c-apo-beta"),
        (["m lambda=0", "m lambda=0.5"], "m"),
        (["sft", "sft users=10"], "sft"),
        (["x", "y"], ""),
    ],
)
def test_a_series_is_called_what_its_labels_share(labels, name):
    assert common_label(labels) == name


def test_places_on_the_axis():
    assert axis_positions([1, 2, 3]) == {1: (1, False), 2: (2, False), 3: (3, False)}
    assert axis_positions([-1, 100])[-1] == (-1.0, False)  # no logarithm
    wide = axis_positions([0, 0.001, 0.1, None])
    assert [wide[v] for v in (0, 0.001, 0.1, None)] == [
        (-5, True), (-3, False), (-1, False), (1, True),
    ]  # fmt: skip
    assert axis_positions([5, None]) == {5: (5.0, False), None: (6.0, True)}


def test_a_setting_is_called_what_the_labels_call_it():
    rows = [configured(f"rec-po lambda={m:g}", margin=m) for m in (0, 0.5, 2)]
    assert setting_title(find_series(rows)) == "lambda (setting margin)"
    assert setting_title(find_series([configured(f"m beta={b}", beta=b) for b in (1, 2)])) == "beta"
    assert setting_title(find_series([configured(f"m {b}", beta=b) for b in (1, 2)])) == "beta"
    assert (
        setting_title(find_series([configured(f"m k={9 - b}", beta=b) for b in (1, 2)])) == "beta"
    )
    users = [configured("m", limit_users=None), configured("m users=10", limit_users=10)]
    assert setting_title(find_series(users)) == "limit_users"


def test_a_setting_without_a_value_has_no_limit(tmp_path):
    drawn_figure, *_ = drawn(plots(scaling_store(tmp_path))["sweep-limit_users-toys-scored"])
    ticks = [tick.get_text() for tick in drawn_figure.axes[0].get_xticklabels()]
    assert ticks == ["1,100", "3,400", "no limit"]


def test_values_come_from_the_runs_and_not_from_labels(tmp_path):
    config = {"one": {"beta": 0.25}, "two": {"beta": 3.0}, "three": {"beta": 1.0}}
    store = changed(make_store(tmp_path, list(config)), config)
    outcome = plots(store)
    assert "sweep-beta-toys-scored" in outcome
    assert not any(name.startswith("sweep") for name in plots(store, reading=False))
    axes = drawn(outcome["sweep-beta-toys-scored"])[0].axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.25", "1", "3"]
    cells = {
        row.label: row.cells["ndcg@5"] for row in collect_results(store, "made").tables[0].rows
    }
    means = [cells[label].mean for label in ("one", "three", "two")]
    points = next(line for line in axes.lines if len(line.get_xdata()) == 3)
    assert list(points.get_ydata()) == means
    low, high = axes.get_ylim()
    assert low <= min(c.low for c in cells.values()) and high >= max(c.high for c in cells.values())


@pytest.mark.parametrize(
    ("make_suite_store", "expected"),
    [
        (sweep_store, ["sweep-beta-toys-scored", "sweep-margin-toys-scored"]),
        (scaling_store, ["sweep-limit_users-toys-scored", "sweep-nano-hidden-toys-scored"]),
    ],
)
def test_the_sweep_and_scaling_suites(tmp_path, make_suite_store, expected):
    outcome = plots(make_suite_store(tmp_path))
    assert [name for name in outcome if name.startswith("sweep")] == expected
    for name in expected:
        check_nothing_is_cut(outcome[name])


def test_many_values_do_not_print_over_each_other(tmp_path):
    config = {f"m steps={i}": {"steps": i} for i in (*range(1, 30), 100_000, 100_001)}
    outcome = plots(changed(make_store(tmp_path, list(config)), config))
    check_nothing_is_cut(outcome["sweep-steps-toys-scored"])


# Length of history


BUCKETS = [(1, 2), (3, 3), (4, 11), (12,)]


def history_store(root, labels, **more):
    store = make_store(root, labels, **more)
    return changed(store, history=[1, 2, 3, 5, 9], history_buckets=BUCKETS)


def test_buckets_are_found_among_the_tables(tmp_path):
    results = collect_results(history_store(tmp_path, ["a", "b"]), "made")
    outcome = history_bucket_tables(results, results.tables[0])
    assert list(outcome) == ["1–2", "3", "4–11"]  # nobody has 12
    sizes = [{row.cells["ndcg@5"].n for row in part.rows if row.cells} for part in outcome.values()]
    assert sizes == [{16}, {8}, {16}]


def test_curves_by_length_of_history(tmp_path):
    store = history_store(tmp_path, ["a", "b", "c"], failed=["c"])
    results = collect_results(store, "made")
    drawn_figure, texts, _ = drawn(plots(store)["history-toys-scored"])
    axes = drawn_figure.axes[0]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["1–2\n16 users", "3\n8 users", "4–11\n16 users"]
    parts = list(history_bucket_tables(results, results.tables[0]).values())[:3]
    marked = [
        line for line in axes.lines if line.get_marker() in "os" and len(line.get_xdata()) == 3
    ]
    for row, line in zip(("a", "b"), marked, strict=True):
        expected = [r.cells["ndcg@5"].mean for part in parts for r in part.rows if r.label == row]
        assert list(line.get_ydata()) == expected
    assert any("Without a result: c (failed" in text.get_text() for text, _ in texts)
    assert not any("other panels" in text.get_text() for text, _ in texts)


def test_what_is_behind_a_panel_is_seen_and_said(tmp_path):
    store = history_store(tmp_path, [f"m{i}" for i in range(8)])
    drawn_figure, texts, _ = drawn(plots(store)["history-toys-scored"])
    assert any("Grey: the methods of the other" in t.get_text() for t, _ in texts)
    axes = drawn_figure.axes[0]
    behind = [line for line in axes.lines if line.get_color() == "#BDBDBD"]
    named = len(axes.get_legend().get_texts())
    assert len(behind) == 8 - named > 0


def test_no_buckets_or_only_one_with_cases_is_no_plot(tmp_path):
    assert not any("history" in name for name in plots(make_store(tmp_path / "a", ["a"])))
    one = changed(make_store(tmp_path / "b", ["a"]), history=[4], history_buckets=[(1, 2), (3,)])
    assert not any("history" in name for name in plots(one))


def test_many_methods_have_a_panel_a_family():
    cell = {"ndcg@5": Cell(0.5)}
    rows = [
        ResultRow("t", "scored", f"m{i}", "cf" if i < 9 else "sft", "complete", cells=cell)
        for i in range(12)
    ]
    outcome = family_panels(rows, "ndcg@5")
    assert [(name, len(expected)) for name, expected in outcome] == [
        ("cf (1 of 2)", 5),
        ("cf (2 of 2)", 4),
        ("sft", 3),
    ]
    assert family_panels(rows[:7], "ndcg@5") == [("", rows[:7])]
