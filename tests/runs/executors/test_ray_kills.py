"""Machines of a cluster that are killed, again and again."""

import pytest

from tests.scripts.ray_kills import kill_nodes

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.mark.slow
def test_killed_machines_change_nothing(tmp_path):
    counts = kill_nodes(tmp_path, kills=20)
    assert counts["kills"] == 20 and counts["begun anew"]
