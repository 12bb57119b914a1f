"""What preference training left behind: reading it, and what it comes to."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import StoreError
from benchkit.report.training.diagnostics import read_conflicts, read_trace
from benchkit.report.training.trace_statistics import (
    phase_pairs,
    phase_steps,
    saturated_shares,
    smooth,
    weight_bins,
    weight_gap_correlations,
)
from benchkit.runs.store import Run
from tests.support.training_traces import COUNTS, line, preference, write


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
            line(0, (1.0, 3.0), beta=2.0, leads=0.25, beyond_10=0.5),
            line(0, (2.0, 5.0), beta=2.0, leads=0.75, beyond_10=0.0),
            line(1, (4.0, -1.0), beta=0.5, leads=1.0, beyond_10=1.0),
        ],
    )
    assert found.step.tolist() == [0, 1]
    assert found.lead.tolist() == [[1.5, 4.0], [4.0, -1.0]]
    assert found.margin.tolist() == [[3.0, 8.0], [2.0, -0.5]]
    assert found.lead_shares.tolist() == [0.5, 1.0]
    assert found.beyond_10.tolist() == [0.25, 1.0]
    assert found.beta.tolist() == [2.0, 0.5]
    assert not found.weighted


def test_only_pairs_with_the_chosen_response_are_looked_at(tmp_path):
    one, two = (example(5, 6, 2, (0.2, 0.9, 0.99)), example(4, 3, 1, (0.7, 0.95, 0.8)))
    both = line(0, gaps=one[0] + two[0], weights=one[1] + two[1])
    found = trace(tmp_path, [both])
    assert found.pairs[0].tolist() == [[-1, 0.2], [3, 0.9], [1, 0.7], [3, 0.95]]


def test_pairs_of_responses_that_are_absent_are_passed_over(tmp_path):
    """Three responses and two: of the second example only the first pair is one."""
    gaps, weights = (-1, 3, 4, 1, None, None), (0.2, 0.9, 0.99, 0.7, None, None)
    found = trace(tmp_path, [line(0, gaps=gaps, weights=weights)])
    assert found.pairs[0].tolist() == [[-1, 0.2], [3, 0.9], [1, 0.7]]
    assert [b.count for b in weight_bins(found)] == [1, 0, 1, 0, 1] * 2
    assert phase_pairs(found, "end").shape == (3, 2)


def test_a_record_from_before_utilities_beyond_10_were_called_so_is_read(tmp_path):
    old = line(0, saturated=0.5)
    del old["beyond_10"]
    assert trace(tmp_path, [old]).beyond_10.tolist() == [0.5]


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


def test_conflicts_are_counted_for_the_hard_and_the_easy_item(tmp_path):
    run = Run(tmp_path)
    lines = [preference(*own) for own in ((5, 6, 2), (3, 6, 4), (5, 5, 1), (7, 4, 2))]
    write(run.artifacts / "preferences.jsonl", lines)
    (run.artifacts / "preferences.json").write_text(json.dumps(COUNTS))
    found = read_conflicts(run)
    assert (found.n, found.hard, found.easy, found.equal) == (4, 0.5, 0.25, 0.25)
    assert found.share == 0.5
    assert found.counts.tied == 3


def test_one_rejected_item_is_neither_hard_nor_easy(tmp_path):
    run = Run(tmp_path)
    write(run.artifacts / "preferences.jsonl", [preference(5, 6), preference(5, 3)])
    found = read_conflicts(run)
    assert (found.n, found.share, found.hard, found.easy, found.equal) == (2, 0.5, None, None, 0)
    # The easy one may conflict alone where preferences were made elsewhere and are not in order.
    write(run.artifacts / "preferences.jsonl", [preference(5, 3, 6), preference(5, 6)])
    found = read_conflicts(run)
    assert (found.n, found.share, found.hard, found.easy) == (2, 1.0, 0.0, 1.0)


def test_preferences_without_scores_have_no_conflicts(tmp_path):
    run = Run(tmp_path)
    assert read_conflicts(run) is None
    write(run.artifacts / "preferences.jsonl", [preference(None, None), preference(4, None)])
    assert read_conflicts(run) is None


# Summaries


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
    assert saturated_shares(trace(tmp_path, [one, one, line(1, (1.0,), (0,), (0.5,))])).tolist() == [
        0.5, 0.0,
    ]  # fmt: skip
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
