"""Reasons of reviews, and the text that fits everybody."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchkit.data.splits.base import TRAIN
from benchkit.judging.statements.control import generic_rationale, most_popular_item
from benchkit.judging.statements.review_reasons import find_recalled, split_reasons
from benchkit.testing.fixtures import toy_dataset


def recalled(review, rationale):
    return [reason.recalled for reason in find_recalled(review, rationale)]


def test_reasons_are_what_a_review_says_beyond_praise():
    assert split_reasons("Great! I love it. Will buy again.") == []
    assert split_reasons("Great smoky flavor but stale.<br />Five stars, dissolves in milk") == [
        "Great smoky flavor", "stale.", "dissolves in milk"
    ]  # fmt: skip
    assert split_reasons("") == []


def test_recall_by_hand():
    review = "Smoky flavor. Dissolves in cold milk. Came in a broken box."
    assert recalled(review, "A smoky tea that dissolves well.") == [True, True, False]
    assert recalled(review, "It is popular.") == [False, False, False]
    assert recalled(review, "Milk") == [False, True, False]  # one word of three
    assert recalled(None, "Milk") == []


@given(st.text(max_size=200))
def test_a_rationale_that_is_the_review_recalls_all_of_it(review):
    assert all(recalled(review, review))


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_recalls_no_less(review, rationale):
    before, after = recalled(review, rationale), recalled(review, f"{rationale}\nSmoky milk")
    assert all(one <= other for one, other in zip(before, after, strict=True))


def test_the_control_is_about_the_item_most_often_trained_on():
    dataset = toy_dataset(users=30, items=40, length=5)
    popular = most_popular_item(dataset)
    codes = dataset.interactions.item[dataset.part == TRAIN]
    counts = np.bincount(codes, minlength=40)
    assert counts[dataset.catalog.index[popular]] == counts.max()
    text = generic_rationale(popular, dataset.catalog)
    assert text.count(dataset.catalog.text(popular)) == 2
