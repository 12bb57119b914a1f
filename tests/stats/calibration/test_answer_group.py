"""Whether labelled answers look like a random sample of the judged ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.stats.calibration.answer_group import describe_unlike_labels, make_group

NAN = float("nan")


@given(st.sampled_from([3.0, 2.9, 1.1, 0.1, 0.0]), st.integers(20, 60), st.integers(0, 2**32 - 1))
def test_a_judge_with_one_grade_is_no_sign_of_a_sample_that_is_not_random(grade, n, seed):
    rng = np.random.default_rng(seed)
    people = np.where(np.arange(60) < n, rng.integers(0, 4, 60), NAN)
    group = make_group(np.full(60, grade), people, rng.uniform(0.5, 3, 60))
    assert group.equally_judged
    assert describe_unlike_labels(group) == ""


def test_grades_that_differ_by_rounding_are_equal():
    judge = np.where(np.arange(60) % 2, 0.3, 0.1 + 0.2)
    people = np.where(np.arange(60) < 30, 1.0, NAN)
    group = make_group(judge, people)
    assert group.equally_judged and describe_unlike_labels(group) == ""
    assert not make_group(judge + (np.arange(60) == 59) * 0.01, people).equally_judged
    assert make_group([2.0, NAN, 2.0], [NAN] * 3).equally_judged
    assert not make_group([NAN, NAN], [NAN] * 2).equally_judged


@pytest.mark.parametrize("weight", [1.0, 1.7])
def test_labels_of_the_best_answers_are_still_seen(weight):
    judge = np.repeat([1.0, 2.0, 3.0], 40)
    people = np.where((judge > 2) | (np.arange(120) % 20 == 0), judge, NAN)
    group = make_group(judge, people, np.full(120, weight))
    assert "hardly a random sample" in describe_unlike_labels(group)
