"""A list that does not hold all candidates: what it leaves out was not retrieved."""

import json

import numpy as np
import polars as pl
import pytest

from benchkit.errors import BenchkitError, MethodError
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.predict import validate_predictions
from benchkit.evaluation.ranks import ranks_from_scores, top_columns
from benchkit.types import Prediction, Request
from tests.support.command_line import invoked

INF = np.inf
SUITE = """
title = "Toy"
metrics = ["hr@1", "hr@10", "mrr"]
primary = "hr@1"
[[datasets]]
name = "toy"
source = "toy"
options = { users = 30, items = 80 }
candidates = { count = 20 }
[[methods]]
method = "random"
"""


@pytest.mark.parametrize("metric", ["hr@10", "hr@20", "mrr", "ndcg@20"])
def test_five_of_twenty_without_the_target_is_a_miss(metric):
    scores = [5.0, 4.0, 3.0, 2.0, 1.0, *[-INF] * 15]
    ranks = ranks_from_scores([scores], [11])
    assert find_metric(metric).values(ranks).tolist() == [0.0]
    assert (ranks.n_better.tolist(), ranks.n_tied.tolist()) == ([5], [0])


@pytest.mark.parametrize(("target", "mrr"), [(0, 1.0), (2, (1 / 2 + 1 / 3) / 2), (3, 0.0)])
def test_listed_targets_keep_their_places_and_ties(target, mrr):
    ranks = ranks_from_scores([[5.0, 1.0, 1.0, -INF]], [target])
    assert find_metric("mrr").values(ranks)[0] == pytest.approx(mrr)


def test_only_what_is_listed_is_among_the_recommended_items():
    scores = np.array([[1.0, -INF, 3.0, -INF]])
    assert top_columns(scores, np.array([True]), 3).tolist() == [[2, 0, -1]]


@pytest.mark.parametrize(
    ("scores", "partial", "cause"),
    [
        ([1.0, -INF], False, "the score of item 'b' is -inf"),  # the logarithm of 0, say
        ([1.0, INF], True, "the score of item 'b' is inf"),
        ([1.0, float("nan")], True, "the score of item 'b' is nan"),
        ([-INF, -INF], True, "a partial answer without any candidate"),
    ],
)
def test_only_an_answer_that_says_so_leaves_candidates_out(scores, partial, cause):
    request = Request("1", "u", (), ("a", "b"))
    answer = Prediction("1", scores, partial=partial)
    with pytest.raises(MethodError, match=cause):
        list(validate_predictions(iter([answer]), [request]))
    fine = Prediction("1", [1.0, -INF], partial=True)
    assert list(validate_predictions(iter([fine]), [request])) == [fine]


