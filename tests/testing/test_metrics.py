"""Every shipped metric keeps the contract, and the contract finds the faults that it is for."""

import numpy as np
import pytest

from benchkit.evaluation.lookup import METRICS, find_metric, find_protocol
from benchkit.evaluation.metrics.base import Metric
from benchkit.evaluation.metrics.rank_based import HitRate
from benchkit.testing.fixtures import toy_dataset
from benchkit.testing.metrics import MetricContract


@pytest.mark.parametrize("name", [METRICS.load(name).form() for name in METRICS])
class TestShipped(MetricContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name):
        self.name = name.replace("@K", "@5")

    def make(self):
        return find_metric(self.name)


class WrongLength(Metric):
    kind = "wrong-length"

    def measure(self, context):
        return np.zeros(len(context) - 1)


class Unstable(Metric):
    kind = "unstable"

    def measure(self, context):
        return np.random.default_rng().random(len(context))


class WrongChance(HitRate):
    kind = "wrong-chance"

    def chance_level(self, context):
        return 0.9


class Writes(Metric):
    kind = "writes"

    def measure(self, context):
        context.ranks.n_better[0] = 0
        return 0.0


class Infinite(Metric):
    kind = "infinite"

    def measure(self, context):
        return np.full(len(context), np.inf)


@pytest.mark.parametrize(
    ("metric", "check", "error"),
    [
        (WrongLength(), "test_it_gives_a_value_a_case_or_one", AssertionError),
        (Infinite(), "test_it_gives_a_value_a_case_or_one", AssertionError),
        (Unstable(), "test_it_gives_the_same_again_and_changes_nothing", AssertionError),
        (Writes(), "test_it_gives_the_same_again_and_changes_nothing", ValueError),
        (WrongChance(5), "test_random_answers_give_its_chance_level", AssertionError),
    ],
)
def test_faulty_metrics_are_found(metric, check, error):
    contract = type("Contract", (MetricContract,), {"make": lambda self: metric})()
    dataset = toy_dataset(users=400, items=60, length=8)
    with pytest.raises(error):
        getattr(contract, check)(find_protocol("scored"), dataset)
