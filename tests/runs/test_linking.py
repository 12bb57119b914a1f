"""Runs that another suite of the store has: they are linked, and never computed again."""

import json
import multiprocessing
import os
import shutil
import threading

import pytest

from benchkit.runs import run_linking
from benchkit.runs.ledger import Ledger
from benchkit.runs.plan import RunOptions, plan_runs
from benchkit.runs.records import PlannedRow, PlanRecord
from benchkit.runs.run_linking import link_runs
from benchkit.runs.store import Store
from benchkit.runs.store_validation import check_store
from tests.support import damages
from tests.support.sealing import age_store, reseal
from tests.support.suites import make_suite, run_all, start_script, wait_until

OTHER = {"name": "other", "title": "Other"}
pytestmark = pytest.mark.usefixtures("methods")


def plan_of(suite, folder, **options):
    return plan_runs(suite, RunOptions(store=folder / "runs", data=folder / "data", **options))


def run_other(folder, *names, **changes):
    """Outcomes of a second suite: (whether it was computed, what it is linked from), by label."""
    outcomes = run_all(make_suite(*names, **{**OTHER, **changes}), folder)
    return {label: (o.computed, o.linked_from) for (label, _), o in outcomes.items()}


def problems(folder):
    return [check for check in check_store(folder / "runs") if not check.ok]


def test_a_second_suite_computes_no_run_again(tmp_path):
    first = run_all(make_suite("Counts", "Noise"), tmp_path)
    assert run_other(tmp_path, "Noise", "Counts", "Refuses") == {
        "Noise": (False, "small"), "Counts": (False, "small"), "Refuses": (True, ""),
    }  # fmt: skip
    store = Store(tmp_path / "runs")
    assert not problems(tmp_path)
    job = next(j for j in plan_of(make_suite("Counts", **OTHER), tmp_path).jobs)
    source, run = first["Counts", 0].job.run, job.run
    manifest = run.manifest()
    assert (manifest.suite, manifest.task, manifest.label) == ("other", "toy", "Counts")
    assert manifest.summary == source.manifest().summary
    assert manifest.files == source.manifest().files
    assert manifest.provenance["linked_from"] == {
        "suite": "small", "task": "toy", "label": "Counts"
    }  # fmt: skip
    assert run.predictions().equals(source.predictions())
    assert (run.path / "metrics.parquet").samefile(source.path / "metrics.parquet")
    assert {row.run_id for row in store.plan("other").rows} >= {manifest.run_id}
    again = run_all(make_suite("Counts", **OTHER), tmp_path)
    assert again["Counts", 0].linked_from == "" and not again["Counts", 0].computed


def test_other_names_of_suite_task_dataset_and_label_are_the_same_job(tmp_path):
    run_all(make_suite("Counts"), tmp_path)
    toy = {"source": "toy", "options": {"users": 40, "items": 50}, "candidates": {"count": 10}}
    linked = run_other(
        tmp_path, datasets=[{"name": "plums", **toy}], tasks=[{"name": "fruit", "test": "plums"}],
        methods=[{"method": "recs.py:Counts", "label": "how often"}],
    )  # fmt: skip
    assert linked == {"how often": (False, "small")}
    assert not problems(tmp_path)


def test_a_row_that_is_renamed_keeps_its_run(tmp_path):
    run_all(make_suite("Counts"), tmp_path)
    renamed = make_suite(methods=[{"method": "recs.py:Counts", "label": "renamed"}])
    assert run_all(renamed, tmp_path)["renamed", 0].linked_from == "small"
    assert not problems(tmp_path)


def test_two_labels_of_one_job_are_computed_once(tmp_path):
    rows = [{"method": "recs.py:Counts", "label": label} for label in "ab"]
    for jobs in (1, 2):
        folder = tmp_path / str(jobs)
        outcomes = run_all(make_suite(methods=rows), folder, jobs=jobs)
        assert sorted(o.computed for o in outcomes.values()) == [False, True]
        assert not problems(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": ["hr@1", "ndcg@5"]},
        {"metrics": ["hr@1", "hr@5", "ndcg@5", "mrr", "hr@3"]},
        {"protocols": ["scored", "full"]},
        {"popular_share": 0.3},
    ],
)
def test_more_or_fewer_measures_are_another_job(tmp_path, changes):
    run_all(make_suite("Counts"), tmp_path)
    assert run_other(tmp_path, "Counts", **changes) == {"Counts": (True, "")}


def test_limited_users_are_linked_to_the_same_limit_alone(tmp_path):
    run_all(make_suite("Counts"), tmp_path)
    other = make_suite("Counts", **OTHER)
    assert run_all(other, tmp_path, limit_users=20)["Counts", 0].computed
    outcome = run_all(make_suite("Counts"), tmp_path, limit_users=20)["Counts", 0]
    assert outcome.linked_from == "other@20users"
    assert outcome.manifest.suite == "small@20users"
    assert run_all(other, tmp_path, limit_users=21)["Counts", 0].computed