class Elsewhere:
    """The cases of a suite, and what the importer says of answers to them."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "mine.toml").write_text(SUITE)
        invoked("data", "cases", "--suite", "mine.toml", "--out", "c.jsonl")
        lines = (folder / "c.jsonl").read_text().splitlines()
        self.cases = [json.loads(line) for line in lines]
        invoked("run", "--suite", "mine.toml")
        (run,) = folder.glob("runs/mine/toy/random/*")
        record = pl.read_parquet(run / "predictions.parquet")
        self.targets = dict(zip(record["case_id"], record["target"], strict=True))

    def items(self, case):
        return [candidate["item"] for candidate in case["candidates"]]

    def others(self, case):
        return [item for item in self.items(case) if item != self.targets[case["case_id"]]]

    def load(self, name, *options):
        (self.folder / name).with_suffix(".meta.json").write_bytes(
            (self.folder / "c.meta.json").read_bytes()
        )
        call = ("import", "--suite", "mine.toml", "--file", name, "--label", "theirs", *options)
        output = invoked(*call).output
        (run,) = self.folder.glob("runs/mine/toy/theirs/*")
        manifest = json.loads((run / "manifest.json").read_text())
        means = {line["metric"]: line["mean"] for line in manifest["summary"]}
        assert "wrong" not in invoked("validate", "runs").output
        return means, output, run

    def write(self, name, rows):
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return name


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Elsewhere(tmp_path)


def test_an_imported_top_five_without_the_target_is_worth_nothing(elsewhere, tmp_path):
    rows = [
        {"case_id": case["case_id"], "ranking": elsewhere.others(case)[:5]}
        for case in elsewhere.cases
    ]
    means, output, run = elsewhere.load(elsewhere.write("p.jsonl", rows))
    assert (means["hr@1"], means["hr@10"], means["mrr"]) == (0, 0, 0)
    assert means["valid"] == 1
    assert "30 of 30 answers rank only 5 of 20 candidates" in output
    assert "30 targets among it count as misses" in " ".join(output.split())
    report = invoked("report", "--suite", "mine", "--format", "md").output
    assert "what they do not list was not retrieved" in report
    again = tmp_path / "again"
    copied = invoked("import", "--suite", "mine.toml", "--run", run, "--out", again).output
    assert "hr@10 0.000" in copied  # the record of the run says what was not retrieved
    page = invoked("report", "--suite", "mine", "--format", "html").output
    assert "-inf" not in page and "theirs" in page


def test_only_a_ranking_of_all_candidates_places_all_of_them(elsewhere):
    rows = []
    for number, case in enumerate(elsewhere.cases):
        target = elsewhere.targets[case["case_id"]]
        ranking = elsewhere.others(case) + [target] * (number % 2)
        rows.append({"case_id": case["case_id"], "ranking": ranking})
    means, output, _ = elsewhere.load(elsewhere.write("p.jsonl", rows))
    assert means["mrr"] == pytest.approx(1 / 20 / 2)
    assert "15 of 30 answers rank only 19 of 20 candidates" in output


def test_lists_of_several_lengths_with_the_target_on_the_second_place(elsewhere):
    rows = []
    for number, case in enumerate(elsewhere.cases):
        others = elsewhere.others(case)[: 2 + number % 3]
        others.insert(1, elsewhere.targets[case["case_id"]])
        rows.append({"case_id": case["case_id"], "ranking": others})
    means, output, _ = elsewhere.load(elsewhere.write("p.jsonl", rows))
    assert (means["hr@1"], means["hr@10"], means["mrr"]) == (0, 1, 0.5)
    assert "rank only 3 to 5 of 20 candidates" in output and "0 targets among it" in output


def by_item(elsewhere):
    """The first five others of each case with scores, as a retriever or a TREC run has them."""
    lines = ["case_id,item,score"]
    for case in elsewhere.cases:
        top = enumerate(elsewhere.others(case)[:5])
        lines += [f"{case['case_id']},{item},{10 - place}" for place, item in top]
    return "p.csv", "\n".join(lines)


def with_nulls(elsewhere):
    """Scores in the order of the candidates, null for what was not retrieved."""
    return "p.jsonl", "\n".join(json.dumps(row) for row in scored_rows(elsewhere, None))


def with_nans(elsewhere):
    """The same as pandas writes it."""
    return "p.jsonl", "\n".join(json.dumps(row) for row in scored_rows(elsewhere, float("nan")))


def scored_rows(elsewhere, absent):
    for case in elsewhere.cases:
        top = elsewhere.others(case)[:5]
        scores = [
            float(10 - top.index(item)) if item in top else absent for item in elsewhere.items(case)
        ]
        yield {"case_id": case["case_id"], "scores": scores}


@pytest.mark.parametrize("form", [by_item, with_nulls, with_nans])
def test_candidates_without_a_score_are_refused_unless_the_file_is_partial(elsewhere, form):
    name, text = form(elsewhere)
    (elsewhere.folder / name).write_text(text)
    with pytest.raises(BenchkitError) as caught:
        elsewhere.load(name)
    assert "candidates" in caught.value.cause
    assert "if the method ranks all" in caught.value.hint and "--partial" in caught.value.hint
    means, output, _ = elsewhere.load(name, "--partial")
    assert (means["hr@10"], means["mrr"]) == (0, 0)
    assert "30 of 30 answers rank only 5 of 20 candidates" in output


def test_nulls_of_a_parquet_file_and_a_case_without_any_score(elsewhere):
    rows = list(scored_rows(elsewhere, None))
    pl.DataFrame(rows).write_parquet(elsewhere.folder / "p.parquet")
    means, _, _ = elsewhere.load("p.parquet", "--partial")
    assert means["hr@10"] == 0
    rows[3]["scores"] = [None] * 20
    with pytest.raises(BenchkitError) as caught:
        elsewhere.load(elsewhere.write("q.jsonl", rows), "--partial")
    assert "no candidate has a score" in caught.value.cause
