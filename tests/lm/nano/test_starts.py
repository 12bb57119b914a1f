"""Nano starts anew from other weights where it stays at popularity."""

import numpy as np
import pytest

from benchkit.lm.nano import starts
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.corpus import NanoCorpus
from benchkit.lm.nano.training import NanoTrainingResult

HISTORY = np.array([0, 1, 2, 2], dtype=np.int32)
CORPUS = NanoCorpus([np.array([5, 0])] * 3, [HISTORY], [(HISTORY, 2)], eos=0)


class Model:
    def to(self, device):
        return self


class Notes(list):
    def start(self, what, total=None):
        pass

    def advance(self, steps=1, note=""):
        self.append((steps, note))


@pytest.fixture
def train(monkeypatch):
    """Replace training by losses given for each start; what it was called with is recorded."""
    calls = []

    def prepare(*losses):
        def train_nano(model, corpus, config, progress, give_up_above=None):
            calls.append((config.seed, give_up_above))
            loss = losses[len(calls) - 1]
            return NanoTrainingResult(f"model {config.seed}", 40, 100, 2.0, loss)

        monkeypatch.setattr(starts, "train_nano", train_nano)
        monkeypatch.setattr(starts, "init_nano_model", lambda config, tokenizer: Model())
        monkeypatch.setattr(starts, "start_from_vectors", lambda model, tokens, vectors: None)
        return calls

    return prepare


def run(corpus=CORPUS, notes=None):
    return starts.train_from_starts(
        corpus, NanoConfig(seed=7), None, Notes() if notes is None else notes, "cpu"
    )


# Counts of 2, 2 and 3 of 7: -log(3/7) = .847 for the target.
POPULARITY = np.log(7 / 3)


def test_the_loss_of_popularity():
    assert starts.popularity_loss(CORPUS) == pytest.approx(POPULARITY)


def test_a_model_that_learns_order_is_trained_once(train):
    calls = train(0.5)
    assert run().model == "model 7"
    assert calls == [(7, pytest.approx(POPULARITY - starts.MARGIN))]


def test_one_that_stays_at_popularity_starts_anew(train):
    calls, notes = train(0.84, 0.4), Notes()
    result = run(notes=notes)
    assert (result.model, result.tokens) == ("model 8", 200)
    assert [seed for seed, _ in calls] == [7, 8]
    assert notes == [(0, "nano: no better than popularity after 40 steps, starting anew")]


def test_the_best_start_is_kept_and_the_last_is_not_given_up(train):
    calls = train(0.85, 0.83, 0.84)
    assert run().model == "model 8"
    assert [seed for seed, _ in calls] == [7, 8, 9]
    assert calls[-1][1] is None


def test_without_validation_there_is_one_start(train):
    calls = train(None)
    assert run(CORPUS._replace(validation=[])).model == "model 7"
    assert calls == [(7, None)]
