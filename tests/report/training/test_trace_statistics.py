"""Statistics of a training trace: smoothing, phases, bins of weights, correlations."""

import numpy as np
import pytest

from benchkit.report.training.trace_statistics import (
    phase_pairs,
    phase_steps,
    saturated_shares,
    smooth,
    weight_bins,
    weight_gap_correlations,
)
from benchkit.report.training.training_trace import read_trace
from tests.support.training_traces import line, write


def trace(tmp_path, lines):
    return read_trace(write(tmp_path / "steps.jsonl", lines))


def test_smoothing_is_a_centred_mean_and_keeps_a_straight_line():
    values = np.arange(100.0)[:, None] * [1.0, -2.0]
    inside = smooth(values)[5:-5]
    assert np.allclose(inside, values[5:-5])
    assert smooth(values)[0].tolist() == [1.0, -2.0]  # of the steps 0, 1 and 2
    assert smooth(np.ones((3, 1))).tolist() == [[1.0]] * 3
    gap = np.array([[np.nan], [2.0]])
    assert np.isnan(smooth(gap)[0, 0]) and smooth(gap)[1, 0] == 2


@pytest.mark.parametrize(
    ("n", "start", "end"), [(1, [0], [0]), (4, [0], [3]), (10, [0, 1], [8, 9])]
)
def test_start_and_end_are_a_fifth_of_the_steps(tmp_path, n, start, end):
    found = trace(tmp_path, [line(step) for step in range(n)])
    assert found.step[phase_steps(found, "start")].tolist() == start
    assert found.step[phase_steps(found, "end")].tolist() == end


def weighted(tmp_path, first, last):
    """Ten steps with one rejected response: the pairs of the first two, and of the last two."""
    lines = []
    for step in range(10):
        gaps, weights = zip(
            *(first if step < 2 else last if step > 7 else ((0, 0.5),)), strict=True
        )
        lines.append(line(step, (1.0,), gaps, weights))
    return trace(tmp_path, lines)


def test_saturated_weights_are_those_near_zero_and_one(tmp_path):
    weights = (0.0099, 0.01, 0.5, 0.99, 0.9901, 1.0)
    one = line(0, (1.0,), (0,) * 6, weights)
    shares = saturated_shares(trace(tmp_path, [one, one, line(1, (1.0,), (0,), (0.5,))]))
    assert shares.tolist() == [0.5, 0.0]
    assert np.isnan(saturated_shares(trace(tmp_path, [line(0)]))).tolist() == [True]


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
    start, end = weight_gap_correlations(
        weighted(tmp_path, straight, [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0)])
    )
    assert (start.phase, start.n, end.phase, end.n) == ("start", 8, "end", 6)
    assert (start.pearson, start.spearman) == pytest.approx((1, 1))
    assert (end.pearson, end.spearman) == pytest.approx((0, 0), abs=1e-12)


def test_a_curve_that_only_rises_has_spearman_one_and_less_of_pearson(tmp_path):
    curve = [(gap, float(np.exp(gap))) for gap in (-3.0, 0.0, 1.0, 4.0)]
    start, end = weight_gap_correlations(weighted(tmp_path, curve, [(0.0, 0.3), (1.0, 0.3)]))
    assert start.spearman == pytest.approx(1) and start.pearson < 0.95
    assert end.pearson is None and end.spearman is None  # the weights are all the same


def test_without_weights_there_are_no_bins_and_no_correlations(tmp_path):
    found = trace(tmp_path, [line(0), line(1)])
    assert weight_bins(found) == () and weight_gap_correlations(found) == ()
    assert phase_pairs(found, "end").shape == (0, 2)
