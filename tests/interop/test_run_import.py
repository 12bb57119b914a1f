"""A run folder made elsewhere: computed again, and refused where that gives something else."""

import json
import shutil
import sys

import polars as pl
import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.fingerprint import hash_json
from benchkit.interop.run_import import import_run
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard import tables
from benchkit.runs import validation
from benchkit.runs.store import Run, Store
from tests.support.samplers import SAMPLERS
from tests.support.sealing import sign_again
from tests.support.suites import make_suite, run_all

SUITE = {"protocols": ["scored", "full", "sampled"]}


@pytest.fixture
def made(methods, tmp_path):
    """A suite, the folder of a run of it made elsewhere, and the store and data here."""
    methods.write_text(methods.read_text() + SAMPLERS)
    suite = make_suite("Samples", "Counts", **SUITE)
    outcome = run_all(suite, tmp_path / "there")["Samples", 0]
    folder = tmp_path / "there" / "runs" / "small" / "toy" / "Samples" / outcome.manifest.run_id
    return suite, folder, Store(tmp_path / "runs"), tmp_path / "data"


def edit(folder, **changes):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, **changes}))


def edit_identity(folder, **changes):
    identity = json.loads((folder / "manifest.json").read_text())["identity"] | changes
    edit(folder, identity=identity, run_id=hash_json(identity))


def edit_table(folder, name, **columns):
    path = folder / f"{name}.parquet"
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)


def test_it_is_copied_computed_again_and_marked(made):
    suite, folder, store, data = made
    imported = import_run(folder, suite, store, data)
    there = Run(folder)
    here = Run(imported.path)
    assert imported.manifest.is_external and imported.computed
    assert here.predictions().equals(there.predictions())
    checkable = there.metrics().filter(pl.col("protocol") != "full")
    assert here.metrics().equals(checkable)
    kept = [line for line in there.manifest().summary if line.protocol != "full"]
    assert here.manifest().summary == kept
    origin = here.manifest().provenance["external"]
    assert origin["run_id"] == folder.name and origin["suite"] == "small"
    assert here.manifest().provenance["python"] == there.manifest().provenance["python"]
    assert all(finding.ok for finding in validation.validate_path(store.root))
    again = import_run(folder, suite, store, data)
    assert not again.computed and again.manifest == imported.manifest


def test_it_stands_in_the_tables_with_a_footnote(made, tmp_path):
    suite, folder, store, data = made
    run_all(suite, tmp_path, methods=("Counts",))
    imported = import_run(folder, suite, store, data)
    results = collect_results(store, "small")
    rows = {(t.protocol, r.label): r for t in results.tables for r in t.rows}
    assert rows["scored", "Samples"].run_ids == (imported.manifest.run_id,)
    assert rows["scored", "Counts"].status == rows["sampled", "Samples"].status == "complete"
    assert rows["full", "Samples"].status == "not run under this protocol"
    said = f"external: imported from run {folder.name}; its figures were computed again"
    assert rows["scored", "Samples"].caveats[0].startswith(said)
    assert (
        "those of the whole catalogue cannot be, and are left out"
        in tables.leaderboard_markdown(results)
    )
    for render in (tables.leaderboard_markdown, tables.leaderboard_latex, tables.leaderboard_csv):
        assert said in render(results)


def test_the_own_run_of_the_method_takes_its_place(made, tmp_path):
    suite, folder, store, data = made
    import_run(folder, suite, store, data)
    outcome = run_all(suite, tmp_path)["Samples", 0]
    assert outcome.computed and outcome.manifest.run_id == folder.name
    (row,) = [r for r in collect_results(store, "small").tables[0].rows if r.label == "Samples"]
    assert row.run_ids == (folder.name,) and not row.caveats
    with pytest.raises(ConfigError, match="row 'Samples' on toy that was run here"):
        import_run(folder, suite, store, data)
    import_run(folder, suite, store, data, label="Samples (elsewhere)")
    labels = [row.label for row in collect_results(store, "small").tables[0].rows]
    assert labels == ["Samples", "Counts", "Samples (elsewhere)"]


def test_a_run_that_failed_here_gives_way(made, tmp_path, methods):
    suite, folder, store, data = made
    right = methods.read_text()
    methods.write_text(right.replace("class Samples(Base):", "class Samples(Raises):"))
    for name in [n for n in sys.modules if n.startswith("benchkit_file_recs")]:
        del sys.modules[name]  # as a process that starts now
    assert run_all(suite, tmp_path)["Samples", 0].manifest.status == "failed"
    import_run(folder, suite, store, data)
    assert collect_results(store, "small").tables[0].rows[0].status == "complete"


def test_a_run_on_so_many_users(made, tmp_path):
    suite, _, store, data = made
    run_all(suite, tmp_path / "there", limit_users=9, methods=("Counts",))
    (folder,) = (tmp_path / "there" / "runs").glob("small@9users/toy/Counts/*")
    imported = import_run(folder, suite, store, data)
    assert imported.manifest.suite == "small@9users" and imported.manifest.summary[0].n == 9
    assert collect_results(store, "small@9users").tables[0].rows[0].status == "complete"


FIRST = pl.col("case_id") == pl.col("case_id").first()


def swapped_scores(folder):
    edit_table(folder, "predictions", scores=pl.col("scores").list.reverse())


def dropped_case(folder):
    path = folder / "predictions.parquet"
    pl.read_parquet(path).head(39).write_parquet(path)


