"""The sampled protocol end to end: asking, judging, recording, tables, and the check of a store."""

import csv
import io
import json

import numpy as np
import polars as pl
import pytest

from benchkit.errors import ConfigError, StoreError
from benchkit.evaluation.ranks import rank_by_frequency
from benchkit.report.core import labels
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard import tables
from benchkit.runs import plan, validation
from benchkit.runs.options import RunOptions
from benchkit.runs.records import METRICS_SCHEMA, PREDICTIONS_SCHEMA
from benchkit.runs.store import Store
from tests.support.samplers import SAMPLERS
from tests.support.sealing import age_store, reseal
from tests.support.suites import make_suite, run_all

ALL = ["scored", "full", "sampled"]


@pytest.fixture
def samplers(methods):
    methods.write_text(methods.read_text() + SAMPLERS)
    return methods


def folder_of(outcome):
    job = outcome.job
    return Store(job.store).run(job.suite, job.task, job.method.name, job.run_id)


def summaries(outcome):
    return {s.metric: s for s in outcome.manifest.summary if s.protocol == "sampled"}


def table_of(tmp_path, protocol="sampled"):
    results = collect_results(Store(tmp_path / "runs"), "small")
    return results, next(t for t in results.tables if t.protocol == protocol)


def big(*names, users=1500, **changes):
    toy = {"source": "toy", "options": {"users": users, "items": 50}, "candidates": {"count": 10}}
    return make_suite(*names, datasets=[{"name": "toy", **toy}], **changes)


def test_all_protocols_are_recorded_in_one_row_a_case(samplers, tmp_path):
    outcome = run_all(make_suite("Samples", protocols=ALL), tmp_path)["Samples", 0]
    assert outcome.manifest.status == "complete", outcome.manifest.error
    run = folder_of(outcome)
    cases = run.predictions()
    assert cases.schema == PREDICTIONS_SCHEMA
    assert run.metrics().schema == METRICS_SCHEMA
    assert len(cases) == cases["case_id"].n_unique() == 40
    assert set(cases["status"]) == set(cases["sampled_status"]) == {"ok"}
    assert set(cases["rationale"]) == {"short"}
    assert json.loads(cases["usage"][0]) == {
        "scored": {"seconds": 0.5}, "sampled": {"completion_tokens": 35},
    }  # fmt: skip
    assert cases["samples"].list.len().to_list() == [5] * 40
    assert cases["scores"].list.len().to_list() == [10] * 40
    values = run.metrics().filter(protocol="sampled")
    assert {"hr@1", "valid", "unique", "truncated", "refused"} <= set(values["metric"])
    by_name = {name: part["value"].to_list() for (name,), part in values.group_by("metric")}
    for row, samples in enumerate(cases["samples"]):
        drawn = [s["item"] if s["status"] == "ok" else None for s in samples]
        items, target = rank_by_frequency(drawn), cases["target"][row]
        assert by_name["hr@1"][row] == (drawn[0] == target)
        assert by_name["hr@5"][row] == (target in items)
        place = items.index(target) + 1 if target in items else np.inf
        assert by_name["mrr"][row] == pytest.approx(1 / place)
        assert by_name["unique"][row] == len(items)
        assert by_name["valid"][row] == 0.8
        assert by_name["truncated"][row] == 0.2
    lines = summaries(outcome)
    assert lines["hr@1"].chance == pytest.approx(0.1)
    assert lines["hr@5"].chance == pytest.approx(1 - 0.9**5)
    assert lines["valid"].chance is None
    assert outcome.manifest.cost["sampled_seconds"] >= 0


def test_a_method_that_only_samples(samplers, tmp_path):
    suite = make_suite("OnlySamples", "Counts", protocols=ALL)
    outcomes = run_all(suite, tmp_path)
    outcome = outcomes["OnlySamples", 0]
    assert outcome.manifest.identity["protocols"] == ["sampled"]
    cases = folder_of(outcome).predictions()
    assert cases["scores"].null_count() == cases["status"].null_count() == 40
    counts = folder_of(outcomes["Counts", 0]).predictions()
    assert counts["samples"].null_count() == counts["sampled_status"].null_count() == 40
    results, table = table_of(tmp_path)
    assert [row.label for row in table.rows] == ["OnlySamples"]
    assert "Do not sample: Counts." in table.notes
    _, scored = table_of(tmp_path, "scored")
    assert [row.label for row in scored.rows] == ["Counts"]
    assert "Give no scores: OnlySamples." in scored.notes
    assert "sampled: 5 answers at temperature 0.7, 40 users" in tables.leaderboard_markdown(results)
    assert not [f for f in validation.validate_path(tmp_path / "runs") if not f.ok]


