"""How the sample is drawn and dealt: even, with weights that are right, and by the seed alone."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.judging.annotation.dependent_rounding import round_flow
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.annotation.stratified_sample import (
    assign_to_annotators,
    draw_strata,
    even_shares,
)
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_store import RUNS, make_store


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("annotation") / "runs", RUNS)
    return collect_population(find_judgements([store.root], "plum"))


def drawn(strata, *names):
    """Answers drawn, by these parts of their strata."""
    counted = Counter()
    for stratum in strata:
        counted[tuple(getattr(stratum, name) for name in names)] += len(stratum.drawn)
    return counted


def test_shares_are_even_up_to_what_there_is():
    assert even_shares([10, 10], Fraction(5)) == [Fraction(5, 2)] * 2
    assert even_shares([1, 2, 50], Fraction(30)) == [1, 2, 27]
    assert even_shares([3], Fraction(3)) == [3]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.data())
def test_shares_add_up_and_fill_evenly(capacities, data):
    total = data.draw(st.integers(0, sum(capacities)))
    shares = even_shares(capacities, Fraction(total))
    assert sum(shares) == total
    top = max(shares)
    for share, capacity in zip(shares, capacities, strict=True):
        assert 0 <= share <= capacity
        assert share == min(capacity, top)


def test_the_sample_is_even_over_tasks_and_methods(population):
    strata = draw_strata(population, 60, seed=0)
    assert drawn(strata, "task", "method", "grade") == {
        ("tea", "quux-rec", None): 2,
        ("tea", "zeta-rec", None): 28,
        ("toys", "quux-rec", None): 15,
        ("toys", "zeta-rec", None): 15,
    }


def test_grades_of_a_simple_random_sample_are_as_frequent_as_they_are(population):
    """Of toys/zeta-rec, 40 answers of 50 have grade 3, 9 have 4 and one has 5."""
    counted = Counter()
    for seed in range(400):
        for stratum in draw_strata(population, 30, seed):
            if (stratum.task, stratum.method) == ("toys", "zeta-rec"):
                counted.update(e.grades["stern"]["grounding"] for e in stratum.drawn)
    total = sum(counted.values())
    for grade, share in ((3, 0.8), (4, 0.18), (5, 0.02)):
        assert counted[grade] / total == pytest.approx(share, abs=4 * (share / total) ** 0.5)


def test_a_balanced_sample_is_even_over_grades_too(population):
    strata = draw_strata(population, 60, seed=0, balanced=True)
    # tea/quux-rec has 2 answers only, so 28 of the 30 of its task go to the other method.
    assert drawn(strata, "task", "method") == {
        ("tea", "quux-rec"): 2,
        ("tea", "zeta-rec"): 28,
        ("toys", "quux-rec"): 15,
        ("toys", "zeta-rec"): 15,
    }
    grades = {(s.task, s.method, s.grade): len(s.drawn) for s in strata}
    assert grades["toys", "zeta-rec", 5] == 1
    assert grades["toys", "zeta-rec", 4] == grades["toys", "zeta-rec", 3] == 7
    assert grades["tea", "zeta-rec", None] == 3
    assert {grades["toys", "quux-rec", 1], grades["toys", "quux-rec", 2]} == {7, 8}


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("n", [1, 7, 31, 60, 150])
def test_numbers_differ_from_even_ones_by_less_than_one(population, n, balanced):
    for seed in range(5):
        strata = draw_strata(population, n, seed, balanced=balanced)
        assert sum(len(s.drawn) for s in strata) == n
        for stratum in strata:
            assert abs(len(stratum.drawn) - stratum.share) < 1
            assert len({e.key for e in stratum.drawn}) == len(stratum.drawn) <= stratum.size
        for names in (("task",), ("task", "method"), ("task", "grade"), ("grade",)):
            shares = Counter()
            for s in strata:
                shares[tuple(getattr(s, name) for name in names)] += s.share
            for group, count in drawn(strata, *names).items():
                assert abs(count - shares[group]) < 1


def test_grades_are_even_where_methods_get_few(tmp_path):
    """Over many small strata rounding must not favour a grade."""
    runs = {("toys", f"m{place:02}"): [0, 0, 1, 2, 3] * 3 for place in range(24)}
    make_store(tmp_path, runs, rubric=load_rubric("rationale-0-3"))
    strata = draw_strata(
        collect_population(find_judgements([tmp_path], "plum")), 40, 0, balanced=True
    )  # 5/12 of an answer a stratum
    assert drawn(strata, "grade") == {(0,): 10, (1,): 10, (2,): 10, (3,): 10}
    assert set(drawn(strata, "method").values()) == {1, 2}


@given(st.lists(st.lists(st.fractions(0, 3, max_denominator=12), min_size=3, max_size=3),
                min_size=1, max_size=5), st.integers(0, 5))  # fmt: skip
def test_rounding_moves_no_margin_by_one(table, seed):
    flow = Counter()
    for row, values in enumerate(table):
        for column, value in enumerate(values):
            flow["start", row] += value
            flow[row, -1 - column] += value
            flow[-1 - column, "end"] += value
            flow["end", "start"] += value
    draws = np.random.default_rng(seed)
    whole = round_flow(flow, lambda: Fraction(int(draws.integers(2**32)), 2**32))
    for edge, value in flow.items():
        assert abs(whole[edge] - value) < 1
    for node in {node for edge in flow for node in edge}:
        into = sum(amount for (_, to), amount in whole.items() if to == node)
        assert into == sum(amount for (start, _), amount in whole.items() if start == node)


def test_more_than_there_is_takes_all_with_weight_one(population):
    strata = draw_strata(population, 10_000, seed=0)
    assert sum(len(s.drawn) for s in strata) == len(population.answers) == 152
    assert {s.weight for s in strata} == {1.0}


def test_weights_are_unbiased_even_where_strata_get_none(population):
    """Horvitz-Thompson totals over many seeds: the population's size and a stratum's size."""
    seeds = 600
    total = rare = 0.0
    for seed in range(seeds):
        for stratum in draw_strata(population, 6, seed, balanced=True):
            total += stratum.weight * len(stratum.drawn) / seeds
            if (stratum.task, stratum.method, stratum.grade) == ("toys", "zeta-rec", 4):
                rare += stratum.weight * len(stratum.drawn) / seeds
    assert total == pytest.approx(152, rel=0.05)
    assert rare == pytest.approx(9, rel=0.15)


def test_every_exhibit_of_a_stratum_is_drawn_equally_often(population):
    counted = Counter()
    for seed in range(400):
        for stratum in draw_strata(population, 30, seed, balanced=True):
            if (stratum.task, stratum.method, stratum.grade) == ("toys", "zeta-rec", 4):
                counted.update(answer.case_id for answer in stratum.drawn)
                share = float(stratum.share)
    expected = 400 * share / 9
    assert len(counted) == 9
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counted.values())


@pytest.mark.parametrize(("overlap", "shared"), [(1.0, 21), (0.5, 11), (0.0, 0)])
def test_the_overlap_goes_to_all_and_the_rest_to_one(overlap, shared):
    ids = [f"x{place}" for place in range(21)]
    hands = assign_to_annotators(ids, 3, overlap, seed=4)
    counted = Counter(i for hand in hands for i in hand)
    assert set(counted) == set(ids)
    assert sorted(counted.values()) == [1] * (21 - shared) + [3] * shared
    assert max(map(len, hands)) - min(map(len, hands)) <= 1
    if overlap == 1:
        assert len({tuple(hand) for hand in hands}) == 3  # each in an order of their own
        assert tuple(ids) not in {tuple(hand) for hand in hands}
    if overlap == 0.5:  # spread over the strata, not the first half
        places = sorted(ids.index(i) for i, count in counted.items() if count == 3)
        assert all(b - a <= 2 for a, b in pairwise(places))
