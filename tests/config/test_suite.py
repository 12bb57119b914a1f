"""Suites: all that is wrong with one is said at once."""

import pytest

from benchkit.config.suite import load_suite
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


def test_problems_in_tables_are_named_by_their_keys(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE.replace('source = "toy" }]', 'sorce = "toy", split = "temporl" }]'))
    with pytest.raises(ConfigError) as caught:
        load_suite(str(path))
    text = str(caught.value)
    assert "datasets.1.sorce: unknown key; did you mean 'source' or" in text
    assert "datasets.1.split: unknown split 'temporl'; did you mean 'temporal'?" in text
