"""benchkit report: its layouts and formats, what cannot be combined, and forgetting a row."""

import csv
import io

import pytest

from benchkit.errors import ConfigError
from tests.support.command_line import invoked
from tests.support.published_csv import write_published
from tests.support.suites import make_suite, run_all


def said(*arguments, code=0):
    """What it prints to standard output, and to standard error."""
    done = invoked("report", "--suite", "small", *arguments, code=code)
    return done.stdout, " ".join(done.stderr.split())


@pytest.fixture
def ran(methods, tmp_path):
    """A suite of two methods that was run in the current folder, with a published table."""
    suite = make_suite("Counts", "Noise", published=["p:table1", "p:table2"])
    run_all(suite, tmp_path)
    lines = ["table1,toy,Counts,CF Rec,hr@1,5.00,,percent", "table2,books,Counts,,hr@1,1,,percent"]
    return write_published(tmp_path / "published", p=lines)


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_is_csv(ran):
    text, _ = said("--layout", "paper", "--format", "csv", "--published", ran)
    (found,) = [r for r in rows(text) if (r["method"], r["metric"]) == ("Counts", "hr@1")]
    assert float(found["difference"]) == float(found["mean"]) - 0.05
    text, _ = said("--costs", "--format", "csv")
    assert [row["method"] for row in rows(text)] == ["Counts", "Noise"]
    assert all(float(row["fit_seconds"]) >= 0 for row in rows(text))  # rounded: 0 on a fast machine
    text, _ = said("--paper", "p:table1", "--format", "csv", "--published", ran)
    assert [(r["method"], r["family"], r["published"]) for r in rows(text)] == [
        ("Counts", "CF Rec", "0.05")
    ]


def test_a_published_table_gives_the_shape(ran):
    text, _ = said("--paper", "p:table1", "--published", ran, "--intervals")
    assert "in the shape of p, table1" in text and "\nCF Rec\n" in text
    assert r"\begin{table*}" in said("--paper", "p:table1", "--published", ran, "--format=latex")[0]
    with pytest.raises(ConfigError, match="--protocol full: papers rank"):
        said("--paper", "p:table1", "--published", ran, "--protocol", "full")
    with pytest.raises(ConfigError) as caught:
        said("--paper", "p:tabel1", "--published", ran)
    assert "p:tabel1" in caught.value.cause and "p:table1" in caught.value.hint
    with pytest.raises(ConfigError, match=r"table or figure of a paper in .*published: 'p:table1'"):
        said("--paper", "p:table1")  # the figures that come with benchkit have no such paper


def test_what_is_published_and_not_shown_is_noted(ran):
    assert "p:table1 has no figure that belongs beside a row" in said("--layout", "paper")[1]
    _, noted = said("--layout", "paper", "--published", ran)
    assert noted == "note: p:table2 has no figure that belongs beside a row of suite 'small'"
    assert said()[1] == ""
    said("--layout", "paper", "--published", ran / "nowhere", code=2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--costs", "--paper", "p:table1"], "is a table of its own"),
        (["--costs", "--layout", "paper"], "is a table of its own"),
        (["--costs", "--format", "html"], "html is the page"),
        (["--layout", "paper", "--format", "html"], "html is the page"),
        (["--paper", "p:table1", "--format", "html"], "html is the page"),
        (["--intervals"], "goes with --layout paper or --paper"),
        (["--intervals", "--costs"], "goes with --layout paper or --paper"),
        (["--protocol", "scored", "--costs"], "goes with neither --costs nor --format html"),
        (["--protocol", "mixed", "--format", "html"], "goes with neither --costs nor"),
        (["--published", "published", "--format", "csv"], "goes with --layout paper, --paper"),
    ],
)
def test_what_cannot_be_combined_is_refused(ran, arguments, reason):
    _, told = said(*arguments, code=2)
    assert reason in " ".join(told.replace("│", " ").split())


def test_tasks_side_by_side_are_a_table_on_a_terminal(ran):
    for arguments in (["--layout", "paper"], ["--paper", "p:table1"]):
        text, _ = said(*arguments, "--published", ran)
        assert "Counts" in text and "Best of a column bold" in text
        assert "| " not in text and "**" not in text


def test_an_unknown_table_names_those_of_the_suite_first(ran):
    with pytest.raises(ConfigError) as caught:
        said("--paper", "p:table9", "--published", ran)
    assert caught.value.hint.startswith("this suite gives p:table1, p:table2; did you mean")
    with pytest.raises(ConfigError) as caught:
        said("--paper", "p", "--published", ran)
    hint = "this suite gives p:table1, p:table2; of p there are p:table1, p:table2"
    assert caught.value.hint == hint


def test_a_row_is_forgotten_and_its_runs_stay(ran, tmp_path):
    text, noted = said("--forget", "Noise", "--format", "csv")
    assert {row["method"] for row in rows(text)} == {"Counts"}
    assert noted == "forgot Noise: 1 planned run; results stay"
    assert list((tmp_path / "runs" / "small" / "toy" / "Noise").iterdir())
    with pytest.raises(ConfigError, match="unknown row of suite 'small': 'Noise'"):
        said("--forget", "Noise")


def test_published_figures_stand_on_the_page_that_is_written(ran, tmp_path):
    said("--leaderboards", "boards", "--published", ran)
    assert "p, table1" in (tmp_path / "boards" / "small" / "index.html").read_text()
    said("--leaderboards", "others")
    assert "p, table1" not in (tmp_path / "others" / "small" / "index.html").read_text()
