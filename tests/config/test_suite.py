"""Suites: all that is wrong with one is said at once."""

import pytest

from benchkit.config.loading import validate_model
from benchkit.config.suite import Suite, load_suite
from benchkit.errors import ConfigError

SUITE = """
title = "x"
datasets = [{ name = "toy", source = "toy" }, { name = "toy", source = "toy" }]
methods = [{ method = "popularity" }, { method = "popularity" }]
primary = "mrr@7"
relative_to = "popularty"
history_buckets = [[3, 1]]
"""


def test_all_inconsistencies_of_a_suite_are_listed(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    with pytest.raises(ConfigError) as caught:
        load_suite(str(path))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: 6 problems"
    for line, part in zip(
        lines[1:],
        ("primary metric", "history bucket", "did you mean 'popularity'", "dataset 'toy'",
         "task 'toy'", "method label 'popularity'"),
        strict=False,
    ):  # fmt: skip
        assert part in line


@pytest.mark.parametrize("name", ["..", ".", "...", "../up", ".x", "/..", "x" * 300])
@pytest.mark.parametrize("kind", ["label", "task", "dataset", "suite", "judge"])
def test_a_name_that_is_no_folder_is_refused_wherever_it_stands(kind, name):
    values = {
        "name": name if kind == "suite" else "mine",
        "datasets": [{"name": name if kind == "dataset" else "toy", "source": "toy"}],
        "methods": [{"method": "popularity", "label": name if kind == "label" else ""}],
        "tasks": [{"name": name if kind == "task" else "toy", "test": "toy"}],
        "protocols": ["scored", "sampled"],
        "judging": {"judges": [{"judge": "heuristic", "label": name if kind == "judge" else ""}]},
    }
    if name == "/.." and kind != "dataset":  # the slash becomes a dash
        assert validate_model(Suite, values, "mine.toml").name
        return
    with pytest.raises(ConfigError) as caught:
        validate_model(Suite, values, "mine.toml")
    assert "name" in str(caught.value)


@pytest.mark.parametrize("labels", [("a/b", "a b"), ("x:y", "x-y"), ("★", "☆")])
def test_two_labels_that_would_share_a_folder_are_refused(labels):
    values = {
        "name": "mine",
        "datasets": [{"name": "toy", "source": "toy"}],
        "methods": [{"method": "popularity", "label": label} for label in labels],
    }
    with pytest.raises(ConfigError, match="would share the folder"):
        validate_model(Suite, values, "mine.toml")


def test_problems_in_tables_are_named_by_their_keys(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE.replace('source = "toy" }]', 'sorce = "toy", split = "temporl" }]'))
    with pytest.raises(ConfigError) as caught:
        load_suite(str(path))
    text = str(caught.value)
    assert "datasets.1.sorce: unknown key; did you mean 'source' or" in text
    assert "datasets.1.split: unknown split 'temporl'; did you mean 'temporal'?" in text
