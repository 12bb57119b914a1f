"""NDCG on validation cases, by hand."""

import math

import pytest

from benchkit.evaluation.validation_ndcg import mean_validation_ndcg
from benchkit.types import Prediction, Request, ValidationCase


def case(name, candidates, target):
    return ValidationCase(Request(name, "u", (), tuple(candidates)), target)


def test_lists_of_different_lengths_by_hand():
    cases = [case("a", "ijk", "j"), case("b", "ij", "i"), case("c", "ijkl", "l")]
    answers = [
        Prediction("a", [3.0, 2.0, 1.0]),  # rank 2
        Prediction("b", [0.0, 0.0]),  # rank 1 or 2
        Prediction("c", [4.0, 3.0, 2.0, 1.0]),  # rank 4, beyond the cut-off
    ]
    second = 1 / math.log2(3)
    expected = (second + (1 + second) / 2 + 0) / 3
    assert mean_validation_ndcg(answers, cases, 3) == pytest.approx(expected)


def test_a_target_that_is_not_listed_and_a_case_without_answer_count_nothing():
    cases = [case("a", "ij", "z"), case("b", "ij", "i"), case("c", "ij", "i")]
    answers = [
        Prediction("a", [1.0, 0.0]),
        Prediction("b", None, status="refused"),
        Prediction("c", [1.0, 0.0]),
    ]
    assert mean_validation_ndcg(answers, cases, 5) == pytest.approx(1 / 3)


def test_each_case_needs_an_answer():
    with pytest.raises(ValueError, match="shorter"):
        mean_validation_ndcg([Prediction("a", [1.0])], [case("a", "i", "i")] * 2, 5)
