"""TREC runs and qrels: trec_eval's figures of them are ours, and ids come back as they were."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import benchkit as bk
from benchkit.errors import DataError
from benchkit.interop.exports.stored_runs import find_stored_runs
from benchkit.interop.exports.trec import _fit_single_precision, _run_lines, export_trec
from benchkit.interop.predictions_file import read_predictions
from benchkit.interop.table_reader import read_rows
from benchkit.interop.trec_ids import escape_id, unescape_id
from tests.support.hostile_suites import METHODS, run_hostile_suite

TREC_NAMES = {
    "hr@1": "success_1", "hr@5": "success_5", "ndcg@5": "ndcg_cut_5", "mrr": "recip_rank",
    "recall@5": "recall_5", "precision@5": "P_5", "graded-ndcg@5": "ndcg_cut_5",
}  # fmt: skip
MEASURES = {"success.1,5", "ndcg_cut.5", "recip_rank", "recall.5", "P.5"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_hostile_suite(tmp_path_factory.mktemp("trec"))


@given(st.text(min_size=1))
def test_ids_round_trip_as_one_word(name):
    word = escape_id(name)
    assert word.split() == [word] and word.isascii() and word.isprintable()
    assert unescape_id(word) == name


def read_qrels(path):
    qrels = {}
    for line in path.read_text(encoding="ascii").splitlines():
        case, _, item, grade = line.split(" ")
        qrels.setdefault(case, {})[item] = int(grade)
    return qrels


def read_run(path):
    run = {}
    for line in path.read_text(encoding="ascii").splitlines():
        case, _, item, _, score, _ = line.split(" ")
        run.setdefault(case, {})[item] = float(score)
    return run


def largest_difference(results, folder, metrics):
    """Compare trec_eval's value of every case with the recorded one."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    written = export_trec(results.store, results.suite, results._data, folder)
    qrels = read_qrels(written.files[0])
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, MEASURES)
    largest, n = 0.0, 0
    for path in written.files[1:]:
        values = evaluator.evaluate(read_run(path))
        method = unescape_id(path.read_text(encoding="ascii").split(maxsplit=6)[5])
        cases = results.cases(method=method, protocol=path.name.split(".")[-2])
        for row in cases.iter_rows(named=True):
            theirs = values.get(escape_id(row["case_id"]), {})
            for name in metrics:
                if row.get(name) is not None:
                    largest = max(largest, abs(theirs.get(TREC_NAMES[name], 0.0) - row[name]))
                    n += 1
    assert n > 100
    return largest


def test_figures_of_trec_eval_are_ours(results, tmp_path):
    assert largest_difference(results, tmp_path, ["hr@1", "hr@5", "ndcg@5", "mrr"]) < 1e-12


def test_figures_of_several_graded_items_are_too(tmp_path):
    interactions = [
        (f"u {u}", f"i{(u * 3 + k) % 20}", float(k % 5 + 1) / (2 if k == 7 else 1))
        for u in range(12)
        for k in range(9)
    ]
    table = pl.DataFrame(interactions, schema=["user", "item", "rating"], orient="row")
    parts = {"train": (0, 4), "valid": (4, 5), "test": (5, 9)}
    position = pl.Series(list(range(9)) * 12)
    for part, (start, stop) in parts.items():
        table.filter((position >= start) & (position < stop)).write_csv(tmp_path / f"{part}.csv")
    items = pl.DataFrame({"item": [f"i{n}" for n in range(20)]})
    items.with_columns(title="item").write_csv(tmp_path / "items.csv")
    (tmp_path / "m.py").write_text(METHODS)
    dataset = bk.Dataset(
        name="graded", source="table", options={"items": str(tmp_path / "items.csv")},
        split={
            **{part: str(tmp_path / f"{part}.csv") for part in parts},
            "cases": "user", "grades": "rating",
        },
        rating_scale=(0, 5), candidates={"count": 12},
    )  # fmt: skip
    suite = bk.Suite(
        name="graded", title="G", datasets=[dataset], protocols=["scored"],
        methods=[{"method": f"{tmp_path}/m.py:Hashed", "label": "by hash"}],
        metrics=["recall@5", "precision@5", "graded-ndcg@5"], primary="recall@5",
    )  # fmt: skip
    results = bk.run(
        suite, store=tmp_path / "runs", data=tmp_path / "data", progress=False, trust=True,
        executor="inline",
    )  # fmt: skip
    assert not results.failures
    names = ["recall@5", "precision@5", "graded-ndcg@5"]
    written = export_trec(results.store, "graded", tmp_path / "data", tmp_path / "out")
    assert written.notes == ("graded.qrels: grades are multiplied by 2 to be whole numbers",)
    pytrec_eval = pytest.importorskip("pytrec_eval")
    evaluator = pytrec_eval.RelevanceEvaluator(read_qrels(written.files[0]), MEASURES)
    values = evaluator.evaluate(read_run(written.files[1]))
    cases = results.cases()
    assert len(cases) == 12
    for row in cases.iter_rows(named=True):
        for name in names:
            theirs = values[escape_id(row["case_id"])][TREC_NAMES[name]]
            assert theirs == pytest.approx(row[name], abs=1e-12), name


