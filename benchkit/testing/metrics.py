"""Conformance tests that any metric can inherit.

class TestMine(MetricContract):
    def make(self):
        return MyMetric(5)
"""

import pickle
from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from benchkit.data.dataset import PreparedDataset
from benchkit.evaluation.lookup import PROTOCOLS, find_protocol
from benchkit.evaluation.metrics.base import Metric, MetricContext
from benchkit.evaluation.protocols.base import EvaluationProtocol
from benchkit.evaluation.scoring import compute_metrics
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.pytest_module import pytest
from benchkit.types import Capability, Prediction, Request, RunContext, Sample, TrainView


class RandomAnswers:
    """A recommender that knows nothing; with `refusals` it refuses every third case."""

    capabilities: frozenset[Capability] = frozenset({"scores", "samples"})

    def __init__(self, refusals: bool = False) -> None:
        self._refusals = refusals

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Do nothing: there is nothing to learn."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        for number, request in enumerate(requests):
            rng = run.generator("scores", request.case_id)
            if self._refusals and number % 3 == 0:
                yield Prediction(request.case_id, None, status="refused")
            else:
                yield Prediction(request.case_id, rng.random(len(request.candidates)).tolist())

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        for number, request in enumerate(requests):
            rng = run.generator("samples", request.case_id)
            if self._refusals and number % 3 == 0:
                yield Prediction(request.case_id, None, status="refused")
                continue
            chosen = rng.integers(0, len(request.candidates), int(run.decoding["n"]))
            items = [request.candidates[place] for place in chosen]
            samples = tuple(Sample(item, item, None, "ok") for item in items)
            yield Prediction(request.case_id, None, samples)


class MetricContract:
    """What the harness relies on. Inherit it and implement `make`."""

    chance_error = 4.0
    """Standard errors that the mean of random answers may lie from the chance level."""

    @abstractmethod
    def make(self) -> Metric:
        """Return the metric."""

    @pytest.fixture(params=list(PROTOCOLS))
    def protocol(self, request: pytest.FixtureRequest) -> EvaluationProtocol:
        """Each protocol under which the metric is defined."""
        protocol = find_protocol(request.param)
        if not self.make().requires <= protocol.provides:
            pytest.skip("not defined under this protocol")
        return protocol

    @pytest.fixture(scope="class")
    @classmethod
    def dataset(cls) -> PreparedDataset:
        return toy_dataset(users=400, items=60, length=8)

    def context(
        self, protocol: EvaluationProtocol, dataset: PreparedDataset, refusals: bool = False
    ) -> MetricContext:
        """Return what the metric looks at when random answers are given."""
        setup = EvaluationSetup(dataset, dataset.test, (self.make(),), popular_share=0.2)
        run = run_context(dataset.catalog)
        batches = protocol.answer_batches(RandomAnswers(refusals), setup, setup.cases, run)
        predictions = [prediction for _, batch in batches for prediction in batch]
        return protocol.context(setup, dataset.test, predictions, run)

    def test_it_has_a_name_and_a_title(self) -> None:
        metric = self.make()
        assert metric.name == (
            f"{metric.kind}@{metric.cutoff}" if metric.takes_cutoff else metric.kind
        )
        assert metric.title
        assert "@" not in metric.kind and ":" not in metric.kind

    def test_it_can_be_sent_to_another_process(self) -> None:
        assert pickle.loads(pickle.dumps(self.make())) == self.make()  # noqa: S301

    def test_it_gives_a_value_a_case_or_one(
        self, protocol: EvaluationProtocol, dataset: PreparedDataset
    ) -> None:
        for refusals in (False, True):
            context = self.context(protocol, dataset, refusals)
            values = self.make().measure(context)
            if isinstance(values, np.ndarray):
                assert values.shape == (len(context),)
                assert not np.isinf(values).any()
            else:
                assert np.isscalar(values)

    def test_it_gives_the_same_again_and_changes_nothing(
        self, protocol: EvaluationProtocol, dataset: PreparedDataset
    ) -> None:
        context = self.context(protocol, dataset)
        for array in (context.top_items, context.ranks.n_better, context.ranks.n_tied):
            array.setflags(write=False)
        first = np.asarray(self.make().measure(context))
        np.testing.assert_array_equal(first, np.asarray(self.make().measure(context)))

    def test_its_figure_is_finite(
        self, protocol: EvaluationProtocol, dataset: PreparedDataset
    ) -> None:
        context = self.context(protocol, dataset)
        _, summary = compute_metrics(protocol.name, [self.make()], context)
        assert all(np.isfinite(line.mean) for line in summary)

    def test_random_answers_give_its_chance_level(
        self, protocol: EvaluationProtocol, dataset: PreparedDataset
    ) -> None:
        context = self.context(protocol, dataset)
        expected, values = self.make().chance_level(context), self.make().measure(context)
        if expected is None or not isinstance(values, np.ndarray):
            pytest.skip("has no chance level that cases have")
        error = float(values.std() / np.sqrt(len(values)))
        assert abs(float(values.mean()) - expected) <= self.chance_error * error + 1e-12
