"""End to end in small: honest counting, bad methods, resuming, several processes, several seeds."""

import json
import signal
import time

import numpy as np
import polars as pl
import pytest

from benchkit.errors import ConfigError
from benchkit.report.core.collect import collect_results
from benchkit.runs import plan
from benchkit.runs.options import RunOptions
from benchkit.runs.records import METRICS_SCHEMA, PREDICTIONS_SCHEMA
from benchkit.runs.store import Store
from tests.support.suites import make_suite, run_all, start_script, wait_until


def folder_of(outcome):
    return outcome.job.run


def summary(outcome, metric, protocol="scored"):
    return next(s for s in outcome.manifest.summary if (s.metric, s.protocol) == (metric, protocol))


def test_a_complete_run_has_everything_on_disk(methods, tmp_path):
    outcome = run_all(make_suite(protocols=["scored", "full"]), tmp_path)["Counts", 0]
    run = folder_of(outcome)
    assert outcome.computed
    assert outcome.manifest.status == "complete"
    assert run.predictions().schema == PREDICTIONS_SCHEMA
    assert run.metrics().schema == METRICS_SCHEMA
    assert len(run.predictions()) == 40
    for line in outcome.manifest.summary:
        values = run.metrics().filter(
            (pl.col("metric") == line.metric) & (pl.col("protocol") == line.protocol)
        )
        if line.low is not None:
            assert line.mean == pytest.approx(values["value"].mean(), abs=1e-12)
            assert line.low <= line.mean <= line.high
    assert summary(outcome, "hr@1").chance == pytest.approx(0.1)
    events = [json.loads(line)["event"] for line in run.log.read_text().splitlines()]
    assert "stage" in events
    assert not run.scratch.exists()
    assert outcome.manifest.cost["fit_seconds"] >= 0
    assert outcome.manifest.provenance["packages"]["numpy"] == np.__version__


def test_nothing_is_computed_twice(methods, tmp_path):
    run_all(make_suite("Counts", "Noise"), tmp_path)
    again = run_all(make_suite("Counts", "Noise"), tmp_path)
    assert not any(outcome.computed for outcome in again.values())
    assert all(o.computed for o in run_all(make_suite(), tmp_path, overwrite="always").values())


def test_what_changes_a_number_changes_the_id_and_nothing_else_does(methods, tmp_path):
    def run_id(suite=None, **options):
        return (
            plan.plan_runs(
                suite or make_suite("Noise"),
                RunOptions(store=tmp_path / "r", data=tmp_path / "d", **options),
            )
            .jobs[0]
            .run_id
        )

    first = run_id()
    explicit = make_suite(methods=[{"method": "recs.py:Noise", "config": {"scale": 1.0}}])
    assert run_id(explicit) == first  # the default, spelt out
    assert run_id(make_suite("Noise", title="Another", name="other")) == first
    assert run_id(jobs=2) == first
    assert run_id(seeds=(1,)) != first
    assert run_id(threads=2) != first
    assert run_id(limit_users=5) != first
    other = make_suite(methods=[{"method": "recs.py:Noise", "config": {"scale": 2.0}}])
    assert run_id(other) != first
    text = methods.read_text()
    methods.write_text(text + "\n# a comment\n")
    assert run_id() == first
    methods.write_text(text.replace("normal(0,", "normal(1,"))
    assert run_id() != first


def test_unanswered_cases_count_as_misses_and_are_shown(methods, tmp_path):
    outcome = run_all(make_suite("Refuses"), tmp_path)["Refuses", 0]
    assert summary(outcome, "valid").mean == 0.5
    statuses = folder_of(outcome).predictions()["status"].value_counts(sort=True)
    assert sorted(statuses.rows()) == [("ok", 20), ("refused", 20)]
    refused = folder_of(outcome).metrics().filter(pl.col("metric") == "hr@5")["value"][1::2]
    assert refused.sum() == 0.0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Raises", "it raised ZeroDivisionError: no users (recs.py:"),
        ("TooFew", "9 scores for 10 candidates"),
        ("Nan", "the score of item"),
        ("WrongCase", 'predict answered case "someone else\'s", which was not asked'),
        ("Stops", "fewer predictions than requests"),
    ],
)
def test_a_bad_method_fails_alone_and_says_why(methods, tmp_path, name, message):
    outcomes = run_all(make_suite(name, "Counts"), tmp_path)
    failed = outcomes[name, 0]
    assert failed.manifest.status == "failed"
    assert message in failed.manifest.error
    assert "hint:" in failed.manifest.error
    assert not (folder_of(failed).path / "metrics.parquet").exists()
    assert outcomes["Counts", 0].manifest.status == "complete"
    again = run_all(make_suite(name, "Counts"), tmp_path, overwrite="failed")
    assert not again["Counts", 0].computed
    assert again[name, 0].computed


