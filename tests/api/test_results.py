"""Results: figures, cases, tables, plots, comparisons, and that they say the same."""

import pytest

import benchkit as bk
from benchkit.errors import ConfigError
from tests.support.suites import make_suite


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    suite = make_suite().model_copy(
        update={"methods": bk.Suite(
            name="x", datasets=make_suite().datasets, methods=["random", "popularity"]
        ).methods, "seeds": (0, 1)}
    )  # fmt: skip
    return bk.run(suite, store=folder / "runs", data=folder / "data", progress=False)


def test_figures_follow_from_the_cases(results):
    figures = results.to_polars().filter(method="popularity", metric="ndcg@5")
    cases = results.cases(method="popularity")
    assert sorted(set(cases["seed"])) == [0, 1]
    assert cases["ndcg@5"].mean() == pytest.approx(figures["mean"][0], abs=1e-12)
    assert len(cases) == 2 * figures["n"][0]
    assert results.value("popularity", "ndcg@5") == figures["mean"][0]


def test_pandas_and_polars_agree(results):
    frame, table = results.to_pandas(), results.to_polars()
    assert list(frame.columns) == table.columns and len(frame) == len(table)
    assert frame["mean"].tolist() == table["mean"].to_list()
    assert len(results.cases(as_pandas=True)) == len(results.cases())


def test_unknown_names_are_refused(results):
    with pytest.raises(ConfigError, match="unknown method 'popularty'"):
        results.cases(method="popularty")
    with pytest.raises(ConfigError, match="unknown task 'books'"):
        results.cases(task="books")
    with pytest.raises(ConfigError, match="no hr@3 of random on 'toy'"):
        results.value("random", "hr@3", task="toy")
    with pytest.raises(ConfigError, match="no hr@9"):
        results.plot("hr@9")


def test_tables_in_every_format(results):
    assert "| popularity" in results.table("md")
    assert r"\begin{table}" in results.table("latex")
    assert results.table("csv").startswith("suite,")
    assert "popularity" in results.table()
    html = results.table("html")
    assert html == results._repr_html_() and html.count("<table") == 1
    assert "<strong>" in html and "<caption" in html


def test_html_escapes_labels(tmp_path):
    suite = make_suite().model_copy(
        update={"methods": (bk.MethodSpec(method="random", label="<b>&"),)}
    )
    results = bk.run(suite, store=tmp_path / "r", data=tmp_path / "d", progress=False)
    assert "&lt;b&gt;&amp;" in results._repr_html_() and "<b>" not in results._repr_html_()


def test_plots(results):
    figure = results.plot("mrr")
    text = {part.get_text() for axes in figure.axes for part in axes.get_yticklabels()}
    assert any("popularity" in label for label in text)
    with pytest.raises(ConfigError, match="cannot be drawn"):
        results.plot("coverage@5")


def test_comparisons(results):
    comparison = results.compare("random", "popularity", metric="mrr")
    frame = comparison.to_polars()
    expected = results.value("random", "mrr") - results.value("popularity", "mrr")
    assert frame["difference"][0] == pytest.approx(expected, abs=1e-12)
    assert "Holm" in comparison.table() and "<table" in comparison._repr_html_()
    assert comparison.table("json").startswith("{") or comparison.table("json").startswith("[")
    assert not comparison.has_ranking


def test_written_files_are_those_of_the_command_line(results, tmp_path):
    names = {path.name for path in results.write(tmp_path / "boards")}
    assert {"table.md", "table.tex", "leaderboard.csv", "index.html", "costs.md"} <= names
    assert (tmp_path / "boards" / "small" / "table.md").read_text() == results.table("md")


def test_an_empty_store_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="has 0 suites"):
        bk.load_results(tmp_path)


class Explains:
    """Recommends the first candidate, and says why."""

    capabilities = frozenset({"scores", "explains"})

    def fit(self, data, run):
        pass

    def predict(self, requests, run):
        for request in requests:
            scores = [-float(index) for index in range(len(request.candidates))]
            yield bk.Prediction(request.case_id, scores, rationale="It is like what you liked.")


def test_judging_gives_results_with_grades(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = make_suite().model_copy(update={"methods": ()})
    suite = bk.Suite(name="judged", datasets=suite.datasets, methods=[Explains])
    bk.run(suite, progress=False)
    results = bk.judge(suite, by="heuristic", progress=False)
    assert results.run_report.n_judgements == 1
    assert "heuristic" in results.table("md") and "heuristic" in results._repr_html_()