def test_a_method_that_can_do_nothing_here_has_its_reason_in_the_first_table(samplers, tmp_path):
    assert run_all(make_suite("OnlySamples", "Counts"), tmp_path).keys() == {("Counts", 0)}
    _, table = table_of(tmp_path, "scored")
    assert table.rows[0].status == "not applicable: needs scores"
    suite = make_suite("Mute", protocols=ALL)
    assert not run_all(suite, tmp_path)
    results = collect_results(Store(tmp_path / "runs"), "small")
    muted = {(t.protocol, r.label): r.status for t in results.tables for r in t.rows}
    assert muted["scored", "Mute"] == "not applicable: needs scores or samples"
    assert ("sampled", "Mute") not in muted


def test_a_ranker_of_short_lists_is_left_out_of_full(samplers, tmp_path):
    outcome = run_all(make_suite("Short", "Counts", protocols=ALL), tmp_path)["Short", 0]
    assert outcome.manifest.identity["protocols"] == ["scored"]
    _, table = table_of(tmp_path, "full")
    assert [row.label for row in table.rows] == ["Counts"]
    assert "Do not rank the whole catalogue: Short." in table.notes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("TooFewSamples", "4 samples instead of 5"),
        ("Outsider", 'sample 1 names item "nobody\'s", which is no candidate'),
        ("NoText", "sample 1 has a NoneType as its text"),
        ("NoItem", "sample 1 has the status 'ok' without an item"),
        ("OddStatus", "sample 1 has the status 'odd'"),
        ("NoSample", "sample 1 is a str"),
        ("Unwritten", "has no method sample"),
    ],
)
def test_a_bad_sampler_fails_and_says_why(samplers, tmp_path, name, message):
    failed = run_all(make_suite(name, protocols=["scored", "sampled"]), tmp_path)[name, 0]
    assert failed.manifest.status == "failed"
    assert message in failed.manifest.error
    assert "hint:" in failed.manifest.error


def test_cases_that_could_not_be_asked_are_misses_and_shown(samplers, tmp_path):
    suite = make_suite("Unasked", "Samples", protocols=["scored", "sampled"])
    outcome = run_all(suite, tmp_path)["Unasked", 0]
    lines = summaries(outcome)
    assert lines["refused"].mean == 0.5
    assert lines["truncated"].mean == pytest.approx(0.1)
    assert lines["valid"].mean == pytest.approx(0.4)
    odd = folder_of(outcome).predictions().filter(sampled_status="refused")
    assert odd["samples"].list.len().sum() == 0
    values = folder_of(outcome).metrics().filter(protocol="sampled", metric="hr@5")
    assert values.filter(pl.col("case_id").is_in(odd["case_id"].implode()))["value"].sum() == 0
    results, _ = table_of(tmp_path)
    assert "TRUNCATED | REFUSED" in tables.leaderboard_markdown(results)
    assert not [f for f in validation.validate_path(tmp_path / "runs") if not f.ok]


def test_shares_that_are_all_zero_have_no_column(samplers, tmp_path):
    suite = make_suite(
        protocols=["scored", "sampled"],
        methods=[{"method": "random"}, {"method": "recs.py:Counts"}],
    )
    run_all(suite, tmp_path)
    results, table = table_of(tmp_path)
    text = tables.leaderboard_markdown(results)
    assert "VALID | UNIQUE | Fit" in text
    assert "TRUNCATED" not in text
    assert table.rows[0].cells["valid"].mean == 1.0


def test_random_answers_are_chance_and_marked(samplers, tmp_path):
    suite = big(
        protocols=["scored", "sampled"], metrics=["hr@1", "hr@5", "ndcg@5", "avoidance"],
        methods=[{"method": "random"}], seeds=[1],
    )  # fmt: skip
    outcome = run_all(suite, tmp_path)["random", 1]
    for name, line in summaries(outcome).items():
        if line.chance is not None:
            assert line.mean == pytest.approx(line.chance, abs=4 * np.sqrt(0.25 / 1500)), name
            assert line.p_chance > 0.001
    assert summaries(outcome)["unique"].mean == pytest.approx(10 * (1 - 0.9**5), abs=0.1)
    texts = folder_of(outcome).predictions()["samples"][0]
    assert all(sample["text"] and sample["text"] != sample["item"] for sample in texts)
    results, table = table_of(tmp_path)
    assert labels.is_at_chance(table.rows[0], results.plan)


