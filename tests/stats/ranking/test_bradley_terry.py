"""Strengths from comparisons: by hand, against SciPy's and statsmodels' solvers, in simulations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from benchkit.stats.ranking.bradley_terry import (
    BOUND,
    Comparisons,
    fit_davidson,
    rank_by_comparisons,
)


def fit(wins, ties=None):
    wins = np.asarray(wins, dtype=float)
    ties = np.zeros_like(wins) if ties is None else np.asarray(ties, dtype=float)
    theta, log_v = fit_davidson(wins[None], ties[None])
    return theta[0], float(log_v[0])


def expand(wins, ties):
    """Comparisons with these counts, each of a user of its own."""
    rows = []
    k = len(wins)
    for i in range(k):
        for j in range(i + 1, k):
            rows += [(i, j, 1)] * int(wins[i][j]) + [(i, j, -1)] * int(wins[j][i])
            rows += [(i, j, 0)] * int(ties[i][j])
    first, second, outcome = np.array(rows).T
    return Comparisons(np.arange(len(rows)), first, second, outcome, k)


def test_three_methods_without_ties_by_hand():
    # With strengths 4, 2 and 1 the expected wins of 6, 5 and 3 comparisons are just these.
    theta, log_v = fit([[0, 4, 4], [2, 0, 2], [1, 1, 0]])
    expected = np.log([4, 2, 1]) - np.log(2)
    assert theta == pytest.approx(expected, abs=1e-8)
    assert log_v == -60


def test_three_methods_with_ties_by_hand():
    # Strengths 16, 4, 1 and v = 1: 16 + 4 + 8 = 28, 16 + 1 + 4 = 21 and 4 + 1 + 2 = 7.
    theta, log_v = fit([[0, 4, 16], [1, 0, 4], [1, 1, 0]], [[0, 2, 4], [2, 0, 2], [4, 2, 0]])
    assert theta == pytest.approx(np.log([16, 4, 1]) - np.log(4), abs=1e-8)
    assert log_v == pytest.approx(0, abs=1e-8)


def negative_log_likelihood(x, wins, ties):
    theta, v = np.append(x[:-1], -x[:-1].sum()), math.exp(x[-1])
    total = 0.0
    for i in range(len(theta)):
        for j in range(i + 1, len(theta)):
            a, b = math.exp(theta[i]), math.exp(theta[j])
            both = v * math.sqrt(a * b)
            for count, share in ((wins[i, j], a), (wins[j, i], b), (ties[i, j], both)):
                total -= count * math.log(share / (a + b + both))
    return total


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_scipy_finds(seed):
    rng = np.random.default_rng(seed)
    wins = rng.integers(1, 30, (4, 4)).astype(float)
    ties = np.triu(rng.integers(1, 20, (4, 4)), 1).astype(float)
    ties += ties.T
    theta, log_v = fit(wins, ties)
    found_ = minimize(
        negative_log_likelihood, np.zeros(4), (wins, ties), method="BFGS", options={"gtol": 1e-9}
    )
    reference = np.append(found_.x[:-1], -found_.x[:-1].sum())
    assert theta == pytest.approx(reference, abs=1e-5)
    assert log_v == pytest.approx(found_.x[-1], abs=1e-5)


def test_without_ties_it_is_a_logistic_regression():
    import statsmodels.api as sm

    wins = np.random.default_rng(5).integers(1, 40, (5, 5)).astype(float)
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    design = np.zeros((len(pairs), 5))
    for row, (i, j) in enumerate(pairs):
        design[row, i], design[row, j] = 1, -1
    counts = np.array([[wins[i, j], wins[j, i]] for i, j in pairs])
    model = sm.GLM(counts, design[:, 1:], family=sm.families.Binomial()).fit()
    reference = np.concatenate([[0.0], model.params])
    assert fit(wins)[0] == pytest.approx(reference - reference.mean(), abs=1e-6)


@given(st.permutations(range(4)), st.integers(0, 99))
@settings(max_examples=25)
def test_strengths_do_not_depend_on_the_order_of_methods_and_sum_to_zero(order, seed):
    rng = np.random.default_rng(seed)
    wins = rng.integers(1, 9, (4, 4)).astype(float)
    theta, _ = fit(wins)
    turned, _ = fit(wins[np.ix_(order, order)])
    assert turned == pytest.approx(theta[list(order)], abs=1e-6)
    assert theta.sum() == pytest.approx(0, abs=1e-9)
    mirrored, _ = fit(wins.T)
    assert mirrored == pytest.approx(-theta, abs=1e-6)


def test_whoever_always_wins_is_at_the_bound_and_nothing_fails():
    theta, _ = fit([[0, 5, 5], [0, 0, 2], [0, 1, 0]])
    assert theta[0] == BOUND and np.isfinite(theta).all()
    theta, log_v = fit(np.zeros((2, 2)), [[0, 7], [7, 0]])
    assert theta == pytest.approx([0, 0]) and log_v == BOUND


def test_win_rates_count_ties_half():
    wins = [[0, 3, 1], [1, 0, 0], [1, 0, 0]]
    ties = [[0, 2, 0], [2, 0, 0], [0, 0, 0]]
    result = rank_by_comparisons(expand(wins, ties), resamples=50)
    assert result.win_rate[0, 1] == pytest.approx(4 / 6)
    assert result.win_rate[1, 0] == pytest.approx(2 / 6)
    assert result.win_rate[0, 2] == 0.5
    assert np.isnan(result.win_rate[1, 2]) and np.isnan(result.win_low[1, 2])
    assert (result.win_low[0, 1] <= 4 / 6) and (result.win_high[0, 1] >= 4 / 6)
    assert result.tie > 0
    assert rank_by_comparisons(expand(wins, np.zeros((3, 3))), resamples=5).tie == 0


def test_the_share_won_is_of_all_comparisons_and_no_mean_of_shares():
    # a wins 90 of 100 against b and 1 of 4 against c; b and c win 25 each.
    result = rank_by_comparisons(
        expand([[0, 90, 1], [10, 0, 25], [3, 25, 0]], np.zeros((3, 3))), resamples=200
    )
    assert result.won == pytest.approx([91 / 104, 35 / 150, 28 / 54])
    assert (result.won_low < result.won).all() and (result.won < result.won_high).all()


def test_shares_that_no_resample_changes_have_an_interval():
    result = rank_by_comparisons(expand([[0, 20], [0, 0]], np.zeros((2, 2))), resamples=50)
    low = 0.025 ** (1 / 20)  # Clopper and Pearson's of 20 of 20
    assert (result.won[0], result.won_low[0], result.won_high[0]) == pytest.approx((1, low, 1))
    assert (result.win_low[1, 0], result.win_high[1, 0]) == pytest.approx((0, 1 - low))
    tied = rank_by_comparisons(expand(np.zeros((2, 2)), [[0, 20], [20, 0]]), resamples=50)
    assert (tied.won_low[0], tied.won_high[0]) == pytest.approx((low / 2, 1 - low / 2))


@pytest.mark.parametrize(
    ("wins", "ties"),
    [
        ([[0, 0], [0, 0]], [[0, 7], [7, 0]]),  # nothing decided
        ([[0, 9], [0, 0]], [[0, 0], [0, 0]]),  # always won
        ([[0, 9], [0, 0]], [[0, 5], [5, 0]]),  # never lost: v grows with the strengths
    ],
)
def test_without_a_finite_estimate_nothing_is_stated(wins, ties):
    result = rank_by_comparisons(expand(wins, ties), resamples=50)
    assert np.isnan(result.log_strength).all() and math.isnan(result.tie)
    assert result.is_decided == bool(np.any(wins))


def test_who_always_wins_leaves_the_others_their_strengths():
    result = rank_by_comparisons(
        expand([[0, 5, 5, 5], [0, 0, 30, 40], [0, 20, 0, 0], [0, 10, 0, 0]], np.zeros((4, 4))),
        resamples=100,
    )
    assert result.log_strength[0] == np.inf
    alone = rank_by_comparisons(
        expand([[0, 30, 40], [20, 0, 0], [10, 0, 0]], np.zeros((3, 3))), resamples=1
    )
    assert result.log_strength[1:] == pytest.approx(alone.log_strength)
    assert np.isfinite(result.low[1:]).all() and np.isfinite(result.high[1:]).all()
    lost = rank_by_comparisons(
        expand([[0, 3, 5], [4, 0, 5], [0, 0, 0]], np.zeros((3, 3))), resamples=1
    )
    assert lost.log_strength[2] == -np.inf and np.isfinite(lost.log_strength[:2]).all()


def test_limits_at_the_bound_are_open():
    result = rank_by_comparisons(expand([[0, 12], [1, 0]], np.zeros((2, 2))), resamples=300)
    assert np.isfinite(result.log_strength).all()  # log 12, and a resample in three has no loss
    assert (result.high[0], result.low[1]) == (np.inf, -np.inf)
    assert np.isfinite([result.low[0], result.high[1]]).all()


def test_resampled_are_users():
    one = expand([[0, 30], [20, 0]], [[0, 10], [10, 0]])
    of_ten = Comparisons(one.user // 6, one.first, one.second, one.outcome, 2)
    apart, together = rank_by_comparisons(one), rank_by_comparisons(of_ten)
    assert together.log_strength == pytest.approx(apart.log_strength)
    # Those of a user are alike here, so that there is less to go by.
    assert together.high[0] - together.low[0] > 1.5 * (apart.high[0] - apart.low[0])
    assert rank_by_comparisons(one).low == pytest.approx(apart.low)


def test_nothing_to_compare():
    nothing = np.zeros(0, dtype=int)
    with pytest.raises(ValueError, match="needs a comparison"):
        rank_by_comparisons(Comparisons(nothing, nothing, nothing, nothing, 2))


@pytest.mark.slow
def test_intervals_cover_the_truth():
    truth = np.array([0.5, 0.1, -0.6])
    rng, covered = np.random.default_rng(7), 0
    pairs = [(0, 1), (0, 2), (1, 2)]
    for number in range(200):
        rows = []
        for user in range(80):
            level = rng.normal(0, 0.3)  # of a user, whose comparisons go together
            for i, j in pairs:
                a, b = math.exp(truth[i] + level * (i == 0)), math.exp(truth[j])
                p = np.array([a, math.sqrt(a * b), b])
                rows.append((user, i, j, 1 - rng.choice(3, p=p / p.sum())))
        user, first, second, outcome = np.array(rows).T
        result = rank_by_comparisons(
            Comparisons(user, first, second, outcome, 3), resamples=400, seed=number
        )
        covered += ((result.low <= truth) & (truth <= result.high)).sum()
    assert 0.90 <= covered / 600 <= 0.98
