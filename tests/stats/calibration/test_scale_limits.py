"""Intervals of means end where the scale does, and nothing else of them changes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.stats.calibration.answer_group import make_group
from benchkit.stats.calibration.prediction_powered import calibrate_contrast
from benchkit.stats.calibration.scale_limits import clip_to_scale

LIMITS = (0.0, 3.0)


def labelled(grades, certain=()):
    """60 answers that a judge graded, the first of them by people, too."""
    people = np.full(60, np.nan)
    people[: len(grades)] = grades
    group = make_group(np.arange(60) % 4, people)
    units = 60 + np.arange(len(certain))
    return replace(group, certain=np.array(certain, dtype=float), certain_units=units)


@pytest.mark.parametrize(
    ("grades", "certain", "low", "high"),
    [
        ([3.0] * 21 + [2.0], [], 2.0, 3.0),
        ([0.0] * 21 + [1.0], [], 0.0, 1.0),
        ([3.0] * 21 + [2.0], [1.0] * 60, 1.0, 2.0),  # half of the answers are known to be 1
    ],
)
def test_limits_stay_on_the_scale(grades, certain, low, high):
    group = labelled(grades, certain)
    before = calibrate_contrast([group], [1.0])
    after = clip_to_scale(before, [group], [1.0], LIMITS)
    assert before.labels_alone.high > high or before.labels_alone.low < low
    for estimate in (after.corrected, after.labels_alone):
        assert low <= estimate.low <= estimate.value <= estimate.high <= high
    assert after.labels_alone.value == before.labels_alone.value


def test_a_difference_ends_at_the_difference_of_the_ends():
    groups = [labelled([3.0] * 21 + [0.0]), labelled([0.0] * 21 + [3.0])]
    estimate = calibrate_contrast(groups, [1.0, -1.0])
    clipped = clip_to_scale(estimate, groups, [1.0, -1.0], LIMITS).labels_alone
    assert estimate.labels_alone.high > 3.0 - 1e-9 or clipped.high == estimate.labels_alone.high
    assert clipped.low >= -3.0 and clipped.high <= 3.0


@given(st.integers(0, 2**32 - 1))
def test_what_is_on_the_scale_stays_to_the_bit(seed):
    grades = np.random.default_rng(seed).integers(1, 3, 30).astype(float).tolist()
    group = labelled(grades)
    estimate = calibrate_contrast([group], [1.0])
    assert clip_to_scale(estimate, [group], [1.0], LIMITS) == estimate
