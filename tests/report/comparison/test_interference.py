"""Interference: which errors are high-preference negatives, by values counted by hand."""

import csv
import io

import numpy as np
import polars as pl
import pytest

from benchkit.api.case_lookup import find_target_places
from benchkit.errors import ConfigError, StoreError
from benchkit.report.comparison.interference import (
    first_choice_shares,
    high_preference_shares,
    measure_interference,
)
from benchkit.report.core.collect import collect_results
from benchkit.runs.store import Store
from tests.support.command_line import invoked
from tests.support.sealing import reseal
from tests.support.suites import make_suite, run_all

# Column 0 is the target of all these cases.
NEGATIVE = np.array([[False, True, True, True, True]])


def preferred(*scores):
    return high_preference_shares(np.array([scores]), NEGATIVE).tolist()[0]


def test_a_quarter_of_the_negatives_is_of_high_preference():
    assert preferred(0.0, 1.0, 4.0, 2.0, 3.0) == [0, 0, 1, 0, 0]
    # The target takes no place, whatever the expert thinks of it.
    assert preferred(9.0, 1.0, 4.0, 2.0, 3.0) == [0, 0, 1, 0, 0]
    eight = np.arange(9.0)[None]
    assert high_preference_shares(eight, np.arange(9)[None] > 0).tolist() == [[0] * 7 + [1, 1]]


def test_equal_scores_share_the_places_that_are_left():
    assert preferred(0.0, 4.0, 4.0, 2.0, 3.0) == [0, 0.5, 0.5, 0, 0]
    assert preferred(0.0, 1.0, 1.0, 1.0, 1.0) == [0, 0.25, 0.25, 0.25, 0.25]
    assert first_choice_shares(np.array([[3.0, 3.0, 1.0], [0.0, 1.0, 2.0]])).tolist() == [
        [0.5, 0.5, 0],
        [0, 0, 1],
    ]


def test_what_the_expert_does_not_rank_is_not_preferred():
    nothing = -np.inf
    assert preferred(1.0, nothing, nothing, nothing, nothing) == [0] * 5
    assert preferred(1.0, nothing, 2.0, nothing, nothing) == [0, 0, 1, 0, 0]


PLANTED = """
class Base:
    capabilities = frozenset({"scores"})
    def fit(self, data, run):
        pass
    def predict(self, requests, run):
        from benchkit.types import Prediction
        for request in requests:
            yield Prediction(request.case_id, [float(item[1:]) for item in request.candidates])

class Mind(Base):
    pass

class Opposite(Base):
    def predict(self, requests, run):
        from benchkit.types import Prediction
        for request in requests:
            yield Prediction(request.case_id, [-float(item[1:]) for item in request.candidates])

class Level(Base):
    def predict(self, requests, run):
        from benchkit.types import Prediction
        for request in requests:
            yield Prediction(request.case_id, [0.0 for item in request.candidates])
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """An expert, one that thinks alike, its opposite, and one without an opinion."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minds.py").write_text(PLANTED)
    rows = [
        {"label": label, "method": f"minds.py:{name}"}
        for label, name in (
            ("expert", "Base"), ("alike", "Mind"), ("opposite", "Opposite"), ("level", "Level"),
        )
    ]  # fmt: skip
    toy = {"source": "toy", "options": {"users": 40, "items": 50}, "candidates": {"count": 9}}
    suite = make_suite(methods=rows, seeds=[0, 1], datasets=[{"name": "toy", **toy}])
    run_all(suite, tmp_path)
    return Store(tmp_path / "runs")


def measured(store, tmp_path, expert="expert"):
    lookup = find_target_places(tmp_path / "data")
    (task,) = measure_interference(store, collect_results(store, "small"), expert, lookup)
    return {method.label: method for method in task.methods}


def test_those_who_think_like_the_expert_err_on_what_it_prefers(planted, tmp_path):
    methods = measured(planted, tmp_path)
    assert set(methods) == {"alike", "opposite", "level"}
    alike, opposite, level = (methods[name] for name in ("alike", "opposite", "level"))
    assert (alike.share, opposite.share) == (1, 0)
    assert (alike.low, alike.high) == (1, 1)
    assert alike.cases == 80 and 0 < alike.errors < 80
    # Without an opinion: the first item is each candidate with 1/9, and 2 of 8 are preferred.
    assert level.errors == pytest.approx(80 * 8 / 9)
    assert level.share == pytest.approx(0.25) == level.chance == alike.chance


def test_errors_are_those_that_the_hit_rate_counts(planted, tmp_path):
    results = collect_results(planted, "small")
    hits = {row.label: row.cells["hr@1"].mean for row in results.tables[0].rows}
    for label, method in measured(planted, tmp_path).items():
        assert method.errors == pytest.approx((1 - hits[label]) * method.cases)


def test_cases_without_an_answer_do_not_count(planted, tmp_path):
    for row in collect_results(planted, "small").tables[0].rows:
        if row.label != "alike":
            continue
        for run_id in row.run_ids:
            path = planted.run("small", "toy", "alike", run_id).path / "predictions.parquet"
            table = pl.read_parquet(path)
            half = pl.int_range(pl.len()) < 10
            table = table.with_columns(
                scores=pl.when(half).then("scores"),
                status=pl.when(half).then(pl.lit("ok")).otherwise(pl.lit("refused")),
            )
            table.write_parquet(path)
            reseal(path.parent)
    assert measured(planted, tmp_path)["alike"].cases == 20


def test_what_is_missing_is_said(planted, tmp_path):
    with pytest.raises(ConfigError, match="'expret'"):
        measured(planted, tmp_path, "expret")
    with pytest.raises(StoreError, match="not in the data folder"):
        measured(planted, tmp_path / "elsewhere")


def test_it_is_a_view_of_the_report(planted):
    def shown(*arguments):
        return invoked("report", "--suite", "small", "--interference", "expert", *arguments)

    lines = list(csv.DictReader(io.StringIO(shown("--format", "csv").stdout)))
    assert [(line["method"], line["share"]) for line in lines] == [
        ("alike", "1.0"), ("opposite", "0.0"), ("level", lines[2]["share"]),
    ]  # fmt: skip
    assert float(lines[2]["share"]) == pytest.approx(0.25)
    assert {(line["expert"], line["cases"]) for line in lines} == {("expert", "80")}
    text = shown("--format", "md").stdout
    assert "| alike | 80 |" in text and "25% of the case's negatives that expert" in text
    assert "high-preference" in shown().stdout
    assert r"\begin{table" in shown("--format", "latex").stdout


@pytest.mark.parametrize("other", [["--costs"], ["--layout", "paper"], ["--format", "html"]])
def test_it_goes_with_no_other_view(planted, other):
    done = invoked("report", "--suite", "small", "--interference", "expert", *other, code=2)
    assert "--interference" in done.stderr
