"""Accuracy against cost and serendipity: the front, the costs, and where names stand."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.report.core.cell import Cell
from benchkit.report.core.results import ResultRow, ResultTable
from benchkit.report.plots.label_placement import LabelPosition, place_labels
from benchkit.report.plots.scatter import Point, pareto_front
from benchkit.report.plots.tradeoff import tradeoff_metrics
from tests.support.plot_checks import changed, check_nothing_is_cut, drawn, plots
from tests.support.result_store import make_store

pytest.importorskip("matplotlib")


def points(*pairs):
    return [Point(f"p{i}", "cf", x, Cell(y)) for i, (x, y) in enumerate(pairs)]


def test_the_pareto_front_by_hand():
    given_points = points((1, 0.1), (2, 0.3), (3, 0.2), (4, 0.3), (5, 0.4), (5, 0.4))
    assert pareto_front(given_points, cost=True) == [0, 1, 4, 5]
    assert pareto_front(given_points, cost=False) == [4, 5]
    assert pareto_front(points((1, 0.5), (2, 0.4), (3, 0.1), (2, 0.3)), cost=False) == [0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_the_front_is_not_dominated_and_dominates_the_rest(pairs):
    some = points(*pairs)
    best = set(pareto_front(some, cost=True))
    for i, (x, y) in enumerate(pairs):
        better = [j for j, (a, b) in enumerate(pairs) if a <= x and b >= y and (a, b) != (x, y)]
        assert (i in best) == (not better)
    assert all(some[a].x <= some[b].x for a, b in pairwise(pareto_front(some, cost=True)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 400), st.floats(0, 300), st.floats(5, 120)), min_size=1, max_size=30
    )
)
def test_labels_touch_neither_each_other_nor_a_point(spots):
    where = [(x, y) for x, y, _ in spots]
    boxes = place_labels(where, [(width, 12.0) for *_, width in spots], (0, 0, 400, 300), 4.0, 20.0)
    placed = [place.box for place in boxes if place is not None]
    dots = [(x - 4, y - 4, x + 4, y + 4) for x, y in where]
    for one, two in [*combinations(placed, 2), *((a, b) for a in placed for b in dots)]:
        assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
    for left, bottom, right, top in placed:
        assert left >= 0 and bottom >= 0 and right <= 400 and top <= 300


def test_a_label_stands_right_of_a_point_that_is_alone_and_keeps_off_lines():
    (alone,) = place_labels([(50, 50)], [(40, 10)], (0, 0, 200, 100), 4, 20)
    assert alone == LabelPosition((57, 45, 97, 55), needs_leader=False)
    (place,) = place_labels([(50, 50)], [(40, 10)], (0, 0, 200, 100), 4, 20, [(54, 49, 150, 51)])
    moved = place.box
    assert moved[1] >= 51 or moved[3] <= 49 or moved[2] <= 54
    assert place_labels([(50, 50)], [(400, 10)], (0, 0, 200, 100), 4, 20) == [None]


def apart(spot, box):
    """How far a point is from a box, and the nearest point of the box."""
    nearest = [min(max(c, low), high) for c, low, high in zip(spot, box[:2], box[2:], strict=True)]
    return math.dist(spot, nearest), nearest


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(180, 220), st.floats(130, 170), st.floats(5, 90)),
        min_size=2, max_size=12,
    )
)  # fmt: skip
def test_of_clustered_points_a_label_without_a_leader_is_nearest_to_its_own(spots):
    where = [(x, y) for x, y, _ in spots]
    positions = place_labels(where, [(w, 12.0) for *_, w in spots], (0, 0, 400, 300), 4.0, 20.0)
    for i, place in enumerate(positions):
        if place is not None and not place.needs_leader:
            own_distance = apart(where[i], place.box)[0]
            assert own_distance <= 20
            others = [apart(spot, place.box)[0] for j, spot in enumerate(where) if j != i]
            assert min(others) > 1.3 * own_distance


CLUSTERS = {
    "side by side": [(200, 150), (207, 150)],
    "a row": [(170 + 12 * i, 150) for i in range(4)],
    "a column": [(200, 110 + 9 * i) for i in range(8)],
    "a square": [(200 + 13 * i, 150 + 13 * j) for i in range(3) for j in range(3)],
    "a slope": [(200 + 6 * i, 150 + 4 * i) for i in range(7)],
}


@pytest.mark.parametrize("spots", CLUSTERS.values(), ids=list(CLUSTERS))
def test_leaders_of_clustered_points_cross_no_other_point(spots):
    positions = place_labels(spots, [(50.0, 12.0)] * len(spots), (0, 0, 400, 300), 4.0, 20.0)
    leaders = 0
    for i, place in enumerate(positions):
        assert place is not None
        if place.needs_leader:
            leaders += 1
            reach, end = apart(spots[i], place.box)
            along = np.linspace(4 / reach, 1, 200)[:, None]
            line = spots[i] + along * (np.array(end) - spots[i])
            others = np.array([spot for j, spot in enumerate(spots) if j != i])
            assert np.linalg.norm(line[:, None] - others, axis=-1).min() >= 4 - 1e-6
            boxes = [other.box for j, other in enumerate(positions) if j != i]
            inside = [[b[0] < x < b[2] and b[1] < y < b[3] for b in boxes] for x, y in line]
            assert not np.any(inside)
    assert leaders or len(spots) == 2


def test_costs_are_of_a_case(tmp_path):
    store = changed(make_store(tmp_path, ["a", "b", "c"]), seconds={"a": 40.0, "b": 0.0, "c": 4.0})
    positions = plots(store)
    axes = drawn(positions["tradeoff-seconds-toys-scored"])[0].axes[0]
    x = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in "osD"]
    assert x == pytest.approx([1.0, 0.0005 / 40, 0.1])  # 40 cases; a manifest rounds to ms
    assert axes.get_xscale() == "log"
    tokens = drawn(positions["tradeoff-tokens-toys-scored"])[0].axes[0]
    assert [line.get_xdata()[0] for line in tokens.lines if line.get_marker() in "osD"] == [
        15.0
    ] * 3


def test_a_cost_that_few_have_names_the_others(tmp_path):
    store = make_store(tmp_path, ["a", "b", "free"])
    for run in store.runs():
        manifest = run.manifest()
        if manifest.label == "free":
            cost = {k: v for k, v in manifest.cost.items() if k != "scored_tokens"}
            run.write_manifest(manifest.model_copy(update={"cost": cost}))
    _, texts, _ = drawn(plots(store)["tradeoff-tokens-toys-scored"])
    assert any("No tokens recorded: free." in text.get_text() for text, _ in texts)


def test_seconds_of_different_machines_are_marked(tmp_path):
    store = changed(make_store(tmp_path, ["a", "b"]), identity={"a": {"device": "cuda"}})
    positions = plots(store)
    _, texts, _ = drawn(positions["tradeoff-seconds-toys-scored"])
    assert any("2 different machines" in text.get_text() for text, _ in texts)


def test_serendipity_stands_against_the_accuracy_of_its_cutoff(tmp_path):
    measured = ("serendipity@1", "serendipity@5", "hr@1", "hr@5", "ndcg@5")
    row = ResultRow("t", "scored", "a", "cf", "complete", cells=dict.fromkeys(measured, Cell(0.5)))
    table = ResultTable("t", "scored", "", dict.fromkeys(measured, 0.1), (row,), ())
    assert tradeoff_metrics(table, "serendipity@1") == ("hr@1", "serendipity@1")
    assert tradeoff_metrics(table, "ndcg@5") == ("ndcg@5", "serendipity@5")
    plain = ResultTable("t", "scored", "", {"hr@1": 0.1}, (), ())
    assert tradeoff_metrics(plain, "hr@1") == ("hr@1", None)
    positions = plots(make_store(tmp_path, ["a", "b", "c"], metrics=measured))
    check_nothing_is_cut(positions["tradeoff-serendipity-toys-scored"])
