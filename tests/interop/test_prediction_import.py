"""Predictions made elsewhere become a row like any other, except that it says where it is from."""

import json

import numpy as np
import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.interop.cases_file import header_path
from benchkit.interop.prediction_import import PredictionsFile, import_predictions
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard import tables
from benchkit.report.site import page
from benchkit.runs import validation
from benchkit.runs.store import Run, Store
from benchkit.stats.multiple_testing import holm
from tests.support.external_predictions import by_item, exported, folder_of, whole, write
from tests.support.suites import make_suite, run_all


@pytest.fixture
def elsewhere(methods, tmp_path):
    """A suite of which `Base` was run here, the place, its cases, and the store."""
    suite = make_suite("Base", protocols=["scored", "full"], history_buckets=[[1, 8], [9]])
    outcomes = run_all(suite, tmp_path)
    place, cases = exported(suite, tmp_path)
    return outcomes["Base", 0], place, cases, Store(tmp_path / "runs")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("form", [whole, by_item])
def test_figures_are_those_of_the_same_recommender_run_inside(elsewhere, tmp_path, form, ending):
    inside, place, cases, store = elsewhere
    path = write(tmp_path / f"theirs.{ending}", form(cases))
    imported, answers = import_predictions(PredictionsFile(path, "theirs"), place, store)
    assert imported.computed and not answers.missing
    own = {s.metric: s for s in inside.manifest.summary if s.protocol == "scored"}
    assert {s.metric for s in imported.manifest.summary} == own.keys()
    for line in imported.manifest.summary:
        for name in ("n", "mean", "low", "high", "chance", "p_chance"):
            assert getattr(line, name) == pytest.approx(getattr(own[line.metric], name), abs=1e-12)
    theirs = folder_of(store, imported.manifest)
    ours = folder_of(store, inside.manifest)
    scored = ours.metrics().filter(protocol="scored")
    assert theirs.metrics().equals(scored)
    assert theirs.predictions().drop("usage").equals(ours.predictions().drop("usage"))
    assert all(finding.ok for finding in validation.validate_path(store.root))


