"""What a trained SASRec answers, which settings it refuses, and what its module imports."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from baselines.cf.sasrec import SASRec
from benchkit.testing.fixtures import run_context
from benchkit.types import Event, Request

torch = pytest.importorskip("torch")


def test_a_score_is_a_dot_product(trained_sasrec, toy):
    method, requests = trained_sasrec[0], list(toy.requests(toy.test, 0, 9))
    histories = [[toy.catalog.index[event.item] for event in one.history] for one in requests]
    states = method.user_states([np.array(history) for history in histories])
    expected = (states @ method.item_embeddings.T).numpy()
    np.testing.assert_allclose(method.score_items(requests), expected, rtol=1e-6)
    answer = next(method.predict(requests, run_context(toy.catalog)))
    codes = [toy.catalog.index[item] for item in requests[0].candidates]
    np.testing.assert_allclose(answer.scores, expected[0, codes], rtol=1e-6)
    assert not states.requires_grad
    assert not method.item_embeddings.requires_grad


def test_slicing_the_requests_changes_nothing(trained_sasrec, toy):
    method, requests = trained_sasrec[0], list(toy.requests(toy.test, 0, 40))
    requests = [
        dataclasses.replace(one, history=one.history[: n % 7]) for n, one in enumerate(requests)
    ]
    whole = method.score_items(requests)
    single = np.concatenate([method.score_items([one]) for one in requests])
    np.testing.assert_allclose(single, whole, atol=1e-5)


def test_only_the_newest_items_are_read(trained_sasrec):
    method, rng = trained_sasrec[0], np.random.default_rng(0)
    newest = rng.integers(0, 100, method.config.max_length)
    states = method.user_states([np.concatenate([rng.integers(0, 100, 30), newest]), newest])
    torch.testing.assert_close(states[0], states[1])


def test_an_empty_history_scores_everything_zero(trained_sasrec, toy):
    requests = [Request("case", "nobody", history, ("i1", "i2")) for history in ((), (Event("?"),))]
    assert not trained_sasrec[0].score_items(requests).any()
    assert list(trained_sasrec[0].predict(requests, run_context(toy.catalog)))[1].scores == [
        0.0,
        0.0,
    ]


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="heads"):
        SASRec.Config(hidden=10, heads=4)
    with pytest.raises(ValidationError):
        SASRec.Config(loss="bpr")


def test_importing_the_method_does_not_import_torch():
    code = "import sys, baselines.cf.sasrec; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
