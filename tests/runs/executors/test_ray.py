"""The executor that computes runs on a cluster of Ray's."""

import pytest

from benchkit.runs.executors.ray import RayExecutor
from benchkit.testing.executors import ExecutorContract
from tests.support.ray_nodes import start_nodes

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module", autouse=True)
def nodes():
    with start_nodes(3) as nodes:
        yield nodes


class TestRay(ExecutorContract):
    def make(self, workers):
        return RayExecutor(workers)
