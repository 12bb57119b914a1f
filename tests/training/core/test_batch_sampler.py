"""The order of examples, and the number of steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.training.core.batch_sampler import MicroBatchSampler, StepPlan, epoch_order
from benchkit.training.core.config import TrainConfig


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
    micro = MicroBatchSampler(lambda epoch: np.arange(5) + 10 * epoch, lambda: 2, 5, 4, 2)
    assert len(micro) == 3
    assert list(micro) == [[20, 21], [22, 23], [24]]


@pytest.mark.parametrize(
    ("values", "plan"),
    [
        ({"epochs": 3}, (4, 12, 4, 4)),
        ({"epochs": 0.5, "evaluate_every": 0.25}, (4, 2, 1, 4)),
        ({"epochs": 3, "max_steps": 5, "checkpoint_every": 0.5}, (4, 5, 4, 2)),
        ({"epochs": 3, "min_steps": 30}, (4, 30, 10, 10)),
        ({"epochs": 3, "min_steps": 5}, (4, 12, 4, 4)),
        ({"epochs": 3, "min_steps": 30, "max_steps": 20}, (4, 20, 10, 10)),
        ({"epochs": 3, "min_steps": 30, "unit": "steps", "evaluate_every": 7}, (4, 30, 7, 1)),
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
