"""File names are short, differ, and have no ending of their own."""

from benchkit.report.core.file_names import unique_stems


def test_stems_are_short_and_differ():
    stems = list(unique_stems([("metric", "a.b"), ("metric", "A b"), ("metric", "推" * 200)]))
    assert stems[:2] == ["metric-a-b", "metric-A-b-2"]
    assert len(stems[2].encode()) <= 120
