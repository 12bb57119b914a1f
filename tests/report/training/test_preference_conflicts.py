"""Conflicts of choice and coherence in the preferences of a run."""

import json

from benchkit.report.training.preference_conflicts import read_conflicts
from benchkit.runs.store import Run
from tests.support.training_traces import COUNTS, preference, write


def test_conflicts_are_counted_for_the_hard_and_the_easy_item(tmp_path):
    run = Run(tmp_path)
    lines = [preference(*own) for own in ((5, 6, 2), (3, 6, 4), (5, 5, 1), (7, 4, 2))]
    write(run.artifacts / "preferences.jsonl", lines)
    (run.artifacts / "preferences.json").write_text(json.dumps(COUNTS))
    found = read_conflicts(run)
    assert (found.n, found.hard, found.easy, found.equal) == (4, 0.5, 0.25, 0.25)
    assert found.share == 0.5
    assert found.counts.tied == 3


def test_one_rejected_item_is_neither_hard_nor_easy(tmp_path):
    run = Run(tmp_path)
    write(run.artifacts / "preferences.jsonl", [preference(5, 6), preference(5, 3)])
    found = read_conflicts(run)
    assert (found.n, found.share, found.hard, found.easy, found.equal) == (2, 0.5, None, None, 0)
    # The easy one may conflict alone where preferences were made elsewhere and are not in order.
    write(run.artifacts / "preferences.jsonl", [preference(5, 3, 6), preference(5, 6)])
    found = read_conflicts(run)
    assert (found.n, found.share, found.hard, found.easy) == (2, 1.0, 0.0, 1.0)


def test_preferences_without_scores_have_no_conflicts(tmp_path):
    run = Run(tmp_path)
    assert read_conflicts(run) is None
    write(run.artifacts / "preferences.jsonl", [preference(None, None), preference(4, None)])
    assert read_conflicts(run) is None
