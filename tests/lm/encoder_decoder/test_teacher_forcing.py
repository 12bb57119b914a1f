"""Log-probabilities of answers of an encoder-decoder, and the beam search among them."""

import numpy as np
import pytest
import torch

from benchkit.lm.encoder_decoder.teacher_forcing import (
    Encoded,
    decode_logits,
    encode,
    pad_token_rows,
    score_options,
    search_options,
)
from tests.support.tiny_encoder_decoder import tiny_t5


@pytest.fixture(scope="module")
def model():
    return tiny_t5()


@pytest.fixture(scope="module")
def encoded(model):
    tokens = pad_token_rows([[5, 6, 7, 1], [8, 9, 1]], 0)
    with torch.no_grad():
        return encode(model, tokens, (tokens != 0).long())


def random_options(count, seed=0):
    """Different ids with their ends; some begin as others do, and some are longer."""
    rng = np.random.default_rng(seed)
    options = set()
    while len(options) < count:
        options.add((*rng.integers(3, 8, rng.integers(1, 4)).tolist(), 1))
    return sorted(options)


def test_sums_are_those_of_a_loop(model, encoded):
    options = [[(5, 6, 1), (7, 1)], [(9, 1)]]
    scores = score_options(model, encoded, options)
    for row, some in enumerate(options):
        for option, score in zip(some, scores[row], strict=True):
            total = 0.0
            for size in range(len(option)):
                answer = torch.tensor([[*option[:size], 0]])
                with torch.no_grad():
                    logits = decode_logits(model, encoded.row(row), answer)[0, -1]
                total += float(logits.log_softmax(-1)[option[size]])
            assert score == pytest.approx(total, abs=1e-5)


def test_what_precedes_the_options_is_not_counted(model, encoded):
    (whole,), (rest,) = (
        score_options(model, encoded.row(0), [[(5, 6, 7, 1)]]),
        score_options(model, encoded.row(0), [[(6, 7, 1)]], [(5,)]),
    )
    first = score_options(model, encoded.row(0), [[(5,)]])[0]
    assert whole[0] == pytest.approx(first[0] + rest[0], abs=1e-5)


def test_padding_of_the_input_changes_nothing(model):
    tokens = pad_token_rows([[5, 6, 7, 1]], 0)
    wider = torch.nn.functional.pad(tokens, (0, 3))
    options = [random_options(12)]
    with torch.no_grad():
        one, two = (encode(model, t, (t != 0).long()) for t in (tokens, wider))
    np.testing.assert_allclose(
        score_options(model, one, options)[0], score_options(model, two, options)[0], atol=1e-5
    )


def test_scores_do_not_depend_on_what_is_scored_beside(model, encoded, monkeypatch):
    options = [random_options(20), random_options(7, seed=1)]
    together = score_options(model, encoded, options)
    monkeypatch.setattr("benchkit.lm.encoder_decoder.teacher_forcing._ROW_TOKENS", 12)
    apart = score_options(model, encoded, options)
    for first, second in zip(together, apart, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


def test_a_beam_as_wide_as_the_candidates_gives_the_ranking_of_teacher_forcing(model, encoded):
    options = random_options(30)
    (scores,) = score_options(model, encoded.row(1), [options])
    searched = search_options(model, encoded.row(1), options, beam=30)
    np.testing.assert_allclose(searched, scores, atol=1e-5)
    assert np.argsort(-searched).tolist() == np.argsort(-scores).tolist()


def test_a_narrow_beam_does_not_reach_all(model, encoded):
    options = random_options(30)
    wide = search_options(model, encoded.row(0), options, beam=30)
    narrow = search_options(model, encoded.row(0), options, beam=1)
    reached = np.isfinite(narrow)
    assert 0 < reached.sum() < 30
    np.testing.assert_allclose(narrow[reached], wide[reached], atol=1e-5)


def test_states_are_picked_by_input():
    states = Encoded(torch.arange(6.0).reshape(2, 3, 1), torch.ones(2, 3))
    picked = states.rows(torch.tensor([1, 1, 0]))
    assert len(picked) == 3 and picked.states[:, 0, 0].tolist() == [3, 3, 0]
    assert states.row(1).states.tolist() == states.states[1:].tolist()
