"""File names are short, differ, and have no ending of their own."""

import pytest

from benchkit.report.core.file_names import label_stem, unique_stems


def test_stems_are_short_and_differ():
    stems = list(unique_stems([("metric", "a.b"), ("metric", "A b"), ("metric", "推" * 200)]))
    assert stems[:2] == ["metric-a-b", "metric-A-b-2"]
    assert len(stems[2].encode()) <= 120


LABELS = [
    "a-b",
    "a b",
    "a/b",
    "A-b",
    "a-B",
    "é",
    "e\u0301",
    "ß",
    "ss",
    "x" * 121,
    "x" * 122,
    "推" * 99,
]


def test_a_labels_stem_is_its_own_whatever_else_is_written(tmp_path):
    stems = []
    for label in LABELS * 2:
        stems.append(label_stem("pairs", label, tmp_path))
        (tmp_path / f"{stems[-1]}.csv").touch()
    assert stems[: len(LABELS)] == stems[len(LABELS) :]
    assert len({stem.casefold() for stem in stems}) == len(LABELS)
    assert max(len(stem.encode()) for stem in stems) <= 126


@pytest.mark.parametrize("label", ["llm", "Llm", "gpt-4.1", "a_b", "推"])
def test_a_plain_label_is_its_stem(label, tmp_path):
    (tmp_path / "pairs-other.csv").touch()
    assert label_stem("pairs", label, tmp_path) == f"pairs-{label}"


def test_a_label_that_looks_like_a_hashed_one_is_hashed_too(tmp_path):
    stem = label_stem("pairs", "a b", tmp_path)
    assert label_stem("pairs", stem.removeprefix("pairs-"), tmp_path) != stem
