"""A calibration carried over to another method."""

import numpy as np
import pytest

from benchkit.stats.calibration.answer_group import make_group
from benchkit.stats.calibration.transport import check_transport


def methods(rng, n, shifts):
    """Return methods that a judge grades 1 too high, and `shifts` more."""
    groups = []
    for shift in shifts:
        people = rng.normal(size=400)
        judge = people + 1 + shift + 0.5 * rng.normal(size=400)
        groups.append(make_group(judge, np.where(np.arange(400) < n, people, np.nan)))
    return groups


def test_a_favoured_method_is_found():
    checks = check_transport(methods(np.random.default_rng(0), 100, (0, 0, 0, 0.8)), 0.3)
    assert [check.verdict for check in checks][-1] == "shifted"
    last = checks[-1]
    # People's grades are lower than predicted: 0.8 times the slope of people's on the judge's.
    assert last.low < -0.8 * last.slope < last.high < 0 and last.p < 0.001
    assert last.slope == pytest.approx(1 / 1.25, abs=0.1)


def test_no_shift_is_told_apart_from_too_few_labels():
    rng = np.random.default_rng(1)
    many = check_transport(methods(rng, 200, (0, 0, 0, 0)), 0.3)
    few = check_transport(methods(rng, 12, (0, 0, 0, 0)), 0.3)
    assert {check.verdict for check in many} == {"holds"}
    assert {check.verdict for check in few} == {"open"}
    assert all(check.detectable < 0.3 for check in many)
    assert all(check.detectable > 0.3 for check in few)


def test_one_method_or_none_labelled_cannot_be_checked():
    rng = np.random.default_rng(2)
    assert check_transport(methods(rng, 50, (0,)), 0.3) == [None]
    unlabelled = methods(rng, 0, (0,))
    checks = check_transport([*methods(rng, 50, (0, 0)), *unlabelled], 0.3)
    assert checks[2] is None and None not in checks[:2]


def test_a_constant_judge_is_compared_by_means():
    rng = np.random.default_rng(3)
    groups = [make_group(np.full(90, 2.0), rng.normal(size=90) + level) for level in (0, 0, 1)]
    checks = check_transport(groups, 0.3)
    assert checks[2].slope == 0 and checks[2].verdict == "shifted"
    assert checks[2].shift == pytest.approx(
        groups[2].people.mean() - np.mean([g.people.mean() for g in groups[:2]])
    )


@pytest.mark.parametrize("shared", [False, True])
def test_it_errs_as_often_as_it_says(shared):
    """One method alone, so without Holm: 400 checks reject about 5 %, also with shared users."""
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(400):
        user = rng.normal(size=60)
        groups = []
        for _ in range(3):
            people = (user if shared else 0) + rng.normal(size=60)
            groups.append(make_group(people + 0.5 * rng.normal(size=60), people))
        check = check_transport(groups, 0.3)[0]
        covered.append(check.low <= 0 <= check.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_better_methods_shift_where_the_judge_is_noisy():
    """The line is flatter than 1, so that it predicts too little of a better method."""
    rng = np.random.default_rng(6)
    groups = []
    for level in (0, 0, 1):
        people = level + rng.normal(size=2000)
        groups.append(make_group(people + rng.normal(size=2000), people))
    check = check_transport(groups, 0.3)[2]
    assert check.low < 1 - check.slope < check.high and check.verdict == "shifted"


def test_the_detectable_shift_is_found_in_four_of_five():
    rng = np.random.default_rng(5)
    detectable = np.median(
        [check_transport(methods(rng, 60, (0, 0)), 0.3)[1].detectable for _ in range(40)]
    )
    shift = detectable / 0.8  # the slope carries .8 of what the judge adds into the shift
    checks = [check_transport(methods(rng, 60, (0, shift)), 0.3)[1] for _ in range(400)]
    power = np.mean([not check.low <= 0 <= check.high for check in checks])
    assert 0.72 <= power <= 0.88


@pytest.mark.parametrize("offset", [0.0, 1.0, 0.1])
@pytest.mark.parametrize("scale", [1, 1e-3, 1e3])
def test_a_judge_that_a_line_turns_into_people_holds(offset, scale):
    """What is left of its residuals is rounding, and no shift."""
    rng = np.random.default_rng(7)
    groups = []
    for n in (30, 40, 70):
        people = scale * rng.integers(1, 6, size=n) / 3
        groups.append(make_group(people + scale * offset, people))
    for check in check_transport(groups, 0.3 * scale):
        assert (check.shift, check.p, check.verdict) == (0, 1, "holds")


def test_a_shift_without_any_noise_is_one():
    people = np.arange(40.0) % 5
    groups = [make_group(people + shift, people) for shift in (0, 0, 1)]
    check = check_transport(groups, 0.3)[2]
    assert check.shift == pytest.approx(-1) and (check.p, check.verdict) == (0, "shifted")


def test_grades_that_are_all_one_hold():
    groups = [make_group(np.full(30, 0.1), np.full(30, 0.1)) for _ in range(3)]
    assert {check.verdict for check in check_transport(groups, 0.0)} == {"holds"}