@pytest.mark.parametrize("options", [{"threads": 2}, {"seeds": (5,)}, {"overwrite": "always"}])
def test_other_options_are_not_linked(tmp_path, options):
    run_all(make_suite("Counts"), tmp_path)
    outcomes = run_all(make_suite("Counts", **OTHER), tmp_path, **options)
    assert all(outcome.computed for outcome in outcomes.values())


def test_failed_and_interrupted_runs_are_not_linked(tmp_path):
    outcomes = run_all(make_suite("Raises", "Counts"), tmp_path)
    run = outcomes["Counts", 0].job.run
    run.write_manifest(run.manifest().model_copy(update={"status": "started", "files": {}}))
    assert run_other(tmp_path, "Raises", "Counts") == {"Raises": (True, ""), "Counts": (True, "")}


DAMAGES = {
    "cut table": lambda run: damages.cut(run.path / "metrics.parquet"),
    "edited manifest": lambda run: damages.edit_json(
        run.path / "manifest.json", lambda values: values.update(seed=3)
    ),
    "lost table": lambda run: (run.path / "predictions.parquet").unlink(),
    "added file": lambda run: _write(run.artifacts / "more.txt"),
    "lost ledger": lambda run: (run.path.parents[2] / "ledger.jsonl").unlink(),
    "former schema": lambda run: age_store(run.path.parents[3], version=4),
}


