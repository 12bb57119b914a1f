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


@pytest.mark.parametrize("name", ["..", ".", "...", "../up", ".x", "/..", "a\0b", "x" * 1001])
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


@pytest.mark.parametrize("labels", [("a/b", "a b"), ("x:y", "x-y")])
def test_two_labels_that_would_share_a_folder_are_refused(labels):
    values = {
        "name": "mine",
        "datasets": [{"name": "toy", "source": "toy"}],
        "methods": [{"method": "popularity", "label": label} for label in labels],
    }
    with pytest.raises(ConfigError, match="would share the folder"):
        validate_model(Suite, values, "mine.toml")


@pytest.mark.parametrize("name", ["x" * 300, "★ ★", "a" * 119 + "é" * 5])
@pytest.mark.parametrize("kind", ["label", "task", "suite", "judge"])
def test_a_long_or_odd_name_is_taken(kind, name):
    values = {
        "name": name if kind == "suite" else "mine",
        "datasets": [{"name": "toy", "source": "toy"}],
        "methods": [{"method": "popularity", "label": name if kind == "label" else ""}],
        "tasks": [{"name": name if kind == "task" else "toy", "test": "toy"}],
        "protocols": ["scored", "sampled"],
        "judging": {"judges": [{"judge": "heuristic", "label": name if kind == "judge" else ""}]},
    }
    assert validate_model(Suite, values, "mine.toml")


@pytest.mark.parametrize("name", ["a/b", "a b", "x" * 151, "é", "_x", "a\n", "", "a\0"])
def test_a_dataset_has_a_plain_name(name):
    values = {"datasets": [{"name": name, "source": "toy"}], "methods": [{"method": "random"}]}
    with pytest.raises(ConfigError, match=r"datasets\.0\.name: .* is no name of a dataset"):
        validate_model(Suite, {"name": "mine", **values}, "mine.toml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": [1, 1]}, "seeds: 1 stands twice"),
        ({"seeds": [0, -1]}, "seeds: -1 is no seed"),
        ({"published": ["a:b", "a:b"]}, "published: 'a:b' stands twice"),
        ({"history_buckets": [[1, 2], [1, 2]]}, "stands twice"),
        ({"name": "mine@50users"}, "as runs with --limit-users or --demo do"),
        ({"metrics": ["ndcg@5", "ndcg@5"]}, "2 metrics are called 'ndcg@5'"),
        ({"protocols": ["scored", "scored"]}, "2 protocols are called 'scored'"),
    ],
)
def test_what_would_count_twice_is_refused(values, message):
    base = {
        "name": "mine", "datasets": [{"name": "toy", "source": "toy"}],
        "methods": [{"method": "popularity"}, {"method": "popularity", "label": "again"}],
    }  # fmt: skip
    assert len(validate_model(Suite, base, "mine.toml").methods) == 2  # two labels are two rows
    with pytest.raises(ConfigError) as caught:
        validate_model(Suite, {**base, **values}, "mine.toml")
    assert message in str(caught.value)


def test_problems_in_tables_are_named_by_their_keys(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(SUITE.replace('source = "toy" }]', 'sorce = "toy", split = "temporl" }]'))
    with pytest.raises(ConfigError) as caught:
        load_suite(str(path))
    text = str(caught.value)
    assert "datasets.1.sorce: unknown key; did you mean 'source' or" in text
    assert "datasets.1.split: unknown split 'temporl'; did you mean 'temporal'?" in text
