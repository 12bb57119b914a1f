"""Examples of supervised fine-tuning, and their batches."""

import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.training.core.examples import Example, check_lengths, collate


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": (1,), "response": ()},
        {"prompt": (), "response": (1,)},
        {"prompt": (1,), "response": (2,), "weight": 0.0},
        {"prompt": (1,), "response": (2,), "weight": float("nan")},
        {"prompt": (1,), "response": (2, 3), "response_weights": (1.0,)},
        {"prompt": (1,), "response": (2, 3), "response_weights": (1.0, -1.0)},
        {"prompt": (1,), "response": (2, 3), "response_weights": (0.0, 0.0)},
        {"prompt": (), "response": (2, 3), "response_weights": (1.0, 0.0)},
    ],
)
def test_an_example_must_have_something_to_learn(values):
    with pytest.raises(DataError, match="example 'u7'"):
        Example(**values, key="u7")


def test_a_too_long_example_is_named():
    examples = [
        Example((1, 2), (3,)),
        Example((1, 2, 3), (4, 5), key="user 7"),
        Example((1,), (2,)),
    ]
    check_lengths(examples, 5)
    with pytest.raises(ConfigError, match=r"example 1 \(user 7\) has 5 tokens, 3 of .* 1 of 3"):
        check_lengths(examples, 4)


def test_a_batch_by_hand():
    pytest.importorskip("torch")
    examples = [
        Example((5, 6, 7), (8, 9)),
        Example((4,), (3, 2, 1), weight=0.5, response_weights=(1.0, 0.0, 4.0)),
    ]
    batch = {name: value.tolist() for name, value in collate(examples).items()}
    x = -100
    assert batch["input_ids"] == [[5, 6, 7, 8, 9, 0, 0, 0], [4, 3, 2, 1, 0, 0, 0, 0]]
    assert batch["labels"] == [[x, x, x, 8, 9, x, x, x], [x, 3, x, 1, x, x, x, x]]
    assert batch["weights"] == [[0, 0, 0, 1, 1, 0, 0, 0], [0, 0.5, 0, 2, 0, 0, 0, 0]]


def test_a_batch_with_the_loss_on_the_prompt():
    pytest.importorskip("torch")
    batch = collate([Example((5, 6, 0), (8, 9), weight=2.0)], train_on_prompt=True, multiple=1)
    assert batch["labels"].tolist() == [[-100, 6, 0, 8, 9]]
    assert batch["weights"].tolist() == [[0, 2, 2, 2, 2]]


def test_no_more_padding_than_to_a_multiple_of_8():
    pytest.importorskip("torch")
    shapes = [collate([Example((1,) * n, (2,))])["input_ids"].shape[1] for n in (1, 7, 8, 15, 16)]
    assert shapes == [8, 8, 16, 16, 24]
