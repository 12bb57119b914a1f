"""Reading the record of preference training."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import StoreError
from benchkit.report.training.trace_statistics import (
    phase_pairs,
    weight_bins,
)
from benchkit.report.training.training_trace import read_trace
from tests.support.training_traces import line, write


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
        ('{"step": 0}\n', "line 1: 4 problems\n  margin: is missing\n  leads: is missing"),
        (json.dumps(line(0, margin=())) + "\n", "line 1: margin"),
        (json.dumps(line(0, margin=(math.nan,))) + "\n", "line 1: margin.0: "),
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