def another_target(folder):
    edit_table(folder, "predictions", target=pl.col("target").shift(1, fill_value="i0"))


def nan(folder):
    scores = pl.when(FIRST).then(pl.lit([float("nan")] * 10)).otherwise(pl.col("scores"))
    edit_table(folder, "predictions", scores=scores)


def other_sample(folder):
    edit_table(folder, "predictions", samples=pl.col("samples").list.reverse())


def usage(folder):
    edit_table(folder, "predictions", usage=pl.lit("{"))


def hidden_failure(folder):
    edit_table(folder, "predictions", sampled_status=pl.lit(None, dtype=pl.String))


def better_metric(folder):
    value = pl.when(pl.col("metric") == "hr@5").then(1.0).otherwise(pl.col("value"))
    edit_table(folder, "metrics", value=value)


def dropped_metric(folder):
    path = folder / "metrics.parquet"
    pl.read_parquet(path).filter(pl.col("metric") != "mrr").write_parquet(path)


def columns(folder):
    edit_table(folder, "predictions", more=pl.lit(1))


def better_mean(folder):
    summary = json.loads((folder / "manifest.json").read_text())["summary"]
    summary[0]["mean"] += 0.1
    edit(folder, summary=summary)


def no_summary(folder):
    edit(folder, summary=[])


def other_seed(folder):
    identity = json.loads((folder / "manifest.json").read_text())["identity"]
    edit(folder, identity={**identity, "seed": 5})


TAMPERED = [
    (swapped_scores, "scored hr@1 in metrics.parquet does not follow from its answers"),
    (other_sample, "sampled hr@1 in metrics.parquet does not follow"),
    (dropped_case, "does not answer each case once, in order"),
    (another_target, "column 'target' of predictions.parquet is not of these cases"),
    (nan, "the score of item .* is nan"),
    (usage, "is no JSON"),
    (hidden_failure, "an answer has the status None"),
    (better_metric, "scored hr@5 in metrics.parquet does not follow"),
    (dropped_metric, "scored mrr in metrics.parquet does not follow"),
    (columns, "predictions.parquet has other columns than schema"),
    (better_mean, r"scored hr@1 is 0\.\d+ in its manifest, but its answers give"),
    (no_summary, "scored hr@1 is missing in its manifest"),
    (other_seed, "its id is not the hash of its identity"),
    (lambda f: edit(f, status="failed"), "the run is failed"),
    (lambda f: edit(f, schema_version=99), "written by a newer benchkit"),
    (lambda f: edit(f, schema_version=1), "written by an older benchkit"),
    (lambda f: edit(f, more=1), "more: unknown key"),
    (lambda f: (f / "manifest.json").write_text("{"), "cannot be read"),
    (lambda f: (f / "manifest.json").unlink(), "has no manifest.json"),
    (lambda f: (f / "metrics.parquet").unlink(), "metrics.parquet is missing"),
    (lambda f: (f / "predictions.parquet").write_text("x"), "cannot be read"),
    (lambda f: edit(f, datasets={"test": "beef"}), "was asked other cases than 'toy' .*: \"?beef"),
    (lambda f: edit_identity(f, metrics=["hr@1"]), "has other metrics than"),
    (lambda f: edit_identity(f, popular_share=0.5), "has other popular_share than"),
    (lambda f: edit_identity(f, decoding={"n": 1}), "has other decoding than"),
    (lambda f: edit_identity(f, protocols=["full"]), "only figures of the whole catalogue"),
]


@pytest.mark.parametrize(("tamper", "message"), TAMPERED)
def test_what_was_tampered_with_is_refused(made, tamper, message):
    suite, folder, store, data = made
    tamper(folder)
    sign_again(folder)  # as somebody who tampers could
    with pytest.raises(DataError, match=message):
        import_run(folder, suite, store, data)
    assert store.plan("small") is None and not list(store.runs())


@pytest.mark.parametrize("tamper", [swapped_scores, better_metric, better_mean, other_seed])
def test_what_was_damaged_is_refused(made, tamper):
    suite, folder, store, data = made
    tamper(folder)
    with pytest.raises(DataError, match=r"damaged: .* is not what was written"):
        import_run(folder, suite, store, data)


def test_an_identity_without_its_settings_is_refused(made):
    suite, folder, store, data = made
    identity = {"test": "x"}
    edit(folder, identity=identity, run_id=hash_json(identity))
    sign_again(folder)
    with pytest.raises(DataError, match="does not say limit_users, protocols"):
        import_run(folder, suite, store, data)


def test_other_data_and_another_suite_are_refused(made, tmp_path):
    _, folder, store, data = made
    toy = {"name": "toy", "source": "toy", "options": {"users": 40, "items": 51}}
    other = make_suite(datasets=[{**toy, "candidates": {"count": 10}}], **SUITE)
    with pytest.raises(DataError, match="was asked other cases"):
        import_run(folder, other, store, data)
    renamed = make_suite(datasets=[{**toy, "name": "play"}], **SUITE)
    with pytest.raises(ConfigError, match="dataset of suite 'small': 'toy'"):
        import_run(folder, renamed, store, data)
    shutil.rmtree(folder)
    with pytest.raises(DataError, match=r"has no manifest\.json"):
        import_run(folder, other, store, data)
    assert not (tmp_path / "runs" / "small").exists()
