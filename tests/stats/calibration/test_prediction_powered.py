"""Corrected means: against ppi_py, against arithmetic, and where the answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.stats.calibration.answer_group import (
    describe_unlike_labels,
    find_refusal,
    make_group,
)
from benchkit.stats.calibration.prediction_powered import (
    Estimate,
    calibrate_contrast,
    calibrate_mean,
    calibrate_share,
    share_interval,
)
from tests.benchmarks.bench_calibration import Setting, measure_coverage

NAN = float("nan")
# ppi_py 0.2.3, ppi_mean_pointestimate and ppi_mean_ci(alpha=0.05), on `grades(seed)`.
# It cannot be an extra: its wheel also installs a top-level package `tests`.
ORACLE = {
    0: (1.4151020693371048, 1.2522565549640248, 1.5779475837101848),
    1: (1.386964865566957, 1.2247894705303837, 1.5491402606035305),
}


def grades(seed, n=60, size=400, noise=0.6):
    """Return grades by the judge of all answers, and by people of the first n."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=size)
    people = np.searchsorted([-1, 0, 1], quality).astype(float)
    judge = np.searchsorted([-1, 0, 1], 0.4 + quality + noise * rng.normal(size=size)).astype(float)
    people[n:] = NAN
    return judge, people


@pytest.mark.parametrize("seed", sorted(ORACLE))
def test_it_is_the_estimate_of_ppi_py(seed):
    judge, people = grades(seed)
    corrected = calibrate_mean(make_group(judge, people), textbook=True).corrected
    assert (corrected.value, corrected.low, corrected.high) == pytest.approx(
        ORACLE[seed], abs=1e-9, rel=0
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "size", "noise"), [(60, 400, 0.6), (30, 50, 2.0), (100, 9000, 0.1)])
def test_it_equals_ppi_py_where_that_is_installed(seed, n, size, noise):
    ppi_py = pytest.importorskip("ppi_py")
    judge, people = grades(seed, n, size, noise)
    data = people[:n], judge[:n], judge[n:]
    expected = (
        float(np.squeeze(ppi_py.ppi_mean_pointestimate(*data))),
        *(float(np.squeeze(limit)) for limit in ppi_py.ppi_mean_ci(*data, alpha=0.05)),
    )
    ours = calibrate_mean(make_group(judge, people), textbook=True).corrected
    assert (ours.value, ours.low, ours.high) == pytest.approx(expected, abs=1e-9, rel=0)


def test_small_samples_change_the_interval_more_than_the_value():
    group = make_group(*grades(3))
    ours, textbook = calibrate_mean(group), calibrate_mean(group, textbook=True)
    assert ours.corrected.value == pytest.approx(textbook.corrected.value, abs=0.02)
    assert ours.corrected.half_width > textbook.corrected.half_width
    assert ours.corrected.half_width < 1.1 * textbook.corrected.half_width


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 200), st.floats(0.0, 4.0))
def test_it_is_never_wider_than_labels_alone(seed, n, noise):
    estimate = calibrate_mean(make_group(*grades(seed, n, noise=noise)))
    assert estimate.corrected.half_width <= estimate.labels_alone.half_width
    assert estimate.effective_labels >= n * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-5, 5), st.floats(0.1, 3))