def test_a_method_that_cannot_is_not_applicable_and_never_zero(methods, tmp_path):
    suite = make_suite(
        "Counts", "NoScores", tasks=[{"name": "cold", "test": "toy", "requires": ["cold_items"]}]
    )
    assert run_all(suite, tmp_path) == {}
    rows = collect_results(Store(tmp_path / "runs"), "small").tables[0].rows
    assert rows[0].status == "not applicable: needs cold_items"
    assert rows[1].status == "not applicable: needs scores, cold_items"
    assert not rows[0].cells


def test_training_on_another_dataset(methods, tmp_path):
    toy = {"source": "toy", "options": {"users": 40, "items": 50}, "candidates": {"count": 10}}
    suite = make_suite(
        datasets=[
            {"name": "toy", **toy},
            {"name": "b", **toy, "options": {"users": 30, "items": 50}},
        ],
        tasks=[
            {"name": "zero-shot", "test": "b", "train": "toy"},
            {"name": "own", "test": "b", "train": "toy", "train_by_family": {"other": "b"}},
        ],
    )
    outcomes = run_all(suite, tmp_path)
    rows = {t.task: t.rows[0] for t in collect_results(Store(tmp_path / "runs"), "small").tables}
    assert rows["zero-shot"].status == "not applicable: needs zero_shot"
    assert rows["own"].status == "complete"
    assert summary(outcomes["Counts", 0], "hr@1").n == 30


def test_limited_runs_are_kept_apart(methods, tmp_path):
    run_all(make_suite(), tmp_path)
    some = run_all(make_suite(), tmp_path, limit_users=7)
    assert some["Counts", 0].job.suite == "small@7users"
    assert summary(some["Counts", 0], "hr@1").n == 7
    assert summary(run_all(make_suite(), tmp_path)["Counts", 0], "hr@1").n == 40


def test_jobs_in_processes_give_the_same_numbers(methods, tmp_path):
    suite = make_suite("Counts", "Noise", seeds=[0, 1])
    one, two = (run_all(suite, tmp_path / str(jobs), jobs=jobs) for jobs in (1, 2))
    assert one.keys() == two.keys()
    for key in one:
        a, b = folder_of(one[key]), folder_of(two[key])
        assert a.path.name == b.path.name
        assert (a.path / "metrics.parquet").read_bytes() == (
            b.path / "metrics.parquet"
        ).read_bytes()
        assert a.predictions().equals(b.predictions())


def test_seeds_are_pooled_over_users(methods, tmp_path):
    outcomes = run_all(make_suite("Noise", seeds=[0, 1, 2]), tmp_path)
    row = collect_results(Store(tmp_path / "runs"), "small").tables[0].rows[0]
    means = [summary(o, "hr@5").mean for o in outcomes.values()]
    assert len(set(means)) > 1
    assert row.cells["hr@5"].mean == pytest.approx(np.mean(means))
    assert row.cells["hr@5"].n == 40
    assert row.seeds == (0, 1, 2)


def test_an_incomplete_row_has_no_figures(methods, tmp_path):
    outcomes = run_all(make_suite("Noise", seeds=[0, 1]), tmp_path)
    manifest = outcomes["Noise", 1].manifest
    folder_of(outcomes["Noise", 1]).write_manifest(
        manifest.model_copy(update={"status": "started"})
    )
    row = collect_results(Store(tmp_path / "runs"), "small").tables[0].rows[0]
    assert row.status == "interrupted (seed 1)"
    assert not row.cells


