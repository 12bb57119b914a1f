"""Metrics and protocols are added from files outside the package, and reach every table."""

import csv
import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import find_metric, find_protocol
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard import tables
from benchkit.report.site.payload import build_payload
from benchkit.runs import validation
from benchkit.runs.store import Store
from tests.support.suites import make_suite, run_all

MINE = '''
import numpy as np

from benchkit.evaluation.metrics.base import Metric
from benchkit.evaluation.protocols.base import EvaluationProtocol
from benchkit.runs.execution import execute_job
from benchkit.types import Request


class GenreDistance(Metric):
    """Intra-list distance: share of the pairs in a top k that differ in genre."""

    kind = "ild"
    takes_cutoff = True
    requires = frozenset({"lists"})

    @property
    def title(self):
        return f"ILD (genre) @{self.cutoff}"

    def measure(self, context):
        genres = np.array(context.catalog.texts["genres"])
        values = []
        for codes in context.top_items[:, : self.cutoff]:
            listed = genres[codes[codes >= 0]]
            pairs = [a != b for i, a in enumerate(listed) for b in listed[:i]]
            values.append(np.mean(pairs) if pairs else np.nan)
        return np.array(values)


class MedianRank(Metric):
    """Median rank of the targets; 0 cases have none."""

    kind = "median-rank"

    def measure(self, context):
        return np.where(context.ranks.answered, context.ranks.n_better + 1.0, np.nan)

    def aggregate(self, values):
        return float(np.median(values))


class LastEvent(EvaluationProtocol):
    """Shows the last event of a history only."""

    name = "last-event"
    caption = "frozen candidates, by the last event"

    def requests(self, dataset, cases):
        for request in super().requests(dataset, cases):
            yield Request(
                request.case_id, request.user, request.history[-1:], request.candidates
            )


class Backwards:
    """Computes the last job first, in this process."""

    def __init__(self, workers):
        self.workers = workers

    def execute(self, jobs, emit):
        for job in reversed(jobs):
            yield execute_job(job, emit)
'''


@pytest.fixture
def ran(methods, tmp_path):
    """A suite with all of them, run."""
    (tmp_path / "mine.py").write_text(MINE)
    suite = make_suite(
        "Counts", "Refuses",
        metrics=[
            "ndcg@5", "coverage@5", "novelty@5", "gini@5",
            "mine.py:GenreDistance@5", "mine.py:MedianRank",
        ],
        protocols=["scored", "mine.py:LastEvent"], seeds=[0, 1],
    )  # fmt: skip
    outcomes = run_all(suite, tmp_path, executor="mine.py:Backwards")
    assert [seed for _, seed in outcomes] == [1, 0, 1, 0]  # the last job first
    assert {o.manifest.status for o in outcomes.values()} == {"complete"}
    return outcomes, Store(tmp_path / "runs")


def test_tables_show_the_metric_and_the_protocol(ran):
    _, store = ran
    results = collect_results(store, "small")
    assert [table.protocol for table in results.tables] == ["scored", "last-event"]
    text = tables.leaderboard_markdown(results)
    assert "frozen candidates, by the last event" in text
    assert "| NDCG@5 | COVERAGE@5 | NOVELTY@5 | GINI@5 | ILD (genre) @5 | MEDIAN-RANK |" in text
    assert "NOVELTY@k: mean self-information" in text
    rows = list(csv.DictReader(io.StringIO(tables.leaderboard_csv(results))))
    assert {(r["protocol"], r["method"]) for r in rows if r["metric"] == "ild@5"} == {
        (protocol, label)
        for protocol in ("scored", "last-event")
        for label in ("Counts", "Refuses")
    }
    page = build_payload(results, store, [], None)
    assert "ILD (genre) @5" in [column["title"] for column in page["table-1"]["columns"]]
    for table in results.tables:
        cells = table.rows[0].cells
        assert cells["ild@5"].low < cells["ild@5"].mean < cells["ild@5"].high
        assert cells["gini@5"].low is None and cells["median-rank"].low is None
        assert table.chance.keys() == {"ndcg@5", "novelty@5"}


def test_values_are_recorded_and_recomputed(ran):
    outcomes, store = ran
    assert not [check for check in validation.validate_path(store.root) if not check.ok]
    manifest = outcomes["Refuses", 0].manifest
    assert manifest.identity["protocols"] == ["scored", "last-event"]
    assert manifest.identity["metrics"][-2:] == ["ild@5", "median-rank"]
    run = store.run("small", "toy", "Refuses", manifest.run_id)
    values = run.metrics().filter(protocol="last-event", metric="ild@5")
    lines = {(s.protocol, s.metric): s for s in manifest.summary}
    assert len(values) == 20 == lines["last-event", "ild@5"].n  # every second case is refused
    assert values["value"].mean() == pytest.approx(lines["last-event", "ild@5"].mean)
    answers = run.predictions()["last-event_answer"]
    assert answers.dtype == pl.String and '"status": "refused"' in answers[1]
    assert lines["scored", "median-rank"].mean == np.median(
        run.metrics().filter(protocol="scored", metric="median-rank")["value"]
    )


def test_a_change_in_a_metric_changes_the_run_id(ran, tmp_path):
    outcomes, _ = ran
    first = outcomes["Counts", 0].job
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.py").write_text(MINE.replace("a != b", "a == b"))
    metrics = tuple(name.replace("mine.py", "other/mine.py") for name in first.metrics)
    protocols = tuple(name.replace("mine.py", "other/mine.py") for name in first.protocols)
    changed = replace(first, metrics=metrics, protocols=protocols)
    assert changed.run_id != first.run_id
    (tmp_path / "other" / "mine.py").unlink()
    (tmp_path / "same").mkdir()
    (tmp_path / "same" / "mine.py").write_text(MINE)
    metrics = tuple(name.replace("other/", "same/") for name in metrics)
    protocols = tuple(name.replace("other/", "same/") for name in protocols)
    assert replace(first, metrics=metrics, protocols=protocols).run_id == first.run_id


def test_metrics_of_lists_need_no_file():
    names = ["ndcg@5", "coverage@5", "novelty@5", "gini@5"]
    suite = make_suite(metrics=names)
    assert [metric.name for metric in suite.task_metrics()] == names


def test_a_metric_that_no_protocol_of_the_suite_defines_is_refused():
    with pytest.raises(ConfigError, match="'unique' is not defined under scored"):
        make_suite(metrics=["ndcg@5", "unique"])
    assert "samples" in find_protocol("sampled").provides
    assert find_metric("unique").requires == {"samples"}