def test_scale_and_origin_of_the_judge_do_not_matter(seed, shift, factor):
    judge, people = grades(seed)
    first = calibrate_mean(make_group(judge, people)).corrected
    second = calibrate_mean(make_group(shift + factor * judge, people)).corrected
    assert (first.value, first.low, first.high) == pytest.approx(
        (second.value, second.low, second.high), abs=1e-9
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_answers_does_not_matter(seed):
    judge, people = grades(seed)
    rng = np.random.default_rng(seed)
    weights, units = rng.uniform(1, 5, len(judge)), rng.integers(0, 150, len(judge))
    order = rng.permutation(len(judge))
    first = calibrate_mean(make_group(judge, people, weights, units))
    second = calibrate_mean(make_group(judge[order], people[order], weights[order], units[order]))
    for a, b in (
        (first.corrected, second.corrected), (first.labels_alone, second.labels_alone),
        (first.judge_alone, second.judge_alone),
    ):  # fmt: skip
        assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_a_judge_who_grades_as_people_counts_as_labels(seed, weighted):
    judge, people = grades(seed)
    people = np.where(np.isnan(people), NAN, judge)
    weights = np.random.default_rng(seed).uniform(1, 5, len(judge)) if weighted else None
    estimate = calibrate_mean(make_group(judge, people, weights))
    assert estimate.corrected.value == pytest.approx(judge.mean(), abs=1e-9)
    assert estimate.corrected.error == pytest.approx(judge.std() / np.sqrt(len(judge)), rel=0.05)
    gain = (estimate.labels_alone.error / estimate.corrected.error) ** 2
    assert estimate.effective_labels == pytest.approx(min(len(judge), 60 * gain))


@pytest.mark.parametrize("kind", ["constant", "noise"])
def test_a_useless_judge_leaves_labels_alone(kind):
    judge, people = grades(5)
    rng = np.random.default_rng(5)
    judge = np.full(len(judge), 2.0) if kind == "constant" else rng.permutation(judge)
    estimate = calibrate_mean(make_group(judge, people))
    assert estimate.corrected.half_width == pytest.approx(
        estimate.labels_alone.half_width, rel=0.03
    )
    if kind == "constant":
        assert estimate.corrected == estimate.labels_alone and estimate.tuning == (0.0,)
        assert estimate.effective_labels == estimate.n_labels == 60


def test_all_labelled_is_people_s_mean():
    judge, people = grades(1, n=400)
    estimate = calibrate_mean(make_group(judge, people))
    assert estimate.corrected == estimate.labels_alone
    assert estimate.corrected.value == pytest.approx(people.mean())


def test_users_with_equal_answers_count_once():
    judge, people = grades(2)
    once = calibrate_mean(make_group(judge, people)).corrected
    thrice = calibrate_mean(
        make_group(np.tile(judge, 3), np.tile(people, 3), units=np.tile(np.arange(400), 3))
    ).corrected
    assert (thrice.value, thrice.error) == pytest.approx((once.value, once.error))
    naive = calibrate_mean(make_group(np.tile(judge, 3), np.tile(people, 3))).corrected
    assert naive.error < 0.6 * once.error


def test_weights_undo_an_uneven_sample():
    """Answers of the judge's lowest grade are drawn nine times as often."""
    rng = np.random.default_rng(0)
    judge, truth = grades(0, n=20_000, size=20_000)
    chances = np.where(judge == 0, 0.45, 0.05)
    people = np.where(rng.random(len(judge)) < chances, truth, NAN)
    weighted = calibrate_mean(make_group(judge, people, 1 / chances))
    plain = calibrate_mean(make_group(judge, people))
    assert weighted.corrected.low < truth.mean() < weighted.corrected.high
    assert plain.labels_alone.high < truth.mean()


def test_differences_profit_from_users_with_two_labels():
    """Both methods are alike for a user, so that their difference is known better."""
    rng = np.random.default_rng(0)
    user = rng.normal(size=300)
    groups = []
    for gain in (0.0, 0.3):
        people = user + gain + 0.2 * rng.normal(size=300)
        judge = 2 + people + 0.5 * rng.normal(size=300)
        people[80:] = NAN
        groups.append(make_group(judge, people))
    difference = calibrate_contrast(groups, [-1.0, 1.0]).corrected
    errors = [calibrate_mean(group).corrected.error for group in groups]
    assert difference.low < 0.3 < difference.high
    assert difference.error < 0.6 * np.hypot(*errors)


def test_grades_of_the_rubric_are_certain():
    """Half of the answers are graded 0 by a rule: the mean is half that of the rest."""
    judge, people = grades(4)
    group = make_group(judge, people)
    whole = replace(group, certain=np.zeros(400), certain_units=np.arange(400, 800))
    part, both = calibrate_mean(group), calibrate_mean(whole)
    assert both.corrected.value == pytest.approx(part.corrected.value / 2)
    assert both.judge_alone.value == pytest.approx(judge.mean() / 2)
    # Of the users, of whom half got such an answer, the whole mean is less certain than a constant
    # times the part's.
    assert both.corrected.error > part.corrected.error / 2


def test_shares_stay_between_none_and_all():
    assert share_interval(Estimate(-0.01, 0.02, -0.05, 0.03)).low == 0.0
    middle = share_interval(Estimate(0.5, 0.05, 0.5 - 0.098, 0.5 + 0.098))
    assert (middle.low, middle.high) == pytest.approx((0.4038, 0.5962), abs=1e-3)
    rare = share_interval(Estimate(0.02, 0.02, -0.0192, 0.0592))
    assert 0 < rare.low < 0.02 < 0.0592 < rare.high


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1.0, 2.0, 3.0]))
def test_shares_are_never_less_precise_than_by_labels_alone(seed, grade):
    group = make_group(*grades(seed))
    people = group.people[group.labelled]
    share = calibrate_share(group.indicate(grade, (people == grade).astype(float)))
    assert share.labels_alone.value == pytest.approx((people == grade).mean())
    assert share.corrected.half_width <= share.labels_alone.half_width
    assert 0 <= share.corrected.low <= share.corrected.value <= share.corrected.high <= 1


