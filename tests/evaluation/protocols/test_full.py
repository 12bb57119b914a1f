"""The whole catalogue: what is left out of it, and what is recorded."""

import numpy as np

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.splits.base import TEST, TRAIN
from benchkit.evaluation.metrics.list_level import Coverage, Novelty
from benchkit.evaluation.metrics.rank_based import HitRate
from benchkit.evaluation.protocols.full import Full
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog, Interactions, Prediction


def repeated_target():
    """A user who takes item 1 twice before taking it again, and one who has not; five items."""
    items = np.array([1, 0, 1, 1, 2, 3], dtype=np.int32)
    user = np.array([0, 0, 0, 0, 1, 1], dtype=np.int32)
    interactions = Interactions(user, items, np.array([0, 4, 6]))
    part = np.array([TRAIN, TRAIN, TRAIN, TEST, TRAIN, TEST], dtype=np.uint8)
    cases = Cases(
        ("test:a", "test:b"), np.array([0, 1], dtype=np.int32), np.array([0, 4]), np.array([3, 5]),
        np.array([1, 3], dtype=np.int32), np.array([[1, 4], [3, 4]], dtype=np.int32),
    )  # fmt: skip
    catalog = Catalog(tuple("abcde"), {})
    return PreparedDataset("hand", ("a", "b"), catalog, interactions, part, cases, cases, {})


class Scores:
    """The same scores for everybody: item 0 first, item 4 last."""

    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, [5.0, 4.0, 3.0, 2.0, 1.0])


def test_a_target_that_stands_twice_in_the_history_is_still_ranked():
    dataset = repeated_target()
    setup = EvaluationSetup(dataset, dataset.test, (HitRate(1), Coverage(2), Novelty(1)), 0.2)
    predictions = list(Scores().predict(list(Full().requests(dataset, dataset.test)), None))
    context = Full().context(setup, dataset.test, predictions, None)
    assert context.ranks.n_better.tolist() == [0, 2]  # of case a item 0 is left out, of b item 2
    assert context.ranks.n_tied.tolist() == [1, 1]
    assert context.ranks.n_candidates.tolist() == [4, 4]
    assert context.top_items.tolist() == [[1, 2], [0, 1]]


def test_batches_are_joined_in_order_and_lists_are_measured():
    dataset = repeated_target()
    setup = EvaluationSetup(dataset, dataset.test, (HitRate(1), Coverage(2), Novelty(1)), 0.2)
    protocol = Full()
    protocol.batch_size = 1
    (result,) = protocol.evaluate(Scores(), setup, run_context(dataset.catalog))
    values = {s.metric: s.mean for s in result.summary}
    assert values["hr@1"] == 0.5
    assert values["coverage@2"] == 3 / 5
    assert result.predictions is None and not result.columns
    assert {s.metric for s in result.summary if s.chance is not None} == {"hr@1"}
