"""From scores of the catalogue to predictions."""

import numpy as np
import pytest

from baselines.cf.scoring import as_sequence, predict_candidates
from benchkit.evaluation.predict import validate_predictions
from benchkit.types import Request


@pytest.mark.parametrize("n_items", [3, 999, 1_000, 5_000])
def test_scores_are_those_of_the_candidates_however_many_there_are(n_items):
    ids = tuple(f"i{code}" for code in range(n_items))
    index = {item: code for code, item in enumerate(ids)}
    scores = np.random.default_rng(0).random((2, n_items)).astype(np.float32)
    requests = [
        Request("a", "u", (), ids), Request("b", "u", (), ids[::-1]), Request("c", "v", (), ids[:2])
    ]  # fmt: skip
    rows = scores[[0, 1, 0]]

    def score_all(batch):
        return rows[: len(batch)]

    answers = list(validate_predictions(predict_candidates(requests, index, score_all), requests))
    assert [answer.case_id for answer in answers] == ["a", "b", "c"]
    expected = [rows[0], rows[1][::-1], rows[2][:2]]
    for answer, row in zip(answers, expected, strict=True):
        assert list(answer.scores) == row.tolist()
        assert all(type(score) is float for score in answer.scores)


def test_many_scores_make_an_array_without_a_list_between():
    scores = np.random.default_rng(0).random(5_000)
    assert np.array([as_sequence(scores), as_sequence(-scores)]).tolist() == [
        scores.tolist(), (-scores).tolist()
    ]  # fmt: skip
