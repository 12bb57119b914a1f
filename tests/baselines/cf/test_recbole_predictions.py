"""What a trained RecBole model answers: one prediction for each request, by its history alone."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from baselines.cf import recbole_models
from baselines.cf.recbole import RecBole
from benchkit.data.dataset import PreparedDataset
from benchkit.types import RunContext
from tests.support.recbole_runs import fit_recbole, score_table


@pytest.fixture(scope="module", params=["SASRec", "GRU4Rec", "FPMC", "DeepFM"])
def trained(
    request: pytest.FixtureRequest, toy30: PreparedDataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RecBole, RunContext]]:
    if recbole_models.recbole_dir() is None:
        pytest.skip("RecBole is not installed")
    yield fit_recbole(toy30, tmp_path_factory.mktemp("scratch"), model=request.param)


def test_every_request_gets_one_prediction_in_order(
    trained: tuple[RecBole, RunContext], toy30: PreparedDataset
) -> None:
    recommender, run = trained
    requests = list(toy30.requests(toy30.test))
    predictions = list(recommender.predict(requests, run))
    assert [p.case_id for p in predictions] == [r.case_id for r in requests]
    assert score_table(predictions).shape == (len(requests), 30)
    assert np.isfinite(score_table(predictions)).all()
    assert list(recommender.predict([], run)) == []


@pytest.mark.parametrize("size", [1, 7])
def test_slicing_does_not_change_an_answer(
    trained: tuple[RecBole, RunContext], toy30: PreparedDataset, size: int
) -> None:
    recommender, run = trained
    requests = list(toy30.requests(toy30.test, 0, 50))
    whole = score_table(list(recommender.predict(requests, run)))
    slices = [requests[i : i + size] for i in range(0, 50, size)]
    parts = [p for part in slices for p in recommender.predict(part, run)]
    np.testing.assert_allclose(score_table(parts), whole, atol=1e-5)


def test_a_score_belongs_to_its_candidate(
    trained: tuple[RecBole, RunContext], toy30: PreparedDataset
) -> None:
    recommender, run = trained
    requests = list(toy30.requests(toy30.test, 0, 20))
    turned = [replace(r, candidates=r.candidates[::-1]) for r in requests]
    straight = score_table(list(recommender.predict(requests, run)))
    np.testing.assert_allclose(
        score_table(list(recommender.predict(turned, run))), straight[:, ::-1], atol=1e-5
    )


def test_the_full_protocol_agrees_with_the_candidates(
    trained: tuple[RecBole, RunContext], toy30: PreparedDataset
) -> None:
    recommender, run = trained
    requests = list(toy30.requests(toy30.test, 0, 5))
    full = list(toy30.requests(toy30.test, 0, 5, candidates="catalog"))
    everything = score_table(list(recommender.predict(full, run)))
    columns = [[toy30.catalog.index[item] for item in request.candidates] for request in requests]
    np.testing.assert_allclose(
        score_table(list(recommender.predict(requests, run))),
        np.take_along_axis(everything, np.array(columns), axis=1),
        atol=1e-5,
    )


def test_only_the_newest_items_are_read(
    trained: tuple[RecBole, RunContext], toy30: PreparedDataset
) -> None:
    recommender, run = trained
    requests = [r for r in toy30.requests(toy30.test) if len(r.history) > 8][:10]
    cut = [replace(request, history=request.history[-8:]) for request in requests]
    np.testing.assert_allclose(
        score_table(list(recommender.predict(cut, run))),
        score_table(list(recommender.predict(requests, run))),
        atol=1e-6,
    )


def test_an_empty_history_is_answered(
    trained: tuple[RecBole, RunContext], toy30: PreparedDataset
) -> None:
    recommender, run = trained
    request = next(toy30.requests(toy30.test))
    (prediction,) = recommender.predict([replace(request, history=())], run)
    assert np.isfinite(np.array(prediction.scores)).all()
