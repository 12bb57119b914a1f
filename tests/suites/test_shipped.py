"""Every shipped suite: it can be planned, and stands beside figures that were published."""

import csv
from pathlib import Path

import pytest

from benchkit import cards
from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.data import sources
from benchkit.errors import ConfigError, DataError

PUBLISHED = Path(__file__).parents[2] / "leaderboards" / "published"
SUITES = sorted(list_shipped_suites())


@pytest.mark.parametrize("name", SUITES)
def test_methods_and_hyper_parameters_are_known(name):
    suite = load_suite(name)
    for method in suite.methods:
        cards.build_config(cards.find_card(method.method), method.config)
    assert {"random", "popularity"} <= {method.name for method in suite.methods}
    assert suite.title and suite.description and suite.seeds


@pytest.mark.parametrize("name", SUITES)
def test_published_tables_exist(name):
    for reference in load_suite(name).published:
        paper, table = reference.split(":")
        with (PUBLISHED / f"{paper}.csv").open(newline="") as file:
            assert any(row["table"] == table for row in csv.DictReader(file)), reference


def test_sizes_of_a_model_do_not_stand_beside_figures_of_another_one():
    """Rows that differ by the size of nano would all get those of the paper's one backbone."""
    for name in SUITES:
        suite = load_suite(name)
        if any("nano" in method.config for method in suite.methods):
            assert not suite.published, name


@pytest.mark.parametrize("name", sorted(set(SUITES) - {"quickstart", "rationale", "complexity"}))
def test_missing_files_are_named_with_the_mend(name, tmp_path):
    for spec in load_suite(name).datasets:
        if spec.source == "ml-100k":  # always there
            continue
        options = sources.resolve_paths(spec.options, tmp_path)
        with pytest.raises(DataError) as caught:
            sources.read_source(spec.source, options)
        assert str(tmp_path) in str(caught.value)
        assert "benchkit data fetch" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "Invalid value"),
        ('title = "x"', "datasets"),
        ('title = "x"\nmetrics = ["hr@5"]\n', "primary metric"),
        ('title = "x"\nmetrics = ["ndcg@5", "p@5"]\n', "unknown metric"),
        ('title = "x"\nprotocols = ["full"]\n', "'scored' is missing"),
        ('title = "x"\ndrops = [["a", "b"]]\n', "task in drops"),
        ('title = "x"\nhistory_buckets = [[3, 1]]\n', "history bucket"),
        ('title = "x"\nfoo = 1\n', "foo"),
        ('title = "x"\nprotocols = ["scored", "guessed"]\n', "unknown protocol"),
        ('title = "x"\n[decoding]\nn = 0\n', "decoding.n"),
        ('title = "x"\n[decoding]\ntop_p = 0\n', "decoding.top_p"),
        ('title = "x"\n[decoding]\nbeams = 4\n', "decoding.beams"),
    ],
)
def test_wrong_suites_say_what_is_wrong(tmp_path, text, message):
    body = '[[datasets]]\nname = "toy"\nsource = "toy"\n[[methods]]\nmethod = "random"\n'
    (tmp_path / "s.toml").write_text(text + (body if "\n" in text else ""))
    with pytest.raises(ConfigError, match=message):
        load_suite(str(tmp_path / "s.toml"))


def test_a_suite_says_how_answers_are_drawn(tmp_path):
    (tmp_path / "s.toml").write_text(
        'title = "x"\nprotocols = ["scored", "sampled"]\n'
        "[decoding]\ntemperature = 1.5\nconstrained = true\n"
        '[[datasets]]\nname = "toy"\nsource = "toy"\n[[methods]]\nmethod = "random"\n'
    )
    suite = load_suite(str(tmp_path / "s.toml"))
    assert suite.decoding.model_dump() == {
        "n": 5, "temperature": 1.5, "top_p": 1.0, "max_tokens": 512, "constrained": True,
    }  # fmt: skip


def test_datasets_are_called_as_the_published_tables_call_them():
    for name, paper in (
        ("amazon5", "c-apo"),
        ("amazon8", "twice-rec"),
        ("amazon2", "rationale-integration"),
        ("recpo4", "recpo"),
        ("eapo3", "eapo"),
    ):
        with (PUBLISHED / f"{paper}.csv").open(newline="") as file:
            domains = {row["domain"] for row in csv.DictReader(file)}
        assert {spec.name for spec in load_suite(name).datasets} <= domains, name
