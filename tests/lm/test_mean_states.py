"""Vectors of texts: means of hidden states, whatever else is in the batch."""

import pytest

torch = pytest.importorskip("torch")

from benchkit.lm.states.mean_states import masked_mean_states, mean_states, pad_right  # noqa: E402
from tests.support.tiny_models import tiny_model  # noqa: E402

TEXTS = [(5, 6, 7, 8), (9,), (10, 11), (5, 6, 7, 8, 9, 10)]


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3"])
def test_vectors_are_means_of_single_texts(kind):
    model = tiny_model(kind)
    with torch.no_grad():
        expected = [
            model.model(input_ids=torch.tensor([text])).last_hidden_state[0].mean(dim=0)
            for text in TEXTS
        ]
    for batch_tokens in (1, 8, 1000):
        vectors = mean_states(model, TEXTS, batch_tokens=batch_tokens)
        torch.testing.assert_close(vectors, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_the_first_tokens_can_be_left_out():
    model = tiny_model("qwen3")
    (vector,) = mean_states(model, [(1, 5, 6)], skip=1)
    with torch.no_grad():
        states = model.model(input_ids=torch.tensor([[1, 5, 6]])).last_hidden_state[0]
    torch.testing.assert_close(vector, states[1:].mean(dim=0), atol=1e-5, rtol=1e-5)


def test_padding_counts_for_nothing():
    ids, mask = pad_right([(1, 2), (3,)])
    assert ids.tolist() == [[1, 2], [3, 0]] and mask.tolist() == [[True, True], [True, False]]
    states = torch.tensor([[[2.0], [4.0]], [[6.0], [8.0]]])
    assert masked_mean_states(states, mask).tolist() == [[3.0], [6.0]]
    assert masked_mean_states(states, mask & False).tolist() == [[0.0], [0.0]]
