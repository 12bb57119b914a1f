"""What a notebook shows of results, comparisons and suites: as on a terminal, with intervals."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import benchkit as bk
from tests.support.result_store import NASTY, make_store


class Cells(HTMLParser):
    """The rows of all tables, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "br":
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def rows_of(text):
    parsed = Cells(text)
    assert parsed.open == []
    return parsed.rows


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    make_store(folder / "runs", ["best", "second", "broken"], failed=["broken"], users=60)
    return bk.load_results(folder / "runs")


def test_results_have_the_figures_of_the_terminal_with_intervals(results):
    html = results._repr_html_()
    rows = rows_of(html)
    assert rows[0] == ["Method", "HR@1", "NDCG@5", "Fit (s)"]
    named = {row[0].rstrip("°1"): row for row in rows}
    assert named["Chance"][1] == ".033"
    cell = r"[01]?\.\d{3} \[-?[01]?\.\d{3}, [01]?\.\d{3}\]"
    assert all(re.fullmatch(cell, text) for text in named["best"][1:3])
    text = results.table()
    for row in (named["best"], named["second"]):
        assert all(figure in text for figure in row[1:])
    assert named["broken"][1].startswith("failed") and "color: #d33" in html


def test_comparisons_have_differences_with_intervals_and_p(results):
    rows = rows_of(results.compare("best", "second")._repr_html_())
    assert any("best - second" in cell or "best" in cell for row in rows for cell in row)
    assert any(re.search(r"\[.*, .*\]", cell) for row in rows for cell in row)


def test_a_suite_shows_what_is_run_on_what():
    suite = bk.Suite(
        name="shop", title="My <shop>",
        datasets=[{"name": "toy", "source": "toy"}],
        methods=["random", {"method": "markov", "label": "m1", "config": {"window": 1}}],
    )  # fmt: skip
    html = suite._repr_html_()
    rows = rows_of(html)
    assert rows[1][:2] == ["toy", "toy"] and any("count 30" in cell for cell in rows[1])
    assert rows[2:] == [
        ["Label", "Method", "Settings"], ["random", "random", ""], ["m1", "markov", "window 1"],
    ]  # fmt: skip
    assert "My &lt;shop&gt;" in html and "<shop>" not in html
    assert "ndcg@5 decides" in html


@pytest.mark.parametrize("name", ["quickstart", "amazon5", "ablation"])
def test_shipped_suites_have_a_view(name):
    from benchkit.config.suite import load_suite

    suite = load_suite(name)
    rows = rows_of(suite._repr_html_())
    assert {row[0] for row in rows} >= {row.name for row in suite.methods}


def test_names_of_others_are_text(tmp_path):
    make_store(tmp_path / "runs", ["a<b>", "second"], text=NASTY, title=NASTY)
    html = bk.load_results(Path(tmp_path / "runs"))._repr_html_()
    rows_of(html)
    assert "<script" not in html and "<b>" not in html
