"""Settings, examples, batches, order: everything before a model is involved."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchkit.errors import ConfigError, DataError
from benchkit.training.core.batch_sampler import MicroBatchSampler, StepPlan, epoch_order
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.examples import Example, check_lengths, collate

# Settings


@pytest.mark.parametrize(
    "values",
    [
        {"learning_rat": 1e-4},
        {"lora": {"rank": 8}},
        {"schedule": "step"},
        {"precision": "float16"},
        {"batch_size": 8, "micro_batch": 3},
        {"batch_size": 2, "micro_batch": 4},
        {"purpose": "../elsewhere"},
        {"warmup": 1.0},
    ],
)
def test_what_makes_no_sense_is_refused(values):
    with pytest.raises(ValidationError):
        TrainConfig.model_validate(values)


def test_settings_are_frozen_and_adapt_all_seven_linear_modules():
    config = TrainConfig(lora=LoRAConfig())
    with pytest.raises(ValidationError):
        config.epochs = 2
    assert (config.lora.r, config.lora.alpha, len(config.lora.targets)) == (8, 16, 7)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


def test_the_modules_are_cheap_to_import():
    code = (
        "import sys, benchkit.process_state, benchkit.training.core.config, benchkit.training.core.examples, "
        "benchkit.training.core.sft, benchkit.training.core.lora, benchkit.training.core.batch_sampler\n"
        "print([m for m in ('torch', 'transformers', 'peft', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# Examples


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


# Batches


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


# Order


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=400),
    batch=st.integers(1, 9),
    group=st.booleans(),
)
def test_an_epoch_has_every_example_once(lengths, batch, group):
    order = epoch_order(np.random.default_rng(0), lengths, batch, group)
    assert sorted(order.tolist()) == list(range(len(lengths)))


def test_grouped_batches_need_less_padding():
    lengths = np.random.default_rng(1).integers(1, 500, 1000).tolist()

    def padding(group):
        order = epoch_order(np.random.default_rng(0), lengths, 10, group).reshape(-1, 10)
        sizes = np.asarray(lengths)[order]
        return (sizes.max(axis=1, keepdims=True) - sizes).sum()

    assert padding(True) < padding(False) / 10


def test_micro_batches_are_the_order_in_pieces():
    micro = MicroBatchSampler(lambda epoch: np.arange(5) + 10 * epoch, lambda: 2, 5, 2)
    assert len(micro) == 3
    assert list(micro) == [[20, 21], [22, 23], [24]]


@pytest.mark.parametrize(
    ("values", "plan"),
    [
        ({"epochs": 3}, (4, 12, 4, 4)),
        ({"epochs": 0.5, "evaluate_every": 0.25}, (4, 2, 1, 4)),
        ({"epochs": 3, "max_steps": 5, "checkpoint_every": 0.5}, (4, 5, 4, 2)),
        ({"unit": "steps", "evaluate_every": 7, "checkpoint_every": 2}, (4, 12, 7, 2)),
    ],
)
def test_the_plan_counts_steps(values, plan):
    made = StepPlan.from_config(TrainConfig(batch_size=8, **values), 30)
    assert (
        made.steps_per_epoch,
        made.total_steps,
        made.evaluation_interval,
        made.checkpoint_interval,
    ) == plan
