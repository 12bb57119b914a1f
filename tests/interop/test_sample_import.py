"""Sampled answers made elsewhere: worth what they are inside, and what is not known of them."""

import json
from dataclasses import replace

import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.interop.cases_file import header_path
from benchkit.interop.prediction_import import PredictionsFile, import_predictions
from benchkit.report.core.collect import collect_results
from benchkit.runs import validation
from benchkit.runs.store import Store
from tests.support.external_predictions import exported, folder_of, write
from tests.support.samplers import SAMPLERS
from tests.support.suites import make_suite, run_all


@pytest.fixture
def sampled(methods, tmp_path):
    """A suite that samples, a run of `Samples` here, and its answers as a file has them."""
    methods.write_text(methods.read_text() + SAMPLERS)
    suite = make_suite("Samples", protocols=["scored", "sampled"])
    outcome = run_all(suite, tmp_path)["Samples", 0]
    place, _ = exported(suite, tmp_path)
    store = Store(tmp_path / "runs")
    rows = folder_of(store, outcome.manifest).predictions().to_dicts()
    return outcome, place, store, rows


def test_samples_are_worth_what_they_are_inside(sampled, tmp_path):
    outcome, place, store, rows = sampled
    both = [{k: row[k] for k in ("case_id", "scores", "samples", "rationale")} for row in rows]
    path = write(tmp_path / "theirs.jsonl", both)
    imported, answers = import_predictions(PredictionsFile(path, "theirs"), place, store)
    assert answers.protocols == ("scored", "sampled")
    own = folder_of(store, outcome.manifest)
    theirs = folder_of(store, imported.manifest)
    assert theirs.metrics().equals(own.metrics())
    assert theirs.predictions().drop("usage").equals(own.predictions().drop("usage"))
    assert list(imported.manifest.summary) == list(outcome.manifest.summary)
    results = collect_results(store, "small")
    (table,) = [t for t in results.tables if t.protocol == "sampled"]
    assert [row.label for row in table.rows] == ["Samples", "theirs"]
    said = "its file declares that its samples were drawn as the suite asks"
    assert table.rows[1].caveats[1] == said
    assert all(finding.ok for finding in validation.validate_path(store.root))


def test_titles_as_samples_and_what_is_not_known_of_them(sampled, tmp_path):
    _, place, store, rows = sampled
    title = place.dataset.catalog.text
    only = []
    for row in rows:
        texts = [title(s["item"]) if s["item"] else "It is" for s in row["samples"]]
        only.append({"case_id": row["case_id"], "samples": texts})
    path = write(tmp_path / "theirs.csv", only[1:], header=False)
    source = PredictionsFile(path, "theirs", cases_hash=place.dataset.candidates_hash)
    imported, answers = import_predictions(source, place, store)
    assert answers.protocols == ("sampled",)
    means = {line.metric: line.mean for line in imported.manifest.summary}
    assert means["valid"] == pytest.approx(0.8 * 39 / 40) and means["truncated"] == 0
    again = folder_of(store, imported.manifest).predictions()
    assert again["scores"].null_count() == 40 and again["status"].null_count() == 40
    assert again["sampled_status"].to_list() == ["error", *["ok"] * 39]
    assert imported.manifest.caveats[-1] == "its file does not say how its samples were drawn"
    results = collect_results(store, "small")
    (scored,) = [t for t in results.tables if t.protocol == "scored"]
    assert "Give no scores: theirs." in scored.notes


def test_items_that_were_not_read_are_told(sampled, tmp_path):
    _, place, store, rows = sampled
    only = [{"case_id": row["case_id"], "samples": row["samples"]} for row in rows]
    for row in only:
        row["samples"] = [{"item": s["item"]} if s["item"] else s for s in row["samples"]]
    path = write(tmp_path / "theirs.jsonl", only)
    imported, answers = import_predictions(PredictionsFile(path, "theirs"), place, store)
    assert answers.n_explicit_items == sum(
        s["item"] is not None for row in rows for s in row["samples"]
    )
    assert imported.manifest.caveats[-1] == (
        f"the items of {answers.n_explicit_items} samples are given, not read from texts, so that"
        " VALID is theirs to say"
    )


def test_samples_that_were_drawn_otherwise_are_refused(sampled, tmp_path):
    _, place, store, rows = sampled
    path = write(
        tmp_path / "p.jsonl", [{k: row[k] for k in ("case_id", "samples")} for row in rows]
    )
    header = json.loads(header_path(path).read_text())
    header["decoding"]["temperature"] = 0.0
    header_path(path).write_text(json.dumps(header))
    with pytest.raises(DataError, match="its samples were drawn with"):
        import_predictions(PredictionsFile(path, "theirs"), place, store)
    header_path(path).write_text(json.dumps({"cases_hash": header["cases_hash"]}))
    quiet = replace(place, suite=make_suite("Samples", protocols=["scored"]))
    with pytest.raises(ConfigError, match="does not ask for any"):
        import_predictions(PredictionsFile(path, "theirs"), quiet, store)