def test_a_sampler_that_never_repeats_itself_is_not_above_chance_for_that(samplers, tmp_path):
    suite = big("Distinct", protocols=["scored", "sampled"])
    line = summaries(run_all(suite, tmp_path)["Distinct", 0])["hr@5"]
    assert line.mean > line.chance + 0.05  # 5 of 10, where uniform draws give .41
    assert line.p_chance > 0.05


def test_decoding_belongs_to_the_identity_of_what_samples(samplers, tmp_path):
    def jobs(**changes):
        suite = make_suite("Samples", "Decoded", protocols=["scored", "sampled"], **changes)
        options = RunOptions(store=tmp_path / "r", data=tmp_path / "d")
        return {job.method.name: job for job in plan.plan_runs(suite, options).jobs}

    default, explicit = jobs(), jobs(decoding={"n": 5, "temperature": 0.7})
    cold = jobs(decoding={"temperature": 0.1, "max_tokens": 9})
    assert default["Samples"].run_id == explicit["Samples"].run_id
    assert default["Samples"].run_id != cold["Samples"].run_id
    assert default["Decoded"].run_id == cold["Decoded"].run_id
    assert "decoding" not in cold["Decoded"].identity
    assert cold["Samples"].effective_decoding["max_tokens"] == 9
    assert cold["Decoded"].effective_decoding == default["Decoded"].effective_decoding
    assert default["Decoded"].run_id == jobs(title="x")["Decoded"].run_id


def test_rows_that_were_sampled_differently_cannot_share_a_table(samplers, tmp_path):
    suite = make_suite("Samples", "Unasked", protocols=["scored", "sampled"])
    run_all(suite, tmp_path)
    other = make_suite("Samples", "Unasked", protocols=["scored", "sampled"], decoding={"n": 2})
    run_all(other, tmp_path, methods=("Samples",))
    with pytest.raises(StoreError, match="rows were sampled differently"):
        collect_results(Store(tmp_path / "runs"), "small")


def test_a_protocol_that_was_added_later_is_not_run_for_older_rows(samplers, tmp_path):
    run_all(make_suite("Samples", "Unasked"), tmp_path)
    later = make_suite("Samples", "Unasked", protocols=["scored", "sampled"])
    run_all(later, tmp_path, methods=("Samples",))
    _, table = table_of(tmp_path)
    assert {r.label: r.status for r in table.rows} == {
        "Samples": "complete", "Unasked": "not run under this protocol",
    }  # fmt: skip


def test_what_the_configuration_decides(samplers, tmp_path):
    suite = make_suite(
        protocols=ALL,
        methods=[
            {"method": "recs.py:Sees"},
            {"method": "recs.py:Sees", "label": "local", "config": {"engine": "local"}},
        ],
    )
    jobs = plan.plan_runs(suite, RunOptions(store=tmp_path / "r", data=tmp_path / "d")).jobs
    assert [job.protocols for job in jobs] == [("sampled",), ("scored", "full")]
    assert jobs[1].caveats[0] == "backbone local: tiny_1"


def test_caveats_are_footnotes(samplers, tmp_path):
    suite = make_suite("Remarked", "Samples", "Sees", protocols=["scored", "sampled"])
    outcomes = run_all(suite, tmp_path)
    assert outcomes["Sees", 0].manifest.caveats == ("backbone server: tiny_1", "5% | shared")
    results, _ = table_of(tmp_path)
    plan_rows = {row.label: row for row in results.plan.rows}
    assert plan_rows["Sees"].caveats == ("backbone server: tiny_1", "5% | shared")
    text = tables.leaderboard_markdown(results).split("(sampled: ")[1]
    marks = {line.split("|")[1].strip().replace("°", "") for line in text.splitlines()
             if line.startswith("| ")}  # fmt: skip
    assert {"Remarked¹", "Samples", "Sees²,¹"} <= marks
    assert "¹ 5% \\| shared  \n² backbone server: tiny\\_1\n" in text
    latex = tables.leaderboard_latex(results)
    assert r"$^{1}$ 5\% \textbar{} shared. $^{2}$ backbone server: tiny\_1." in latex
    assert "2,1}$" in latex
    rows = list(csv.DictReader(io.StringIO(tables.leaderboard_csv(results))))
    assert {r["remarks"] for r in rows if r["method"] == "Sees"} == {
        "backbone server: tiny_1 | 5% | shared"
    }
    assert {r["remarks"] for r in rows if r["method"] == "Samples"} == {""}


