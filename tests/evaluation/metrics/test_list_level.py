"""Coverage, Gini index and novelty by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.evaluation.metrics.list_level import Coverage, Gini, Novelty, gini_index
from tests.support.metric_context import scored_context

CANDIDATES = [[0, 1, 2], [2, 3, 4]]
SCORES = [[3.0, 2.0, 1.0], [1.0, 1.0, 5.0]]


def context(answered=(True, True), counts=(3, 1, 0, 0, 4)):
    return scored_context(CANDIDATES, SCORES, answered, target=[0, 2], train_counts=counts)


def test_coverage_by_hand():
    assert Coverage(1).measure(context()) == 2 / 5
    assert Coverage(2).measure(context()) == 4 / 5  # the tie is cut in list order: item 2
    assert Coverage(3).measure(context()) == 1.0
    assert Coverage(1).measure(context((True, False))) == 1 / 5
    assert Coverage(2).measure(context((True, False))) == 2 / 5


def test_gini_by_hand():
    # Top 1: items 0 and 4 once, the others never.
    assert Gini(1).measure(context()) == pytest.approx((2 * 1 + 4 * 1) / (4 * 2))
    assert np.isnan(Gini(1).measure(context((False, False))))
    assert gini_index(np.array([3])) == 0.0


@given(st.lists(st.integers(0, 9), min_size=2, max_size=8).filter(any))
def test_gini_is_the_mean_difference_between_items(counts):
    differences = [abs(a - b) for a in counts for b in counts]
    m = len(counts)
    by_hand = sum(differences) / (2 * m * (m - 1)) / np.mean(counts)
    assert gini_index(np.array(counts)) == pytest.approx(by_hand)


def test_novelty_by_hand():
    bits = -np.log2(np.array([4, 2, 1, 1, 5]) / 13)
    assert Novelty(2).measure(context()).tolist() == pytest.approx(
        [bits[[0, 1]].mean(), bits[[4, 2]].mean()]
    )
    values = Novelty(2).measure(context((False, True)))
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(bits[[4, 2]].mean())


def test_chance_of_novelty_is_the_mean_over_the_candidates():
    bits = -np.log2(np.array([4, 2, 1, 1, 5]) / 13)
    expected = np.mean([bits[[0, 1, 2]].mean(), bits[[2, 3, 4]].mean()])
    assert Novelty(1).chance_level(context()) == pytest.approx(expected)
    rng = np.random.default_rng(0)
    n = 4000
    drawn = scored_context(
        [[0, 1, 2]] * n, rng.random((n, 3)), [True] * n, [0] * n, train_counts=(3, 1, 0, 0, 4)
    )
    assert Novelty(2).measure(drawn).mean() == pytest.approx(
        Novelty(2).chance_level(drawn), abs=0.02
    )