def test_few_labels_are_refused_with_a_reason():
    judge, people = grades(0, n=12)
    assert find_refusal(make_group(judge, people)) == (
        "people have graded only 12 answers; 20 are needed"
    )
    assert "no answer has a grade" in find_refusal(make_group(judge, np.full(400, NAN)))
    judge, people = grades(0, n=60)
    users = np.where(np.arange(400) < 60, np.arange(400) // 6, np.arange(400))
    assert "of 10 users" in find_refusal(make_group(judge, people, units=users))
    assert find_refusal(make_group(judge, people)) == ""


def test_labels_of_other_answers_are_refused():
    judge, people = grades(0, n=400)
    people[(judge == 3) | (np.arange(400) >= 200)] = NAN
    assert "that the judge graded 3" in find_refusal(make_group(judge, people))
    judge, people = grades(0, n=400)
    people[(judge < 2) & (np.arange(400) > 20)] = NAN
    group = make_group(judge, people)
    assert not find_refusal(group) and "hardly a random sample" in describe_unlike_labels(group)
    assert describe_unlike_labels(make_group(*grades(0))) == ""


def test_unscored_answers_count_as_the_judge_s_mean():
    judge, people = grades(0)
    judge[[5, 100]] = NAN
    assert make_group(judge, people).judge[5] == pytest.approx(np.nanmean(judge))
    assert "the judge gave no grade" in find_refusal(make_group(np.full(400, NAN), people))


def test_unscored_answers_are_no_grade_that_the_judge_gave():
    """Grades 1 and 3 alone: the mean, 2, of the unscored ones is none of them."""
    judge = np.where(np.arange(400) % 2, 3.0, 1.0)
    judge[::5] = NAN
    people = np.where((np.arange(400) < 200) & ~np.isnan(judge), judge, NAN)
    group = make_group(judge, people)
    assert group.n_judged == 320 and find_refusal(group) == ""
    labels = people[group.labelled]
    by_judge = [group.indicate(g, (labels == g).astype(float)).judge.mean() for g in range(4)]
    assert by_judge == pytest.approx([0, 0.5, 0, 0.5])
    alone = calibrate_mean(group).judge_alone
    graded = judge[~np.isnan(judge)]
    assert alone.error == pytest.approx(graded.std() / np.sqrt(320))


def test_labels_of_unscored_answers_are_like_no_judged_ones():
    judge, _ = grades(0)
    judge[:60] = NAN
    group = make_group(judge, np.where(np.arange(400) < 60, 1.0, NAN))
    assert describe_unlike_labels(group) == "" and find_refusal(group) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "design"),
    [("all", "simple"), ("shift", "simple"), ("all", "weighted"), ("all", "users")],
)
def test_intervals_cover_what_people_would_say(judge, design):
    """In 400 simulations there are 1,600 means (an error of .6 points), and 400 shares (1.1)."""
    figures = measure_coverage(Setting(judge, design, 60, simulations=400))
    for what, margin in (("means", 0.02), ("differences", 0.02), ("shares", 0.04)):
        assert abs(figures[what]["coverage"] - 0.95) <= margin
        assert figures[what]["width_ratio_max"] <= 1.02
    assert figures["means"]["coverage_naive"] < 0.1
