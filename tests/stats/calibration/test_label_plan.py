"""How many labels are needed, and that they then are enough."""

from dataclasses import replace

import numpy as np
import pytest

from benchkit.stats.calibration.answer_group import make_group
from benchkit.stats.calibration.label_plan import (
    NO_GRADE,
    NO_SPREAD,
    NOTHING_TO_JUDGE,
    plan_labels,
)
from benchkit.stats.calibration.prediction_powered import calibrate_contrast, calibrate_mean

NAN = float("nan")


def group(rng, size, spread, noise, n):
    people = spread * rng.normal(size=size)
    judge = people + noise * rng.normal(size=size)
    return make_group(judge, np.where(np.arange(size) < n, people, NAN))


def with_certain(judged, n, grade=0.0):
    """Return a group with n answers, of users of their own, that need no judge."""
    units = len(judged.units) + np.arange(n)
    return replace(judged, certain=np.full(n, grade), certain_units=units)


def test_labels_planned_from_a_pilot_reach_the_half_width():
    rng = np.random.default_rng(0)
    pilots = [group(rng, 4000, 1.0, noise, 100) for noise in (0.3, 1.0, 3.0)]
    plan = plan_labels(pilots, 0.1)
    assert plan.from_labels and plan.reachable
    assert [part.n_pilot for part in plan.groups] == [100, 100, 100]
    numbers = [part.labels_each for part in plan.groups]
    assert numbers == sorted(numbers) and numbers[0] < 0.3 * numbers[2]
    for noise, n in zip((0.3, 1.0, 3.0), numbers, strict=True):
        widths = [
            calibrate_mean(group(rng, 4000, 1.0, noise, n)).corrected.half_width for _ in range(20)
        ]
        assert np.mean(widths) == pytest.approx(0.1, rel=0.1)


def test_neyman_s_labels_reach_it_for_all_methods_and_go_where_they_tell_most():
    rng = np.random.default_rng(1)
    pilots = [group(rng, size, 1.0, 1.0, 60) for size in (1000, 4000)]
    plan = plan_labels(pilots, 0.06)
    few, many = (part.labels_neyman for part in plan.groups)
    assert many == pytest.approx(4 * few, rel=0.35)
    parts = [group(rng, 1000, 1.0, 1.0, few), group(rng, 4000, 1.0, 1.0, many)]
    width = calibrate_contrast(parts, [0.2, 0.8]).corrected.half_width
    assert width == pytest.approx(0.06, rel=0.15)


def test_without_labels_the_judge_s_spread_and_a_correlation_stand_in():
    rng = np.random.default_rng(2)
    parts = [group(rng, 900, 1.0, 0.0, 0)]
    plans = {c: plan_labels(parts, 0.1, correlation=c) for c in (0.0, 0.5, 0.9)}
    numbers = [plans[c].groups[0].labels_each for c in (0.0, 0.5, 0.9)]
    assert numbers == sorted(numbers, reverse=True) and not plans[0.5].from_labels
    (part,) = plans[0.5].groups
    assert part.residual_spread == pytest.approx(part.spread * 0.75**0.5)
    assert part.spread == pytest.approx(parts[0].judge.std())


def test_what_no_number_of_labels_reaches_is_said():
    rng = np.random.default_rng(3)
    plan = plan_labels([group(rng, 100, 1.0, 1.0, 40)], 0.05)
    (part,) = plan.groups
    assert part.labels_each is None and not plan.reachable and part.labels_neyman == 100
    assert 0.1 < part.floor < 0.3


def test_a_method_with_hardly_a_label_borrows_the_spread_of_the_others():
    rng = np.random.default_rng(4)
    first, second = (group(rng, 500, 1.0, 0.5, n) for n in (80, 4))
    plan = plan_labels([first, second], 0.1)
    assert plan.groups[1].residual_spread == plan.groups[0].residual_spread


def test_a_floor_below_the_half_width_is_reached():
    rng = np.random.default_rng(7)
    parts = [group(rng, int(size), 1.0, 1.0, 40) for size in rng.integers(60, 120, 40)]
    for part in plan_labels(parts, 0.22).groups:
        assert (part.labels_each is None) == (part.floor > 0.22)
    assert {part.labels_each is None for part in plan_labels(parts, 0.22).groups} == {True, False}


def test_equal_labels_do_not_stand_for_the_spread():
    rng = np.random.default_rng(8)
    equal = group(rng, 500, 1.0, 0.5, 0)
    equal = replace(equal, people=np.where(np.arange(500) < 40, 2.0, NAN))
    alone = plan_labels([equal], 0.2)
    assert not alone.from_labels and alone.groups[0].labels_each > 40
    assert alone.groups[0].spread == pytest.approx(equal.judge.std())
    beside = plan_labels([group(rng, 500, 1.0, 0.5, 80), equal], 0.1)
    assert beside.from_labels and beside.groups[1].spread == beside.groups[0].spread > 0.5


def test_users_with_several_answers_raise_the_floor():
    rng = np.random.default_rng(5)
    judge = np.repeat(rng.normal(size=200), 3)
    single = plan_labels([make_group(judge, np.full(600, NAN))], 0.1).groups[0]
    users = make_group(judge, np.full(600, NAN), units=np.repeat(np.arange(200), 3))
    assert plan_labels([users], 0.1).groups[0].floor == pytest.approx(single.floor * 3**0.5)