def test_the_terminal_shows_marks_and_caveats(samplers, tmp_path, capsys):
    from rich.console import Console

    from benchkit.report.leaderboard.tables import print_results

    run_all(make_suite("Remarked", "Raises", protocols=["scored", "sampled"]), tmp_path)
    print_results(Console(width=140), collect_results(Store(tmp_path / "runs"), "small"))
    said = capsys.readouterr().out
    assert "Remarked¹" in said or "Remarked°¹" in said
    assert said.count("¹ 5% | shared") == 2
    assert "UNIQUE" in said and "Do not sample: Raises." in said


def test_captions_say_how_answers_were_drawn(samplers, tmp_path):
    decoding = {"n": 1, "temperature": 1.5, "top_p": 0.9, "constrained": True}
    suite = make_suite("Samples", protocols=["scored", "sampled"], decoding=decoding)
    run_all(suite, tmp_path)
    results, _ = table_of(tmp_path)
    wanted = (
        "sampled: 1 answer at temperature 1.5, top-p 0.9, constrained to the candidates, 40 users"
    )
    assert wanted in tables.leaderboard_latex(results)


def test_several_seeds_and_processes(samplers, tmp_path):
    suite = make_suite("Samples", protocols=["scored", "sampled"], seeds=[0, 1])
    outcomes = run_all(suite, tmp_path, jobs=2)
    _, table = table_of(tmp_path)
    means = [summaries(outcome)["hr@5"].mean for outcome in outcomes.values()]
    assert table.rows[0].cells["hr@5"].mean == pytest.approx(np.mean(means))
    assert table.rows[0].seeds == (0, 1)


def test_the_cache_is_shared_and_no_part_of_the_suites(samplers, tmp_path):
    run_all(make_suite("Sees", protocols=["scored", "sampled"]), tmp_path)
    store = Store(tmp_path / "runs")
    assert (store.cache / "plan.json").exists()
    assert store.suites() == ["small"]
    assert len(list(store.runs())) == 1
    assert not [f for f in validation.validate_path(tmp_path / "runs") if not f.ok]
    with pytest.raises(ConfigError, match="begins with a dot"):
        make_suite(name=".cache")


def test_validate_follows_the_samples(samplers, tmp_path):
    outcome = run_all(make_suite("Samples", protocols=["scored", "sampled"]), tmp_path)[
        "Samples", 0
    ]
    path = folder_of(outcome).path / "predictions.parquet"
    cases = pl.read_parquet(path)
    rows = cases["samples"].to_list()
    rows[3][0] = {"text": "cut", "item": None, "rationale": None, "status": "truncated"}
    changed = pl.Series("samples", rows, dtype=PREDICTIONS_SCHEMA["samples"])
    cases.with_columns(changed).write_parquet(path)
    reseal(path.parent)
    (finding,) = [f for f in validation.validate_path(tmp_path / "runs") if not f.ok]
    assert "sampled valid does not follow from the samples" in finding.detail
    assert "sampled truncated does not follow" in finding.detail


def test_runs_of_the_first_schema_are_still_read(samplers, tmp_path):
    outcome = run_all(make_suite("Counts"), tmp_path)["Counts", 0]
    run = folder_of(outcome)
    old = json.loads((run.path / "manifest.json").read_text())
    del old["caveats"]
    (run.path / "manifest.json").write_text(json.dumps({**old, "schema_version": 1}))
    run.predictions().drop("user", "target", "sampled_status", "lengths").write_parquet(
        run.path / "predictions.parquet"
    )
    age_store(tmp_path / "runs", version=1)
    assert not [f for f in validation.validate_path(tmp_path / "runs") if not f.ok]


def test_a_method_that_cannot_be_constructed_stops_planning(samplers, tmp_path):
    with pytest.raises(ConfigError, match="'Breaks' cannot be constructed: ZeroDivisionError: no"):
        run_all(make_suite("Breaks"), tmp_path)
    assert not (tmp_path / "runs").exists()
