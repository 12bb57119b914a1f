"""The alternative annotator test, and people's agreement as a ceiling."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import false_discovery_control, rankdata, ttest_1samp, wilcoxon

from benchkit.stats.agreement.two_raters import pair_agreement
from benchkit.stats.calibration.alternative_annotator import (
    compare_with_annotators,
    signed_rank_p,
)
from benchkit.stats.calibration.human_ceiling import measure_ceiling

NAMES = ("ann", "bob", "cat")


def raters(rng, n=120, noise=0.5, judge_noise=0.5, people=3):
    quality = rng.normal(size=n)

    def grade(spread):
        return np.searchsorted([-1, 0, 1], quality + spread * rng.normal(size=n)).astype(float)

    return np.column_stack([grade(noise) for _ in range(people)]), grade(judge_noise)


def by_definition(people, judge, epsilon, exact):
    """Return p values, and the judge's shares, answer by answer."""
    ps, shares = [], []
    for j in range(people.shape[1]):
        judge_wins, person_wins = [], []
        for row, judged in zip(people, judge, strict=True):
            others = [g for k, g in enumerate(row) if k != j and not np.isnan(g)]
            if np.isnan(row[j]) or not others:
                continue

            def score(grade, others=others):
                if exact:
                    return np.mean([grade == o for o in others])
                return -np.sqrt(np.mean([(grade - o) ** 2 for o in others]))

            judge_wins.append(score(judged) >= score(row[j]))
            person_wins.append(score(row[j]) >= score(judged))
        gaps = np.array(person_wins, dtype=float) - np.array(judge_wins)
        ps.append(ttest_1samp(gaps, epsilon, alternative="less").pvalue)
        shares.append(np.mean(judge_wins))
    return false_discovery_control(ps, method="by"), shares


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_test_by_its_definition(seed, exact):
    rng = np.random.default_rng(seed)
    people, judge = raters(rng)
    people[rng.random(people.shape) < 0.2] = np.nan
    result = compare_with_annotators(people, judge, NAMES, epsilon=0.1, exact=exact)
    ps, shares = by_definition(people, judge, 0.1, exact)
    assert [a.p for a in result.annotators] == pytest.approx(list(ps))
    assert [a.judge_share for a in result.annotators] == pytest.approx(shares)
    assert result.winning_rate == np.mean(ps <= 0.05)
    assert result.advantage == pytest.approx(np.mean(shares))


def test_a_good_judge_passes_and_a_bad_one_does_not():
    rng = np.random.default_rng(0)
    good = compare_with_annotators(*raters(rng, noise=0.9, judge_noise=0.1), NAMES)
    bad = compare_with_annotators(*raters(rng, noise=0.3, judge_noise=2.0), NAMES)
    assert good.passes and good.winning_rate == 1
    assert not bad.passes and bad.winning_rate == 0
    assert good.advantage > 0.8 > 0.7 > bad.advantage


def test_epsilon_is_what_people_cost():
    rng = np.random.default_rng(1)
    table = raters(rng, noise=0.5, judge_noise=0.5)
    rates = [
        compare_with_annotators(*table, NAMES, epsilon=e).winning_rate for e in (-0.5, 0.0, 0.5)
    ]
    assert rates == sorted(rates) and rates[0] == 0 and rates[-1] == 1


def test_too_few_answers_or_people_are_no_test():
    rng = np.random.default_rng(2)
    people, judge = raters(rng, n=29)
    result = compare_with_annotators(people, judge, NAMES)
    assert np.isnan(result.winning_rate) and not result.passes
    assert "ann has 29 answers in common" in result.reason
    assert "two people" in compare_with_annotators(people[:, :1], judge, ("ann",)).reason
    people, judge = raters(rng, people=2)
    assert "no consensus" in compare_with_annotators(people, judge, ("ann", "bob")).reason
    people, judge = raters(rng)
    people[20:, 2] = np.nan
    result = compare_with_annotators(people, judge, NAMES)
    assert len(result.annotators) == 2 and "cat has 20 answers" in result.reason


