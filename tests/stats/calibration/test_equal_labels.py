"""Labels that are all equal: what they leave open, by hand and by drawing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.stats.calibration.answer_group import make_group
from benchkit.stats.calibration.equal_labels import (
    describe_equal_labels,
    largest_missed_share,
    widen_for_equal_labels,
)
from benchkit.stats.calibration.prediction_powered import calibrate_contrast
from benchkit.stats.calibration.scale_limits import clip_to_scale


def labelled(grade, n=20, total=100, weights=None):
    people = np.full(total, np.nan)
    people[:n] = grade
    return make_group(np.arange(total) % 4, people, weights)


def widened(groups, coefficients, limits=(0.0, 3.0)):
    estimate = calibrate_contrast(groups, coefficients)
    return widen_for_equal_labels(estimate, groups, coefficients, limits)


def test_the_rule_of_three_by_hand():
    q = largest_missed_share(20)
    assert (1 - q) ** 20 == pytest.approx(0.05)
    estimate = widened([labelled(2.0)], [1.0])
    assert estimate.corrected.value == pytest.approx(2)
    assert estimate.corrected.low == pytest.approx(2 - 2 * q)
    assert estimate.corrected.high == pytest.approx(2 + q)
    assert estimate.labels_alone == estimate.corrected
    assert estimate.effective_labels == 20  # and not all 100: the judge says nothing


def test_a_difference_has_what_both_leave_open():
    q = largest_missed_share(20)
    estimate = widened([labelled(2.0), labelled(0.0)], [1.0, -1.0]).corrected
    assert estimate.value == pytest.approx(2)
    assert estimate.low == pytest.approx(2 - math.hypot(2 * q, 3 * q))
    assert estimate.high == pytest.approx(2 + q)  # the second cannot be below 0


def test_unequal_weights_are_worth_fewer_labels():
    weights = np.where(np.arange(100) < 10, 3.0, 1.0)
    q = largest_missed_share(16)  # (10 * 3 + 10)^2 / (10 * 9 + 10)
    assert widened([labelled(2.0, weights=weights)], [1.0]).corrected.high == pytest.approx(2 + q)


def test_without_a_scale_there_is_no_interval_and_a_reason():
    estimate = widened([labelled(2.0)], [1.0], limits=None).corrected
    assert (
        estimate.value == pytest.approx(2)
        and math.isnan(estimate.low)
        and math.isnan(estimate.high)
    )
    assert "no interval" in describe_equal_labels(labelled(2.0), None)
    assert "another grade of 14 %" in describe_equal_labels(labelled(2.0), (0, 3))


@given(st.lists(st.integers(0, 3), min_size=20, max_size=40).filter(lambda x: len(set(x)) > 1))
def test_other_labels_are_left_as_they_are(grades):
    group = labelled(np.array(grades, dtype=float), n=len(grades))
    estimate = calibrate_contrast([group], [1.0])
    assert widen_for_equal_labels(estimate, [group], [1.0], (0.0, 3.0)) == estimate
    assert describe_equal_labels(group, (0, 3)) == ""


def with_certain(group, grades):
    units = len(group.judge) + np.arange(len(grades))
    return replace(group, certain=np.array(grades, dtype=float), certain_units=units)


def on_scale(groups, coefficients, limits=(0.0, 3.0)):
    return clip_to_scale(widened(groups, coefficients, limits), groups, coefficients, limits)


def test_an_interval_ends_where_the_scale_and_certain_answers_do():
    q = largest_missed_share(20)
    group = with_certain(labelled(3.0), [1.0])
    estimate = on_scale([group], [1.0]).corrected
    assert estimate.high == pytest.approx(301 / 101) == estimate.value
    assert estimate.low == pytest.approx(estimate.value - 3 * q * 100 / 101, abs=3e-3)
    lowest = on_scale([with_certain(labelled(0.0), [3.0, 1.0])], [1.0])
    assert lowest.corrected.low == lowest.labels_alone.low == pytest.approx(4 / 102)
    difference = on_scale([group, with_certain(labelled(0.0), [1.0])], [1.0, -1.0]).corrected
    assert difference.high == pytest.approx(301 / 101 - 1 / 101)
    assert difference.low < difference.value - 3 * q


@given(
    st.sampled_from([0.0, 1.0, 3.0]),
    st.lists(st.integers(0, 3), max_size=40),
    st.sampled_from([1.0, -0.5]),
)
def test_no_interval_of_equal_labels_leaves_the_scale(grade, certain, coefficient):
    groups = [with_certain(labelled(grade), certain)]
    estimate = on_scale(groups, [coefficient]).corrected
    ends = [coefficient * (100 * end + sum(certain)) / (100 + len(certain)) for end in (0, 3)]
    assert min(ends) - 1e-9 <= estimate.low <= estimate.value <= estimate.high
    assert estimate.high <= max(ends) + 1e-9