def _write(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text("more")


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_runs_are_not_linked(tmp_path, name):
    run = run_all(make_suite("Counts"), tmp_path)["Counts", 0].job.run
    DAMAGES[name](run)
    assert run_other(tmp_path, "Counts") == {"Counts": (True, "")}


def test_a_damaged_run_is_repaired_from_a_linked_one(tmp_path):
    run = run_all(make_suite("Counts"), tmp_path)["Counts", 0].job.run
    run_other(tmp_path, "Counts")
    (run.path / "manifest.json").write_text("{")
    again = run_all(make_suite("Counts"), tmp_path)["Counts", 0]
    assert again.linked_from == "other" and not problems(tmp_path)


def test_imported_runs_are_not_linked(tmp_path):
    run = run_all(make_suite("Counts"), tmp_path)["Counts", 0].job.run
    manifest = run.manifest()
    identity = {**manifest.identity, "external": "table"}
    run.write_manifest(manifest.model_copy(update={"identity": identity}))
    assert run_other(tmp_path, "Counts") == {"Counts": (True, "")}


def test_each_suite_is_whole_without_the_other(tmp_path):
    run_all(make_suite("Counts", "Noise"), tmp_path)
    run_other(tmp_path, "Counts", "Noise")
    shutil.rmtree(tmp_path / "runs" / "small")
    assert not problems(tmp_path)
    assert not any(computed for computed, _ in run_other(tmp_path, "Counts", "Noise").values())
    back = run_all(make_suite("Counts"), tmp_path)["Counts", 0]
    assert back.linked_from == "other"
    assert back.manifest.provenance["linked_from"]["suite"] == "small"


def test_doing_one_again_leaves_the_other(tmp_path):
    source = run_all(make_suite("Counts"), tmp_path)["Counts", 0].job.run
    run_other(tmp_path, "Counts")
    before = (source.path / "predictions.parquet").read_bytes()
    run_all(make_suite("Counts", **OTHER), tmp_path, overwrite="always")
    with (next(Store(tmp_path / "runs").run_at(p).log for p in _places(tmp_path, "other"))).open(
        "a"
    ) as log:
        log.write("more\n")
    assert (source.path / "predictions.parquet").read_bytes() == before
    assert not problems(tmp_path)


def _places(folder, suite):
    return sorted((folder / "runs" / suite).glob("*/*/*"))


def test_the_log_grows_on_its_own(tmp_path):
    source = run_all(make_suite("Counts"), tmp_path)["Counts", 0].job.run
    with source.log.open("a") as log:  # what a judge of the first suite wrote
        log.write("judged\n")
    run_other(tmp_path, "Counts")
    (place,) = _places(tmp_path, "other")
    assert "judged" not in (place / "log.jsonl").read_text()
    with (place / "log.jsonl").open("a") as log:
        log.write("other\n")
    assert "other" not in source.log.read_text() and not problems(tmp_path)


def test_files_are_copied_where_there_are_no_links(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(18, "Invalid cross-device link")

    source = run_all(make_suite("Counts"), tmp_path)["Counts", 0].job.run
    monkeypatch.setattr(run_linking.os, "link", refuse)
    assert run_other(tmp_path, "Counts") == {"Counts": (False, "small")}
    (place,) = _places(tmp_path, "other")
    assert not (place / "metrics.parquet").samefile(source.path / "metrics.parquet")
    assert not problems(tmp_path)


def test_artifacts_and_checkpoints(tmp_path):
    """Variation: the target was interrupted while it trained, and has checkpoints and artifacts."""
    source = run_all(make_suite("Counts"), tmp_path)["Counts", 0].job.run
    (source.artifacts / "deep").mkdir(parents=True)
    (source.artifacts / "deep" / "steps.jsonl").write_text("one\n")
    reseal(source.path)
    (job,) = plan_of(make_suite("Counts", **OTHER), tmp_path).jobs
    job.run.write_manifest(source.manifest().model_copy(
        update={"status": "started", "suite": "other", "files": {}}
    ))  # fmt: skip
    for folder in (job.run.scratch, job.run.artifacts):
        folder.mkdir()
        (folder / "left.txt").write_text("left")
    assert run_other(tmp_path, "Counts") == {"Counts": (False, "small")}
    assert not job.run.scratch.exists()
    names = [p.name for p in job.run.artifacts.rglob("*") if p.is_file()]
    assert names == ["steps.jsonl"] and not problems(tmp_path)


@pytest.mark.parametrize("point", ["link", "record_all", "_write_unflushed"])
def test_a_link_that_is_interrupted_leaves_no_damage(tmp_path, monkeypatch, point):
    run_all(make_suite("Counts", "Noise"), tmp_path)

    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        owners = {"link": run_linking.os, "_write_unflushed": run_linking, "record_all": Ledger}
        patch.setattr(owners[point], point, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_other(tmp_path, "Counts", "Noise")
    details = {check.detail for check in problems(tmp_path)}
    assert details <= {
        "interrupted: run the suite again",
        "plan.json is missing: run the suite again",
    }
    assert run_other(tmp_path, "Counts", "Noise") == dict.fromkeys(
        ("Counts", "Noise"), (False, "small")
    )
    assert not problems(tmp_path)


def test_whoever_waits_for_another_process_links_its_run(tmp_path, monkeypatch):
    marks = tmp_path / "marks"
    marks.mkdir()
    monkeypatch.setenv("SLOW_MARKS", str(marks))
    process = start_script(tmp_path, marks)
    wait_until((marks / "began").exists)
    outcomes = {}
    waiting = threading.Thread(
        target=lambda: outcomes.update(run_other(tmp_path, "Slow")), daemon=True
    )
    waiting.start()
    (marks / "go").touch()
    assert process.communicate(timeout=60)[0].strip() == "[True]"
    waiting.join(60)
    assert outcomes == {"Slow": (False, "small")}
    assert (marks / "began").read_text() == "x" and not problems(tmp_path)


def _run_suite(folder, name, queue):
    os.chdir(folder)
    outcomes = run_all(make_suite("Counts", "Noise", "Refuses", name=name, title=name), folder)
    queue.put((name, sum(outcome.computed for outcome in outcomes.values())))


def test_processes_that_link_at_once(tmp_path):
    """Variation: four suites that share all rows begin at the same time on one finished one."""
    run_all(make_suite("Counts", "Noise", "Refuses"), tmp_path)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=_run_suite, args=(tmp_path, name, queue))
        for name in ("b", "b", "c", "d")
    ]
    for process in processes:
        process.start()
    results = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    assert sorted(results) == [("b", 0), ("b", 0), ("c", 0), ("d", 0)]
    assert not problems(tmp_path)


def test_many_runs_enter_the_ledger_a_few_times(tmp_path, monkeypatch):
    """Variation: the cost of a link must not grow with their number; counted, not timed."""
    run_all(make_suite("Counts"), tmp_path)
    rows = [{"method": "recs.py:Counts", "label": f"row {number}"} for number in range(130)]
    plan = plan_of(make_suite(methods=rows, **OTHER), tmp_path)
    writes = []
    write = Ledger._write
    monkeypatch.setattr(Ledger, "_write", lambda self, e: writes.append(len(e)) or write(self, e))
    assert len(list(link_runs(plan.jobs))) == 130
    assert len(writes) <= 5
    paths = _places(tmp_path, "other")
    assert len(paths) == 130
    assert len({json.loads((p / "manifest.json").read_text())["label"] for p in paths}) == 130
    store = Store(tmp_path / "runs")
    assert all(store.run_at(path).manifest().status == "complete" for path in paths[::37])
    assert isinstance(plan.to_record(), PlanRecord)
    assert isinstance(plan.to_record().rows[0], PlannedRow)