def test_it_stands_beside_the_others_and_says_that_it_is_external(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    path = write(tmp_path / "theirs_1.csv", whole(cases))
    source = PredictionsFile(
        path, "Their & Rec", family="their family", paper="A. Body, 50% better, 2031"
    )
    imported, _ = import_predictions(source, place, store)
    assert imported.manifest.is_external
    results = collect_results(store, "small")
    digest = imported.manifest.identity["external"]
    said = (
        f"external: imported from theirs_1.csv, sha256 {digest[:12]}; benchkit did not run it;"
        " A. Body, 50% better, 2031"
    )
    scored = [table for table in results.tables if table.protocol == "scored"]
    assert [t.subgroup for t in scored] == ["", "history of 1 to 8", "history of 9 or more"]
    for table in scored:
        assert [row.label for row in table.rows] == ["Base", "Their & Rec"]
        assert table.rows[1].caveats == (said,) and table.rows[1].family == "their family"
        assert not table.rows[0].caveats
    (full,) = [table for table in results.tables if table.protocol == "full" and not table.subgroup]
    assert "Do not rank the whole catalogue: Their & Rec." in full.notes
    text = tables.leaderboard_markdown(results)
    assert "| Their & Rec¹ | their family |" in text
    assert "¹ external: imported from theirs\\_1.csv, sha256" in text
    assert "Their \\& Rec$^{1}$" in tables.leaderboard_latex(results)
    assert "imported from theirs\\_1.csv" in tables.leaderboard_latex(results)
    assert "50\\% better" in tables.leaderboard_latex(results)
    lines = tables.leaderboard_csv(results).splitlines()
    own = [line for line in lines if ",Their & Rec," in line]
    assert own and all(said in line for line in own)
    assert "external: imported from theirs_1.csv" in page.render_page(
        results, store, folder=tmp_path
    )


def test_the_same_import_twice_is_the_same_run(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    path = write(tmp_path / "theirs.csv", whole(cases))
    first, _ = import_predictions(PredictionsFile(path, "theirs"), place, store)
    before = {p: p.stat().st_mtime_ns for p in first.path.iterdir()}
    again, _ = import_predictions(PredictionsFile(path, "theirs"), place, store)
    assert not again.computed and again.manifest == first.manifest
    assert {p: p.stat().st_mtime_ns for p in first.path.iterdir()} == before
    assert len(store.plan("small").rows) == 2

    other = PredictionsFile(path, "theirs", family="cf", paper="B. Body")
    renamed, _ = import_predictions(other, place, store)
    assert not renamed.computed and renamed.manifest.run_id == first.manifest.run_id
    (row,) = [
        row for row in collect_results(store, "small").tables[0].rows if row.label == "theirs"
    ]
    assert row.family == "cf" and row.caveats[0].endswith("; B. Body")

    cases[0]["candidates"][0]["item"] += "more"
    changed = write(tmp_path / "theirs.csv", whole(cases))
    third, _ = import_predictions(PredictionsFile(changed, "theirs"), place, store)
    assert third.computed and third.manifest.run_id != first.manifest.run_id
    assert [row.run_id for row in store.plan("small").rows if row.label == "theirs"] == [
        third.manifest.run_id
    ]


def test_unlisted_targets_and_missing_cases_count_as_misses(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    targets = [place.dataset.catalog.ids[code] for code in place.cases.target]
    rows = []
    for case, target in zip(cases, targets, strict=True):
        others = [c["item"] for c in case["candidates"] if c["item"] != target]
        rows.append({"case_id": case["case_id"], "ranking": others[:1]})
    rows[0]["ranking"] = [targets[0]]
    rows[1] = {"case_id": rows[1]["case_id"], "status": "refused"}
    path = write(tmp_path / "theirs.jsonl", rows[:-2])
    with pytest.raises(DataError, match=r"2 of 40 cases \(5.0%\)"):
        import_predictions(PredictionsFile(path, "theirs", allow_missing=0.04), place, store)
    assert "theirs" not in store.plan("small").labels
    imported, answers = import_predictions(PredictionsFile(path, "theirs"), place, store)
    assert answers.missing == place.cases.ids[-2:]
    run = folder_of(store, imported.manifest)
    statuses = run.predictions()["status"].to_list()
    assert statuses == ["ok", "refused", *["ok"] * 36, "error", "error"]
    means = {line.metric: (line.mean, line.n) for line in imported.manifest.summary}
    assert means["valid"] == (37 / 40, 40)
    assert means["hr@1"] == (pytest.approx(1 / 40), 40)
    assert means["hr@5"] == means["mrr"] == (pytest.approx(1 / 40), 40)
    (row,) = [
        row for row in collect_results(store, "small").tables[0].rows if row.label == "theirs"
    ]
    assert row.caveats[1] == "2 of 40 cases are not in its file and count as misses"
    assert row.caveats[2] == (
        "37 of 40 answers rank only 1 of 10 candidates; what they do not list was not retrieved: 36"
        " targets among it count as misses, while chance is that of a full ranking"
    )
    assert all(finding.ok for finding in validation.validate_path(store.root))


def test_answers_to_other_cases_are_refused(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    path = write(tmp_path / "theirs.csv", whole(cases), header=False)
    with pytest.raises(DataError, match="nothing says which cases it answers"):
        import_predictions(PredictionsFile(path, "theirs"), place, store)
    with pytest.raises(DataError, match="--cases-hash is beef, but 'toy' has"):
        import_predictions(PredictionsFile(path, "theirs", cases_hash="beef"), place, store)
    here = place.dataset.candidates_hash
    import_predictions(PredictionsFile(path, "theirs", cases_hash=here), place, store)
    for name, value in (("cases_hash", "beef"), ("fingerprint", "beef")):
        header = json.loads(header_path(tmp_path / "cases.jsonl").read_text()) | {name: value}
        header_path(path).write_text(json.dumps(header))
        with pytest.raises(DataError, match=rf"theirs.meta.json, {name} is beef"):
            import_predictions(PredictionsFile(path, "theirs", cases_hash=here), place, store)


def test_the_cases_of_another_seed_are_other_cases(elsewhere, tmp_path):
    _, _, cases, store = elsewhere
    path = write(tmp_path / "theirs.csv", whole(cases))
    dataset = {"name": "toy", "source": "toy", "options": {"users": 40, "items": 50}}
    suite = make_suite(datasets=[{**dataset, "candidates": {"count": 10, "seed": 1}}])
    (tmp_path / "other").mkdir()
    other, _ = exported(suite, tmp_path / "other")
    with pytest.raises(DataError, match="answers other cases"):
        import_predictions(PredictionsFile(path, "theirs"), other, store)


def test_a_row_that_was_run_here_is_not_replaced(elsewhere, tmp_path):
    inside, place, cases, store = elsewhere
    path = write(tmp_path / "theirs.csv", whole(cases))
    for seed in (0, 1):
        with pytest.raises(ConfigError, match="row 'Base' on toy that was run here"):
            import_predictions(PredictionsFile(path, "Base", seed=seed), place, store)
    assert [row.run_id for row in store.plan("small").rows] == [inside.manifest.run_id]
    with pytest.raises(ConfigError, match="needs a label"):
        import_predictions(PredictionsFile(path, " "), place, store)


def test_a_suite_that_was_never_run_here_shows_what_was_imported(tmp_path):
    place, cases = exported(make_suite(), tmp_path)
    path = write(tmp_path / "theirs.csv", whole(cases))
    store = Store(tmp_path / "runs")
    import_predictions(PredictionsFile(path, "theirs"), place, store)
    (table,) = collect_results(store, "small").tables
    assert [row.label for row in table.rows] == ["theirs"]
    assert [row.status for row in table.rows] == ["complete"]


def test_running_the_suite_again_keeps_the_row(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    path = write(tmp_path / "theirs.csv", whole(cases))
    import_predictions(PredictionsFile(path, "theirs"), place, store)
    run_all(place.suite, tmp_path)
    assert [row.label for row in collect_results(store, "small").tables[0].rows] == [
        "Base",
        "theirs",
    ]


def test_seeds_of_one_row_are_pooled(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    rows = whole(cases)
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        noisy = [{**row, "scores": rng.normal(size=10).tolist()} for row in rows]
        path = write(tmp_path / f"seed{seed}.jsonl", noisy)
        import_predictions(PredictionsFile(path, "theirs", seed=seed), place, store)
    (row,) = [
        row for row in collect_results(store, "small").tables[0].rows if row.label == "theirs"
    ]
    assert row.status == "complete" and row.seeds == (0, 1)
    assert [remark.split(",")[0] for remark in row.caveats] == [
        f"external: imported from seed{seed}.jsonl" for seed in (0, 1)
    ]


def test_the_same_answers_are_no_other_seed(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    path = write(tmp_path / "theirs.csv", whole(cases))
    import_predictions(PredictionsFile(path, "theirs"), place, store)
    with pytest.raises(ConfigError, match="these are the answers of seed 0 of 'theirs' on toy"):
        import_predictions(PredictionsFile(path, "theirs", seed=1), place, store)
    import_predictions(PredictionsFile(path, "theirs, again", seed=1), place, store)
    assert [(row.label, row.seed) for row in store.plan("small").rows] == [
        ("Base", 0), ("theirs", 0), ("theirs, again", 1),
    ]  # fmt: skip


def test_the_own_run_takes_the_place_of_an_import_of_another_seed(methods, tmp_path):
    suite = make_suite("Base")
    place, cases = exported(suite, tmp_path)
    store = Store(tmp_path / "runs")
    path = write(tmp_path / "theirs.csv", whole(cases))
    import_predictions(PredictionsFile(path, "Base", seed=7), place, store)
    run_all(suite, tmp_path)
    (row,) = collect_results(store, "small").tables[0].rows
    assert (row.status, row.seeds, row.external) == ("complete", (0,), False)


def test_an_import_takes_the_place_of_a_run_that_failed_with_all_its_seeds(methods, tmp_path):
    suite = make_suite("Raises", seeds=[0, 1])
    run_all(suite, tmp_path)
    place, cases = exported(suite, tmp_path)
    store = Store(tmp_path / "runs")
    path = write(tmp_path / "theirs.csv", whole(cases))
    import_predictions(PredictionsFile(path, "Raises"), place, store)
    (row,) = collect_results(store, "small").tables[0].rows
    assert (row.status, row.seeds, row.external) == ("complete", (0,), True)


def test_imports_take_no_mark_away(elsewhere, tmp_path):
    _, place, cases, store = elsewhere
    (before,) = collect_results(store, "small").tables[0].rows
    for i in range(5):
        rng = np.random.default_rng(i)
        noisy = [{**row, "scores": rng.normal(size=10).tolist()} for row in whole(cases)]
        path = write(tmp_path / f"{i}.jsonl", noisy)
        import_predictions(PredictionsFile(path, f"noise {i}"), place, store)
    table = collect_results(store, "small").tables[0]
    assert table.rows[0].cells == before.cells
    raw = [store.run("small", "toy", r.label, r.run_ids[0]).manifest() for r in table.rows]
    for metric in ("hr@1", "ndcg@5"):
        p = [next(s.p_chance for s in m.summary if s.metric == metric) for m in raw]
        for i, row in enumerate(table.rows[1:], start=1):
            assert row.external and row.cells[metric].p == holm([p[0], p[i]])[1]
    assert any("External rows do not change the marks" in note for note in table.notes)


def test_an_import_that_stopped_half_way_is_done_again(elsewhere, tmp_path, monkeypatch):
    _, place, cases, store = elsewhere
    path = write(tmp_path / "theirs.csv", whole(cases))

    def full(*_):
        raise OSError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(Run, "finish", full)
        with pytest.raises(OSError, match="no space"):
            import_predictions(PredictionsFile(path, "theirs"), place, store)
    assert "theirs" not in store.plan("small").labels
    imported, _ = import_predictions(PredictionsFile(path, "theirs"), place, store)
    assert imported.computed and folder_of(store, imported.manifest).manifest().status == "complete"
