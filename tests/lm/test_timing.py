"""Stages that runs share cost the same for all of them."""

import time

import pytest

from benchkit.lm.timing import record_stage_cost
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog


@pytest.fixture
def runs(tmp_path):
    return [run_context(Catalog((), {}), scratch=tmp_path) for _ in range(2)]


def test_whoever_finds_a_stage_computed_says_what_computing_it_takes(runs, tmp_path):
    first, second = runs
    record = tmp_path / "seconds.json"
    with record_stage_cost(first, "sft", record):
        time.sleep(0.05)
    with record_stage_cost(second, "sft", record):
        pass
    assert first.stages["sft"].cost == pytest.approx(first.stages["sft"].seconds_here)
    assert second.stages["sft"].cost == pytest.approx(first.stages["sft"].cost, abs=1e-3)
    assert second.stages["sft"].seconds_here < 0.05


def test_waiting_for_another_run_is_not_a_cost_of_the_stage(runs, tmp_path):
    first, second = runs
    record = tmp_path / "seconds.json"
    with record_stage_cost(first, "sft", record):
        time.sleep(0.01)
    since = time.perf_counter() - 5.0
    with record_stage_cost(second, "sft", record, since):
        pass
    assert second.stages["sft"].seconds_here > 5.0
    assert second.stages["sft"].cost < 1.0


def test_a_stage_done_twice_in_a_run_counts_twice(runs):
    run = runs[0]
    for _ in range(2):
        with record_stage_cost(run, "reference"):
            time.sleep(0.01)
    assert run.stages["reference"].cost >= 0.02
