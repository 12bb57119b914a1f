"""How many labels are needed, and that they then are enough."""

import numpy as np
import pytest

from benchkit.stats.calibration.answer_group import make_group
from benchkit.stats.calibration.label_plan import plan_labels
from benchkit.stats.calibration.prediction_powered import calibrate_contrast, calibrate_mean

NAN = float("nan")


def group(rng, size, spread, noise, n):
    people = spread * rng.normal(size=size)
    judge = people + noise * rng.normal(size=size)
    return make_group(judge, np.where(np.arange(size) < n, people, NAN))


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


def test_users_with_several_answers_raise_the_floor():
    rng = np.random.default_rng(5)
    judge = np.repeat(rng.normal(size=200), 3)
    single = plan_labels([make_group(judge, np.full(600, NAN))], 0.1).groups[0]
    users = make_group(judge, np.full(600, NAN), units=np.repeat(np.arange(200), 3))
    assert plan_labels([users], 0.1).groups[0].floor == pytest.approx(single.floor * 3**0.5)
