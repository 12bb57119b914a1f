"""Leaderboard files while a suite is computed: soon enough, and seldom enough."""

from itertools import pairwise

import pytest

from benchkit.api.live_leaderboard import LiveLeaderboard
from benchkit.errors import StoreError
from tests.support.command_line import invoked

SUITE = """
title = "Toy"
[[datasets]]
name = "toy"
source = "toy"
options = { users = 60, items = 60 }
[[methods]]
method = "random"
[[methods]]
method = "popularity"
"""


class Timer:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(SUITE)
    return tmp_path


def test_the_files_have_the_first_row_while_the_second_is_computed(folder, monkeypatch):
    monkeypatch.setattr("benchkit.api.live_leaderboard._FIRST", -1.0)
    seen = []
    update = LiveLeaderboard.update

    def watch(live, suite):
        assert update(live, suite)
        seen.append((folder / "leaderboards/mine/table.md").read_text("utf-8"))
        assert (folder / "leaderboards/mine/index.html").exists()
        live._next = live._clock()
        return True

    monkeypatch.setattr(LiveLeaderboard, "update", watch)
    invoked("run", "--suite", "mine.toml")
    first, second = seen
    row = next(line for line in first.splitlines() if line.startswith("| popularity"))
    assert "not run" in row or "not done" in row or "missing" in row, row
    assert second == (folder / "leaderboards/mine/table.md").read_text("utf-8")


def test_writing_takes_at_most_a_fiftieth_of_the_time(monkeypatch, tmp_path):
    timer, writes = Timer(), []

    class Written:
        def write(self, folder, plots):
            assert not plots
            writes.append(timer.now)
            timer.now += 3.0

    monkeypatch.setattr("benchkit.api.live_leaderboard.load_results", lambda *_, **__: Written())
    live = LiveLeaderboard(tmp_path, tmp_path, tmp_path, clock=timer)
    while timer.now < 10_000:
        timer.now += 7.0  # a row every 7 seconds
        live.update("s")
    assert writes[0] == 63.0
    assert all(later - sooner >= 150 for sooner, later in pairwise(writes))
    assert 3.0 * len(writes) <= 0.02 * timer.now


def test_what_cannot_be_written_ends_no_run(monkeypatch, tmp_path):
    timer = Timer()

    def fail(*_, **__):
        raise StoreError("no", "none")

    monkeypatch.setattr("benchkit.api.live_leaderboard.load_results", fail)
    live = LiveLeaderboard(tmp_path, tmp_path, tmp_path, clock=timer)
    timer.now = 100.0
    assert live.update("s")
    assert not live.update("s")
