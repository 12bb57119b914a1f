"""The conformance tests find the faults that they are for."""

import dataclasses
from collections import Counter

import pytest

from benchkit.errors import MethodError
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.recommenders import RecommenderContract
from benchkit.types import Prediction, Sample


class Sampling:
    """Draws among the candidates, and remembers nothing."""

    capabilities = frozenset({"samples", "cold_users"})
    caveats = ("draws",)

    def fit(self, data, run):
        self.count = Counter(data.interactions.item.tolist())

    def predict(self, requests, run):
        raise AssertionError("it has no scores")

    def sample(self, requests, run):
        for request in requests:
            rng = self.generator(request, run)
            drawn = rng.integers(0, len(request.candidates), run.decoding["n"])
            items = [request.candidates[place] for place in drawn]
            samples = tuple(Sample(item, item, None, "ok") for item in items)
            yield Prediction(request.case_id, None, samples)

    def generator(self, request, run):
        return run.generator("draws", request.case_id)


class ByBatch(Sampling):
    """Its draws depend on what it was asked before."""

    def sample(self, requests, run):
        self.rng = run.generator("batch")
        return super().sample(requests, run)

    def generator(self, request, run):
        return self.rng


class BySelf(Sampling):
    """Its draws depend on which instance is asked."""

    def generator(self, request, run):
        return run.generator("draws", request.case_id, id(self))


class OneShort(Sampling):
    def sample(self, requests, run):
        for prediction in super().sample(requests, run):
            yield dataclasses.replace(prediction, samples=prediction.samples[1:])


class TestSampling(RecommenderContract):
    """A method without scores passes: what it cannot do is skipped."""

    def make(self):
        return Sampling()


@pytest.fixture(scope="module")
def dataset():
    return toy_dataset(users=60, items=60, length=8)


def contract(method):
    return type("Contract", (RecommenderContract,), {"make": lambda self: method()})()


@pytest.mark.parametrize(
    ("method", "check"),
    [
        (ByBatch, "test_slicing_the_requests_changes_no_sample"),
        (BySelf, "test_the_same_seed_gives_the_same_samples"),
        (OneShort, "test_it_samples_n_answers_a_request_in_order"),
    ],
)
def test_faulty_samplers_are_found(method, check, dataset):
    fitted = method()
    fitted.fit(dataset.train_view(), run_context(dataset.catalog))
    requests = list(dataset.requests(dataset.test, 0, 25))
    with pytest.raises((AssertionError, MethodError)):
        getattr(contract(method), check)(fitted, requests, dataset)
    getattr(contract(Sampling), check)(Sampling(), requests, dataset)


def test_a_context_has_what_a_run_has(dataset, tmp_path):
    first, second = (run_context(dataset.catalog) for _ in range(2))
    assert first.cache == second.cache != first.scratch
    assert first.scratch != second.scratch
    assert first.decoding["n"] == 5
    assert run_context(dataset.catalog, cache=tmp_path).cache == tmp_path
