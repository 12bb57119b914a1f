"""SASRec's windows, and what training makes of small data."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.cf.popularity import Popularity
from baselines.cf.windows import Windows, batch_windows, cut_windows
from benchkit.data.request_batch import TrainData
from benchkit.errors import DataError
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog, Event, Interactions, Request
from tests.support.sasrec_runs import Notes, fit_sasrec

torch = pytest.importorskip("torch")

CYCLE = 12  # items of the data in which every item has one successor


def cycles(users: int = 40, length: int = 7) -> TrainData:
    """Users who walk round a circle of items, each from a place of their own."""
    items = (np.arange(users)[:, None] + np.arange(length)) % CYCLE
    interactions = Interactions(
        user=np.repeat(np.arange(users, dtype=np.int32), length),
        item=items.reshape(-1).astype(np.int32),
        offsets=np.arange(users + 1, dtype=np.int64) * length,
    )
    catalog = Catalog(tuple(f"i{code}" for code in range(CYCLE)), {})
    return TrainData("cycles", [f"u{u}" for u in range(users)], catalog, interactions, ())


def ask(data: TrainData, *histories: list[int]) -> list[Request]:
    every = data.catalog.ids
    return [
        Request(f"case:{n}", "nobody", tuple(Event(every[code]) for code in history), every)
        for n, history in enumerate(histories)
    ]


# The windows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 9))
def test_each_next_item_is_a_label_once(sizes, length, seed):
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    user = np.repeat(np.arange(len(sizes)), sizes)
    windows = cut_windows(offsets, length, np.random.default_rng(seed))
    labels = [
        row + 1 for start, size in zip(*windows, strict=True) for row in range(start, start + size)
    ]
    has_one_before = np.flatnonzero(user[1:] == user[:-1]) + 1
    assert sorted(labels) == has_one_before.tolist()
    assert ((windows.size >= 1) & (windows.size <= length)).all()
    assert (user[windows.start] == user[windows.start + windows.size]).all()


def test_the_cuts_move_and_short_sequences_are_whole():
    rng, offsets = np.random.default_rng(0), np.array([0, 100, 108])
    starts = {tuple(cut_windows(offsets, 10, rng).start.tolist()) for _ in range(20)}
    assert len(starts) > 5
    assert all(start[-1] == 100 for start in starts)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 40))
def test_batches_hold_every_window_once(sizes, labels):
    windows = Windows(np.arange(len(sizes)) * 100, np.array(sizes))
    parts = list(batch_windows(windows, labels, np.random.default_rng(0)))
    assert sorted(np.concatenate([part.start for part in parts])) == windows.start.tolist()
    assert all(part.size.sum() < labels * 2 + 9 for part in parts)


def test_rows_of_a_window():
    rows, valid = Windows(np.array([4, 9]), np.array([3, 1])).rows()
    assert rows.tolist() == [[4, 5, 6], [9, 0, 0]]
    assert valid.tolist() == [[True, True, True], [True, False, False]]


# Training


@pytest.mark.parametrize("loss", ["bce", "gbce", "cross-entropy"])
def test_every_loss_learns_the_one_successor(loss):
    data = cycles()
    method = fit_sasrec(data, loss=loss, negatives=2, epochs=80, dropout=0.0, learning_rate=0.01)
    scores = method.score_items(ask(data, *([code] for code in range(CYCLE))))
    assert scores.argmax(axis=1).tolist() == [(code + 1) % CYCLE for code in range(CYCLE)]


def test_one_batch_is_learned_by_heart():
    data, progress = cycles(users=6), Notes()
    fit_sasrec(
        data, progress=progress, epochs=150, dropout=0.0, batch_size=1000, learning_rate=0.01
    )
    assert float(progress.notes[-1].removeprefix("loss ")) < 0.02


def test_it_learns_what_popularity_cannot(trained_sasrec, toy):
    requests = list(toy.requests(toy.test))
    run, popularity = run_context(toy.catalog), Popularity()
    popularity.fit(toy.train_view(), run)

    def ndcg(method):
        scores = [answer.scores for answer in method.predict(requests, run)]
        ranks = ranks_from_scores(scores, toy.test.target_position)
        return find_metric("ndcg@5").values(ranks).mean()

    assert ndcg(trained_sasrec[0]) > ndcg(popularity) + 0.2


def test_the_best_epoch_is_kept(toy):
    data, progress = toy.train_view(), Notes()
    method = fit_sasrec(data, progress=progress, learning_rate=0.1, patience=2, epochs=50)
    values = [float(note.split("ndcg@10 ")[1]) for note in progress.notes]
    # Notes have three digits: of epochs that look equally good, one is the best.
    best = np.flatnonzero(np.array(values) == max(values))
    assert len(values) - 3 in best or len(values) == 50
    assert method._ndcg(data.validation, run_context(data.catalog)) == pytest.approx(
        max(values), abs=1e-3
    )


def test_without_validation_cases_all_epochs_are_trained():
    progress = Notes()
    fit_sasrec(cycles(), progress=progress, epochs=7)
    assert len(progress.notes) == 7
    assert all("ndcg" not in note for note in progress.notes)


def test_the_seed_decides_and_nothing_else(toy):
    data, requests = toy.train_view(), list(toy.requests(toy.test, 0, 20))
    first = fit_sasrec(data, epochs=2).score_items(requests)
    torch.manual_seed(99)
    assert np.array_equal(fit_sasrec(data, epochs=2).score_items(requests), first)
    assert not np.allclose(fit_sasrec(data, seed=1, epochs=2).score_items(requests), first)


@pytest.mark.parametrize("loss", ["bce", "gbce", "cross-entropy"])
def test_the_generators_of_the_process_are_left_alone(toy, loss):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    method = fit_sasrec(toy.train_view(), epochs=1, loss=loss)
    method.score_items(list(toy.requests(toy.test, 0, 5)))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002


def test_a_dataset_without_sequences_is_refused():
    with pytest.raises(DataError, match="two training interactions"):
        fit_sasrec(cycles(length=1))
