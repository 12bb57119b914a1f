"""The inline executor."""

import pytest

from benchkit.errors import ConfigError
from benchkit.runs.executors.inline import InlineExecutor
from benchkit.testing.executors import ExecutorContract


class TestInline(ExecutorContract):
    survives_kill = False

    def make(self, workers):
        return InlineExecutor()


def test_it_does_one_run_at_a_time():
    with pytest.raises(ConfigError, match="one run at a time, not 3") as caught:
        InlineExecutor(3)
    assert "--executor processes" in str(caught.value)
