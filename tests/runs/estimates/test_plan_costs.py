"""What the runs of a plan take together."""

import pytest

from benchkit.runs.estimates.expected_costs import NOTHING, ExpectedCosts, Forecast
from benchkit.runs.estimates.plan_costs import count_workers, schedule_runs


def costs(*seconds):
    return [
        ExpectedCosts(seconds=Forecast(value=s, low=s / 2, high=s * 2), basis="x") for s in seconds
    ]


def test_one_at_a_time_they_add_up():
    total = schedule_runs([*costs(1, 2, 3), ExpectedCosts()])
    assert (total.value, total.low, total.high) == (6, 3, 12)
    assert schedule_runs([]) == schedule_runs([], 4) == NOTHING


def test_side_by_side_each_begins_as_soon_as_there_is_room():
    total = schedule_runs(costs(4, 1, 1, 3), workers=2)  # 4 beside 1, 1 and 3
    assert (total.value, total.low, total.high) == (5, 2.5, 10)
    assert schedule_runs(costs(4, 1, 1, 3), workers=9).value == 4


def test_runs_do_not_advance_faster_than_there_are_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [count_workers(jobs, threads) for jobs, threads in ((1, 1), (8, 1), (8, 2))] == [1, 4, 2]
    assert count_workers(3, 8) == 1
    assert count_workers(2, 1) == pytest.approx(2)