def test_what_the_files_hold(results, tmp_path):
    written = export_trec(results.store, results.suite, results._data, tmp_path)
    names = [path.name for path in written.files]
    assert names[0] == "odd.qrels" and len(names) == 4
    by_hash = results.cases(method="by hash ☂", protocol="scored")
    path = next(p for p in written.files if p.name.endswith(".scored.run"))
    rows = [fields for _, fields in read_rows(path, {})]
    first = [row for row in rows if row["case_id"] == by_hash["case_id"][0]]
    scores = sorted(by_hash["scores"][0], reverse=True)
    assert [row["score"] for row in first] == scores
    assert {row["case_id"] for row in rows} == set(by_hash["case_id"])
    qrels = read_qrels(written.files[0])
    targets = dict(zip(by_hash["case_id"], by_hash["target"], strict=True))
    assert qrels == {escape_id(c): {escape_id(t): 1} for c, t in targets.items()}
    close = next(p for p in written.files if "close" in p.name)
    assert {row["score"] for _, row in read_rows(close, {})} <= set(map(float, range(1, 7)))
    assert f"{close.name}: ranks stand for scores, which 32-bit floats would tie" in written.notes
    n = len(targets)
    assert f"{close.name}: {n // 3} of {n} cases have no answer" in written.notes


def test_a_run_is_read_as_predictions(results, tmp_path):
    written = export_trec(results.store, results.suite, results._data, tmp_path)
    path = next(p for p in written.files if p.name.endswith(".scored.run"))
    (run,) = [r for r in find_stored_runs(results.store, results.suite, results._data)
              if r.name == "by hash ☂"]  # fmt: skip
    read = read_predictions(path, run.dataset, run.cases, n=10)
    recorded = results.cases(method="by hash ☂", protocol="scored")
    for case, scores in zip(recorded["case_id"], recorded["scores"].to_list(), strict=True):
        assert list(read.predictions[case].scores) == scores


def test_lines_that_are_none_are_named(tmp_path):
    file = tmp_path / "x.run"
    file.write_text("c1 Q0 i1 1 0.5 me\nc1 Q0 i 2 2 0.4 me\n")
    with pytest.raises(DataError, match="line 2: no line of a TREC run"):
        list(read_rows(file, {}))
    file.write_text("c1 Q0 %ff 1 0.5 me\n")
    with pytest.raises(DataError, match="line 1: no line of a TREC run"):
        list(read_rows(file, {}))


def test_equal_scores_stay_equal(results, tmp_path):
    lists = {"a": [("x", 2.0), ("y", 1.0), ("z", 1.0)]}
    assert _fit_single_precision(lists.values())
    assert [line.split()[4] for line in _run_lines(lists, "t", replaced=True)] == [
        "2.0",
        "1.0",
        "1.0",
    ]
    assert not _fit_single_precision([[("x", 1e300)]])
    assert not _fit_single_precision([[("x", np.nextafter(1.0, 2.0)), ("y", 1.0)]])
