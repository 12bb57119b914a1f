"""RecLM-gen's rewards of lists: the values that the official code gives."""

import math

import pytest

from benchkit.training.rl import list_rewards

TEACHER = {"t": 9, "a": 0, "b": 1, "c": 2, "d": 3}


def listed(items, place, count):
    each = list_rewards.reclm_items(items, "t", TEACHER, "h", count)
    return list_rewards.reclm_list(each, place, count)


def test_lists_of_reclm():
    assert listed("at", 1, 2) == pytest.approx(7.667504, abs=1e-5)
    assert listed("ab", None, 2) == pytest.approx(3.384641, abs=1e-5)
    assert listed("tx", 0, 2) == pytest.approx(5.0)
    assert listed("tabcd", 0, 5) == pytest.approx(10.0)


def test_items_of_reclm():
    found = list_rewards.reclm_items("aathxb", "t", TEACHER, "h", count=5)
    known = 1 / math.log2(3)
    assert found == pytest.approx([known, -1, 1, -1, -1, -1])
    # The target needs no rank; the teacher may not know it.
    assert list_rewards.reclm_items(["new"], "new", {}, (), 1) == [1.0]


def test_the_best_lists_of_reclm():
    expected = [1, 1.3981, 1.6481, 1.8336, 1.9832, 2.1101, 2.2212, 2.3207, 2.4113, 2.4949]
    found = [list_rewards.reclm_best(k) for k in range(1, 11)]
    assert found == pytest.approx(expected, abs=6e-5)
