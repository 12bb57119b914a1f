"""Conformance tests that any recommender can inherit.

class TestMine(RecommenderContract):
    def make(self):
        return MyRec()
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np

from benchkit.config.decoding_spec import DecodingSpec
from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.evaluation.predict import validate_predictions, validate_samples
from benchkit.testing.fixtures import capture_process_state, run_context, toy_dataset
from benchkit.testing.pytest_module import pytest
from benchkit.types import Capability, Event, Prediction, Recommender, Request, RunContext, Sampler


class RecommenderContract:
    """What the harness relies on. Inherit it and implement `make`."""

    order_sensitive = False
    """Set it for methods that read the candidate list as a text, in its order."""
    tolerance = 1e-5
    """Largest difference between scores that ought to be equal."""
    decoding: ClassVar[Mapping[str, float]] = DecodingSpec(n=3, max_tokens=64).model_dump()
    """How samplers are asked to answer; shorter than a suite asks for."""

    @abstractmethod
    def make(self) -> Recommender:
        """Return a fresh, unfitted recommender, with settings that fit a toy dataset in seconds."""

    @pytest.fixture(scope="class")
    @classmethod
    def dataset(cls) -> PreparedDataset:
        dataset = toy_dataset(users=60, items=60, length=8)
        return replace(dataset, valid=_shorten_a_list(dataset.valid))

    @pytest.fixture(scope="class")
    @classmethod
    def requests_(cls, dataset: PreparedDataset) -> list[Request]:
        return list(dataset.requests(dataset.test, 0, 25))

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, dataset: PreparedDataset) -> Recommender:
        recommender = cls().make()
        recommender.fit(dataset.train_view(), cls.context(dataset))
        return recommender

    @classmethod
    def context(cls, dataset: PreparedDataset) -> RunContext:
        """Return what the recommender is run with."""
        return run_context(dataset.catalog, decoding=cls.decoding)

    def scores(
        self, fitted: Recommender, requests: Sequence[Request], dataset: PreparedDataset
    ) -> np.ndarray:
        """Return [n, c] the scores of `requests`, validated as the harness does."""
        if "scores" not in fitted.capabilities:
            pytest.skip("does not claim scores")
        answers = validate_predictions(fitted.predict(requests, self.context(dataset)), requests)
        return np.array([prediction.scores for prediction in answers], dtype=np.float64)

    def samples(
        self, fitted: Recommender, requests: Sequence[Request], dataset: PreparedDataset
    ) -> list[Prediction]:
        """Return sampled answers to `requests`, validated as the harness does."""
        if "samples" not in fitted.capabilities:
            pytest.skip("does not claim samples")
        assert isinstance(fitted, Sampler)
        run = self.context(dataset)
        return list(
            validate_samples(fitted.sample(requests, run), requests, int(run.decoding["n"]))
        )

    def test_lists_of_candidates_may_have_different_lengths(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        if "scores" not in fitted.capabilities:
            pytest.skip("does not claim scores")
        shorter = [
            replace(request, candidates=request.candidates[: len(request.candidates) - number])
            for number, request in enumerate(requests_[:3])
        ]
        answers = validate_predictions(fitted.predict(shorter, self.context(dataset)), shorter)
        for request, answer in zip(shorter, answers, strict=True):
            assert answer.scores is None or len(answer.scores) == len(request.candidates)

    def test_it_declares_what_it_can_do(self) -> None:
        recommender = self.make()
        assert set(recommender.capabilities) <= set(get_args(Capability))
        assert {"scores", "samples"} & set(recommender.capabilities)
        caveats = getattr(recommender, "caveats", ())
        assert isinstance(caveats, tuple)
        assert all(isinstance(caveat, str) and caveat for caveat in caveats)

    def test_it_answers_every_request_in_order(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        if "scores" not in fitted.capabilities:
            pytest.skip("does not claim scores")
        answers = list(fitted.predict(requests_, self.context(dataset)))
        assert [a.case_id for a in answers] == [r.case_id for r in requests_]
        assert all(isinstance(answer, Prediction) for answer in answers)
        assert list(validate_predictions(iter(answers), requests_)) == answers

    def test_it_samples_n_answers_a_request_in_order(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        answers = self.samples(fitted, requests_, dataset)
        assert [a.case_id for a in answers] == [r.case_id for r in requests_]
        complete = [answer for answer in answers if answer.status == "ok"]
        assert complete, "no case could be asked"
        assert all(len(answer.samples) == self.decoding["n"] for answer in complete)

    def test_slicing_the_requests_changes_nothing(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        whole = self.scores(fitted, requests_, dataset)
        single = np.concatenate([self.scores(fitted, [r], dataset) for r in requests_[:6]])
        np.testing.assert_allclose(single, whole[:6], atol=self.tolerance, rtol=self.tolerance)

    def test_slicing_the_requests_changes_no_sample(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        whole = self.samples(fitted, requests_, dataset)
        single = [self.samples(fitted, [request], dataset)[0] for request in requests_[:6]]
        assert [a.samples for a in single] == [a.samples for a in whole[:6]]

    def test_the_same_seed_gives_the_same_answers(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        again = self.make()
        again.fit(dataset.train_view(), self.context(dataset))
        np.testing.assert_array_equal(
            self.scores(again, requests_, dataset), self.scores(fitted, requests_, dataset)
        )

    def test_the_same_seed_gives_the_same_samples(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        if "samples" not in fitted.capabilities:
            pytest.skip("does not claim samples")
        again = self.make()
        again.fit(dataset.train_view(), self.context(dataset))
        repeated = [answer.samples for answer in self.samples(again, requests_, dataset)]
        assert repeated == [answer.samples for answer in self.samples(fitted, requests_, dataset)]

    def test_scores_belong_to_items_and_not_to_places(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        if self.order_sensitive:
            pytest.skip("reads the candidates in their order")
        reversed_requests = [
            Request(r.case_id, r.user, r.history, tuple(reversed(r.candidates))) for r in requests_
        ]
        np.testing.assert_allclose(
            self.scores(fitted, reversed_requests, dataset)[:, ::-1],
            self.scores(fitted, requests_, dataset),
            atol=self.tolerance,
            rtol=self.tolerance,
        )

    def test_it_ranks_the_whole_catalogue(
        self, fitted: Recommender, dataset: PreparedDataset
    ) -> None:
        if "candidates_only" in fitted.capabilities:
            pytest.skip("ranks short lists only")
        requests = list(dataset.requests(dataset.test, 0, 5, "catalog"))
        assert self.scores(fitted, requests, dataset).shape == (5, len(dataset.catalog))

    def test_it_serves_users_it_has_not_seen(
        self, fitted: Recommender, requests_: list[Request], dataset: PreparedDataset
    ) -> None:
        if "cold_users" not in fitted.capabilities:
            pytest.skip("does not claim cold_users")
        first = requests_[0]
        unknown_users = [
            Request("cold:0", "nobody", first.history, first.candidates),
            Request("cold:1", "nobody else", (), first.candidates),
            Request("cold:2", "one", (Event(first.history[0].item),), first.candidates),
        ]
        if "scores" in fitted.capabilities:
            assert not np.isnan(self.scores(fitted, unknown_users, dataset)).any()
        if "samples" in fitted.capabilities:
            assert len(self.samples(fitted, unknown_users, dataset)) == len(unknown_users)

    def test_the_process_is_left_as_it_was(
        self, dataset: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)  # a folder that no other process writes to
        before = capture_process_state()
        recommender = self.make()
        recommender.fit(dataset.train_view(), self.context(dataset))
        requests = list(dataset.requests(dataset.test, 0, 3))
        if "scores" in recommender.capabilities:
            self.scores(recommender, requests, dataset)
        if "samples" in recommender.capabilities:
            self.samples(recommender, requests, dataset)
        assert capture_process_state() == before

    def test_it_learns_from_a_view_that_cannot_be_changed(self, dataset: PreparedDataset) -> None:
        view = dataset.train_view()
        arrays = (view.interactions.user, view.interactions.item, view.interactions.offsets)
        for array in arrays:
            array.setflags(write=False)
        self.make().fit(view, self.context(dataset))


def _shorten_a_list(cases: Cases) -> Cases:
    """Return cases of which the second has one candidate fewer than the others."""
    table = cases.candidates.copy()
    negatives = np.flatnonzero(table[1] != cases.target[1])
    table[1] = [*np.delete(table[1], negatives[-1]), PADDING_ITEM]
    return cases.replace_candidates(table)