def test_answers_of_a_user_do_not_count_twice():
    people, judge = raters(np.random.default_rng(3), n=60)
    once = compare_with_annotators(people, judge, NAMES)
    thrice = compare_with_annotators(
        np.tile(people, (3, 1)), np.tile(judge, 3), NAMES, clusters=np.tile(np.arange(60), 3)
    )
    assert [a.p for a in thrice.annotators] == pytest.approx([a.p for a in once.annotators])


def test_few_users_are_tested_by_ranks():
    people, judge = raters(np.random.default_rng(3), n=60, judge_noise=0.1)
    users = np.arange(60) // 4
    result = compare_with_annotators(people, judge, NAMES, clusters=users)
    assert all(0 < a.p <= 1 for a in result.annotators)


@pytest.mark.parametrize("n_users", [1, 4])
def test_hardly_a_user_is_no_test(n_users):
    people, judge = raters(np.random.default_rng(4), n=40, judge_noise=5.0)
    users = np.arange(40) % n_users
    result = compare_with_annotators(people, judge, NAMES, clusters=users)
    assert not result.passes and result.annotators == ()
    assert f"ann has answers of only {n_users} user" in result.reason


@pytest.mark.parametrize("n_users", [6, 20, 40])
def test_users_who_are_all_alike_are_still_a_sample(n_users):
    """Judge and people agree everywhere, so that no difference varies; p is that of the signs."""
    people = np.tile(np.arange(240.0)[:, None] % 4, (1, 3))
    users = np.arange(240) % n_users
    result = compare_with_annotators(people, people[:, 0], NAMES, clusters=users)
    by_factor = 1 + 1 / 2 + 1 / 3  # Benjamini and Yekutieli's, for three equal p
    assert [a.p for a in result.annotators] == pytest.approx([by_factor * 0.5**n_users] * 3)
    strict = compare_with_annotators(people, people[:, 0], NAMES, clusters=users, epsilon=0.0)
    assert [a.p for a in strict.annotators] == [1, 1, 1]


def test_few_users_have_the_p_of_all_signs():
    """With ties, counted out over all signs that the ranks of eight users could have."""
    values = np.array([-1.2, -1.2, -0.2, -0.2, 0.8, -1.2, 0.2, 0.0])
    ranks = rankdata(np.abs(values[:-1]).round(9))  # a zero has no sign
    sums = np.array([ranks @ signs for signs in product((0, 1), repeat=7)])
    by_count = np.mean(sums <= ranks[values[:-1] > 0].sum())
    assert signed_rank_p(values) == pytest.approx(by_count)
    distinct = np.random.default_rng(0).normal(-0.5, 1, size=20)
    assert signed_rank_p(distinct) == pytest.approx(wilcoxon(distinct, alternative="less").pvalue)


def test_the_ceiling_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    people, judge = raters(rng, n=200, noise=0.4, judge_noise=1.0)
    scale = (0.0, 1.0, 2.0, 3.0)
    kappa, exact, adjacent = measure_ceiling(people, judge, scale)
    between = [
        pair_agreement(people[:, a], people[:, b], scale, resamples=10).estimates["kappa"].value
        for a, b in ((0, 1), (0, 2), (1, 2))
    ]
    with_judge = [
        pair_agreement(judge, people[:, a], scale, resamples=10).estimates["kappa"].value
        for a in range(3)
    ]
    assert kappa.people.value == pytest.approx(np.mean(between))
    assert kappa.judge.value == pytest.approx(np.mean(with_judge))
    assert kappa.difference.value == pytest.approx(np.mean(with_judge) - np.mean(between))
    assert kappa.difference.high < 0  # the judge is worse than people are
    assert exact.people.value == pytest.approx(
        np.mean([(people[:, a] == people[:, b]).mean() for a, b in ((0, 1), (0, 2), (1, 2))])
    )
    assert adjacent.judge.value >= exact.judge.value


def test_there_is_no_ceiling_of_one_person():
    people, judge = raters(np.random.default_rng(0))
    assert measure_ceiling(people[:, :1], judge, (0.0, 1.0, 2.0, 3.0)) == ()