@pytest.mark.parametrize(
    ("size", "n_certain", "half_width"),
    [(100, 900, 0.022), (400, 400, 0.06), (1000, 200, 0.09)],
)
def test_what_the_rubric_decides_alone_is_part_of_the_mean(size, n_certain, half_width):
    """The judged answers are graded around 0 and the certain ones 0.2, so that means differ."""
    rng = np.random.default_rng(6)

    def draw(n):
        return with_certain(group(rng, size, 1.0, 1.0, n), n_certain, 0.2)

    (part,) = plan_labels([draw(size)], half_width).groups
    (unknown,) = plan_labels([group(rng, size, 1.0, 1.0, size)], half_width).groups
    assert unknown.labels_each is None or unknown.labels_each > part.labels_each
    assert part.n_certain == n_certain
    widths = [calibrate_mean(draw(part.labels_each)).corrected.half_width for _ in range(20)]
    assert np.mean(widths) == pytest.approx(half_width, rel=0.1)
    everything = [calibrate_mean(draw(size)).corrected.half_width for _ in range(5)]
    assert np.mean(everything) == pytest.approx(part.floor, rel=0.1)


def test_few_judged_answers_among_many_certain_ones_are_in_reach():
    rng = np.random.default_rng(7)
    (part,) = plan_labels([with_certain(group(rng, 100, 1.0, 0.5, 25), 900)], 0.1).groups
    assert part.labels_each == 20 and part.floor < 0.03


def test_labels_for_all_methods_count_what_is_certain_of_each():
    """Of two methods with as many judged answers, both have the same part in the mean over all."""
    rng = np.random.default_rng(8)

    def draw(n):
        return [
            with_certain(group(rng, 500, 1.0, 1.0, n[0]), 1500),
            group(rng, 500, 1.0, 1.0, n[1]),
        ]

    plan = plan_labels(draw((500, 500)), 0.05)
    first, second = numbers = [part.labels_neyman for part in plan.groups]
    assert plan.reachable and first == pytest.approx(second, rel=0.2)
    width = np.mean(
        [calibrate_contrast(draw(numbers), [0.8, 0.2]).corrected.half_width for _ in range(10)]
    )
    assert width == pytest.approx(0.05, rel=0.1)


def test_methods_without_a_plan_are_set_aside():
    rng = np.random.default_rng(9)
    usual = group(rng, 500, 1.0, 0.5, 80)
    empty = with_certain(make_group([], []), 50)
    unscored = with_certain(make_group(np.full(30, NAN), np.full(30, NAN)), 5)
    plan = plan_labels([empty, usual, unscored], 0.1)
    assert [part.reason for part in plan.groups] == [NOTHING_TO_JUDGE, "", NO_GRADE]
    assert [part.n_answers for part in plan.groups] == [0, 500, 30]
    assert plan.groups[1] == plan_labels([usual], 0.1).groups[0]
    assert plan.groups[0].labels_each is None and plan.groups[0].labels_neyman == 0
    alone = plan_labels([empty, unscored], 0.1)
    assert all(part.reason for part in alone.groups) and not alone.from_labels


def test_methods_with_too_few_users_for_a_correction_are_set_aside():
    rng = np.random.default_rng(10)
    usual, few = group(rng, 500, 1.0, 0.5, 0), group(rng, 12, 1.0, 0.5, 0)
    enough, repeated = group(rng, 20, 1.0, 0.5, 0), group(rng, 36, 1.0, 0.5, 0)
    repeated = replace(repeated, units=np.repeat(np.arange(12), 3))
    plan = plan_labels([few, usual, repeated, enough], 1.5)
    reasons = [part.reason for part in plan.groups]
    assert reasons[0] == "only 12 answers were judged, and a correction needs labels of 20 users"
    assert reasons[2].startswith("only 36 answers of 12 users were judged")
    assert plan.groups[0].labels_each is None and plan.groups[0].labels_neyman == 0
    assert [reasons[1], reasons[3]] == ["", ""] and plan.groups[3].labels_each == 20
    assert plan.groups[1] == plan_labels([usual, enough], 1.5).groups[0]
    assert plan_labels([few], 1.5, fewest=12).groups[0].labels_each == 12
    (single,) = plan_labels([make_group([2.0], [NAN])], 1.5).groups
    assert single.reason.startswith("only 1 answer was judged")


def test_a_judge_s_equal_grades_do_not_stand_for_the_spread():
    rng = np.random.default_rng(11)
    constant, usual = make_group(np.full(300, 2.9), np.full(300, NAN)), group(rng, 300, 1, 0.5, 0)
    plan = plan_labels([constant, usual], 0.2)
    first, second = plan.groups
    assert first.spread == pytest.approx(second.spread) and not plan.from_labels
    assert first.residual_spread == first.spread > second.residual_spread
    assert first.labels_each > second.labels_each > 20
    alone = plan_labels([constant], 0.2)
    assert alone.groups[0].reason == NO_SPREAD and alone.groups[0].labels_each is None
    labelled = replace(constant, people=np.where(np.arange(300) < 40, rng.integers(0, 4, 300), NAN))
    known = plan_labels([constant, labelled], 0.25)
    assert known.from_labels and known.groups[0].spread == known.groups[1].spread > 0.5