def test_a_killed_run_is_redone_and_never_counted_half(methods, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    process = start_script(tmp_path, marks)
    wait_until((marks / "began").exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store = Store(tmp_path / "runs")
    row = collect_results(store, "small").tables[0].rows[0]
    assert (row.status, row.cells) == ("interrupted", {})
    (marks / "go").touch()
    second = start_script(tmp_path, marks)
    assert second.communicate(timeout=60)[0].strip() == "[True]"
    assert collect_results(store, "small").tables[0].rows[0].status == "complete"


def test_two_processes_on_one_store_do_the_work_once(methods, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    first = start_script(tmp_path, marks)
    wait_until((marks / "began").exists)
    second = start_script(tmp_path, marks)
    assert collect_results(Store(tmp_path / "runs"), "small").tables[0].rows[0].status == "running"
    time.sleep(1.0)
    (marks / "go").touch()
    computed = [p.communicate(timeout=60)[0].strip() for p in (first, second)]
    assert computed == ["[True]", "[False]"]
    assert (marks / "began").read_text() == "x"


def test_names_are_checked_before_anything_runs(methods, tmp_path):
    with pytest.raises(ConfigError, match="method 'Noise': scael: unknown") as caught:
        run_all(make_suite(methods=[{"method": "recs.py:Noise", "config": {"scael": 1}}]), tmp_path)
    assert "did you mean 'scale'" in str(caught.value)
    with pytest.raises(ConfigError, match="scale"):
        run_all(
            make_suite(methods=[{"method": "recs.py:Noise", "config": {"scale": "big"}}]), tmp_path
        )
    with pytest.raises(ConfigError, match="takes no hyper-parameters, got k"):
        run_all(make_suite(methods=[{"method": "recs.py:Counts", "config": {"k": 1}}]), tmp_path)
    with pytest.raises(ConfigError, match="unknown method 'Count'"):
        run_all(make_suite(), tmp_path, methods=("Count",))
    with pytest.raises(ConfigError, match="unknown dataset"):
        run_all(make_suite(), tmp_path, datasets=("toi",))
    assert not (tmp_path / "runs").exists()


def test_stored_files_that_were_changed_are_noticed(methods, tmp_path):
    from benchkit.data.preparation.cache import clear_dataset_cache, load_dataset
    from benchkit.errors import DataError

    run_all(make_suite(), tmp_path)
    folder = next(path for path in (tmp_path / "data").iterdir() if path.is_dir())
    table = pl.read_parquet(folder / "test.parquet")
    assert "target" not in table.columns
    table.with_columns(stop=table["stop"].reverse()).write_parquet(folder / "test.parquet")
    clear_dataset_cache()
    with pytest.raises(DataError, match="its content is not what was written"):
        load_dataset(folder)


def test_a_task_may_have_metrics_of_its_own(methods, tmp_path):
    suite = make_suite(
        tasks=[{"name": "a", "test": "toy"}, {"name": "b", "test": "toy", "metrics": ["avoidance"]}]
    )
    run_all(suite, tmp_path)
    tables = {t.task: t for t in collect_results(Store(tmp_path / "runs"), "small").tables}
    assert list(tables["b"].chance) == ["avoidance"]
    assert tables["b"].chance["avoidance"] == pytest.approx(0.9)
    assert "avoidance" not in tables["a"].chance


def table_of(tmp_path):
    """Label -> row, of the first table of the small suite."""
    return {
        row.label: row for row in collect_results(Store(tmp_path / "runs"), "small").tables[0].rows
    }


def noise(scale, **changes):
    return make_suite(
        methods=[{"method": "recs.py:Noise", "config": {"scale": scale}}], **changes
    )  # fmt: skip


def test_other_settings_take_the_place_of_a_row_with_more_seeds(methods, tmp_path):
    run_all(noise(1.0, seeds=[0, 1, 2]), tmp_path)
    run_all(noise(2.0, seeds=[0]), tmp_path)
    row = table_of(tmp_path)["Noise"]
    assert row.status == "complete" and row.seeds == (0,)
    run_all(noise(2.0), tmp_path, methods=("Noise",), seeds=(4,))  # seeds add up
    assert table_of(tmp_path)["Noise"].seeds == (0, 4)


def test_a_method_that_left_the_suite_leaves_the_table_and_an_added_one_stays(methods, tmp_path):
    run_all(make_suite("Counts", "Noise"), tmp_path)
    run_all(make_suite("Counts"), tmp_path, methods=("recs.py:Base",))
    assert list(table_of(tmp_path)) == ["Counts", "Base", "Noise"]
    run_all(make_suite("Counts"), tmp_path)
    assert list(table_of(tmp_path)) == ["Counts", "Base"]


def test_seeds_of_different_versions_are_named(methods, tmp_path):
    outcomes = run_all(make_suite("Noise", seeds=[0, 1, 2]), tmp_path)
    for seed in (0, 1):  # as a plan of an earlier benchkit has them
        run = folder_of(outcomes["Noise", seed])
        run.write_manifest(run.manifest().model_copy(update={"row_id": "earlier"}))
    store = Store(tmp_path / "runs")
    rows = [
        row.model_copy(update={"row_id": row.row_id if row.seed == 2 else "earlier"})
        for row in store.plan("small").rows
    ]
    store._write_plan(store.plan("small").model_copy(update={"rows": rows}))
    status = "seeds 0, 1 are of another version than seed 2: run or import the row again"
    assert table_of(tmp_path)["Noise"].status == status
