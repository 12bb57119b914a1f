"""Comparisons from the run store: which tests, over which pairs, and what they refuse."""

import csv
import io
import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from benchkit.errors import ConfigError, DamageError, StoreError
from benchkit.io import write_json
from benchkit.report.comparison import paired_comparison
from benchkit.report.comparison.critical_difference import write_critical_difference
from benchkit.report.comparison.paired_comparison import ComparisonRequest, compare_suite
from benchkit.report.comparison.rendering import (
    comparison_csv,
    comparison_json,
    comparison_markdown,
)
from benchkit.report.core.case_values import CaseValues
from benchkit.runs.store import Store
from benchkit.stats.crossed_effects import fit_crossed_effects
from benchkit.stats.multiple_testing import benjamini_hochberg, holm
from benchkit.stats.paired import compare_paired
from benchkit.stats.power import min_users_for_power, minimum_detectable_effect
from benchkit.stats.proportions.mcnemar import mcnemar
from tests.support.sealing import read_plain, reseal
from tests.support.suites import make_suite, run_all

TOY = {"source": "toy", "options": {"users": 40, "items": 50}, "candidates": {"count": 10}}


def toys(count):
    return [
        {"name": f"toy{i}", **TOY, "options": {"users": 40, "items": 50, "seed": i}}
        for i in range(count)
    ]


@pytest.fixture
def store(methods, tmp_path):
    """Three methods and a failed one on three tasks."""
    suite = make_suite("Counts", "Noise", "Base", "Raises", datasets=toys(3))
    run_all(suite, tmp_path)
    return Store(tmp_path / "runs")


@pytest.fixture
def seeded(methods, tmp_path):
    """Two methods on one task, three seeds."""
    suite = make_suite("Counts", "Noise", seeds=[0, 1, 2], metrics=["ndcg@5", "hr@1"])
    run_all(suite, tmp_path)
    return Store(tmp_path / "runs")


def case_values(store, task, label, metric="ndcg@5"):
    """[seeds, cases] read without the module under test."""
    runs = [run for run in store.runs() if run.path.parts[-3:-1] == (task, label)]
    frames = [
        run.metrics().filter(pl.col("protocol") == "scored", pl.col("metric") == metric)
        for run in sorted(runs, key=lambda run: run.manifest().seed)
    ]
    return np.array([frame.sort("case_id")["value"].to_numpy() for frame in frames])


def test_two_methods_are_compared_on_every_task(store):
    found = compare_suite(store, "small", ComparisonRequest(("Counts", "Noise"), metric="ndcg@5"))
    assert [(line.task, line.a, line.b) for line in found.pairs] == [
        (f"toy{i}", "Counts", "Noise") for i in range(3)
    ]
    for line in found.pairs:
        a, b = (case_values(store, line.task, label)[0] for label in ("Counts", "Noise"))
        own = compare_paired(a, b)
        assert (line.n, line.difference, line.p) == (40, own.difference, own.p)
        assert (line.low, line.high) == (own.low, own.high)
        assert line.sd == pytest.approx(np.std(a - b, ddof=1))
        assert line.mcnemar is None and not line.seeds_matter and line.needed is None
    p = [line.p for line in found.pairs]
    assert [line.p_holm for line in found.pairs] == holm(p).tolist()
    assert [line.p_bh for line in found.pairs] == benjamini_hochberg(p).tolist()
    tally = found.tallies[0]
    assert tally.wins + tally.ties + tally.losses == 3
    assert tally.wins == sum(x.p_holm < 0.05 and x.difference > 0 for x in found.pairs)


def test_without_names_every_method_is_against_the_best(store):
    found = compare_suite(store, "small", ComparisonRequest(metric="ndcg@5"))
    means = {
        label: np.mean([case_values(store, f"toy{i}", label).mean() for i in range(3)])
        for label in ("Counts", "Noise", "Base")
    }
    best = max(means, key=means.get)
    assert {line.a for line in found.pairs} == {best}
    assert len(found.pairs) == 6
    assert any(f"{best} was chosen as the best" in note for note in found.notes)
    assert any("so not compared: Raises" in note for note in found.notes)
    against = compare_suite(store, "small", ComparisonRequest(against="Noise", metric="ndcg@5"))
    assert {line.a for line in against.pairs} == {"Noise"} and len(against.pairs) == 6
    assert not any("chosen as the best" in note for note in against.notes)


def test_three_names_make_three_pairs_or_two_against_one(store):
    names = ("Counts", "Noise", "Base")
    assert len(compare_suite(store, "small", ComparisonRequest(names, tasks=("toy1",))).pairs) == 3
    one = compare_suite(store, "small", ComparisonRequest(names, against="Base", tasks=("toy1",)))
    assert [(line.a, line.b) for line in one.pairs] == [("Base", "Counts"), ("Base", "Noise")]


def test_hits_have_mcnemar_and_power(store):
    found = compare_suite(
        store, "small", ComparisonRequest(("Noise", "Counts"), metric="HR@1", target_difference=0.1)
    )
    tested = [line for line in found.pairs if line.mcnemar]
    assert all(line.p == pytest.approx(line.mcnemar.p) for line in tested)
    # Counts are often equal; expected hits over ties are neither 0 nor 1.
    for line in found.pairs:
        values = [case_values(store, line.task, x, "hr@1") for x in ("Noise", "Counts")]
        assert (line.mcnemar is not None) == bool(np.isin(values, (0, 1)).all())
    assert all(line.needed > 40 and 0 < line.detectable < 1 for line in found.pairs)
    assert "Needed: users that show a difference of 0.1" in comparison_markdown(found)


def test_the_ranking_over_tasks(store, tmp_path):
    found = compare_suite(store, "small", ComparisonRequest(metric="ndcg@5"))
    assert found.ranked_methods == ("Counts", "Noise", "Base")
    means = np.array(
        [[case_values(store, f"toy{i}", x).mean() for i in range(3)] for x in found.ranked_methods]
    )
    assert found.ranking.ranks.tolist() == (3 - means.argsort(0).argsort(0)).mean(1).tolist()
    paths = write_critical_difference(found, tmp_path / "plots")
    assert [path.name for path in paths] == [
        "critical-difference-ndcg@5.svg", "critical-difference-ndcg@5.png",
    ]  # fmt: skip
    first = [path.read_bytes() for path in paths]
    assert first == [
        path.read_bytes() for path in write_critical_difference(found, tmp_path / "plots")
    ]
    two = compare_suite(store, "small", ComparisonRequest(("Counts", "Noise"), metric="ndcg@5"))
    assert two.ranking is None and write_critical_difference(two, tmp_path / "none") == []
    assert any("here 2 on 3" in note for note in two.notes)


def test_three_seeds_are_a_random_effect(seeded):
    found = compare_suite(seeded, "small", ComparisonRequest(("Counts", "Noise"), metric="ndcg@5"))
    line = found.pairs[0]
    a, b = (case_values(seeded, "toy", label) for label in ("Counts", "Noise"))
    own = fit_crossed_effects(a, b)
    assert line.seeds_matter and line.seeds == (3, 3)
    assert (line.p, line.low, line.high) == (own.p, own.low, own.high)
    assert line.p_users == compare_paired(a.mean(0), b.mean(0)).p
    assert "p, users alone" in comparison_markdown(found)


def test_what_it_can_see_is_over_users_and_seeds_too(seeded, monkeypatch):
    """20,000 users leave .002 unseen; three trainings that differ by .02 leave more."""
    rng, n = np.random.default_rng(1), 20_000
    drawn = {}
    for label, seeds in (("Counts", [0.5, 0.52, 0.54]), ("Noise", [0.48, 0.5, 0.52])):
        seeds = np.array(seeds)[:, None]
        drawn[label] = CaseValues(label, ("c",) * n, seeds + rng.normal(0, 0.05, (3, n)))
    monkeypatch.setattr(paired_comparison, "read_case_values", lambda *_: list(drawn.values()))
    found = compare_suite(
        seeded, "small", ComparisonRequest(("Counts", "Noise"), target_difference=0.01)
    )
    (line,) = found.pairs
    over = fit_crossed_effects(*(own.values for own in drawn.values()))
    assert (
        line.detectable
        == minimum_detectable_effect(*over.expected_error(n))
        > (line.high - line.low) / 2
        > 0.04
    )
    assert line.needed is None
    assert "| more seeds |" in comparison_markdown(
        found
    ) and "'more seeds' where" in comparison_markdown(found)
    (line,) = compare_suite(
        seeded, "small", ComparisonRequest(("Counts", "Noise"), target_difference=0.1)
    ).pairs
    assert line.needed == min_users_for_power(over.expected_error, 0.1) < n


def test_mcnemar_is_left_out_where_seeds_are_averaged_and_it_says_why(seeded):
    found = compare_suite(seeded, "small", ComparisonRequest(("Counts", "Noise"), metric="hr@1"))
    noise = case_values(seeded, "toy", "Noise", "hr@1")
    assert np.isin(noise, (0, 1)).all() and not np.isin(noise.mean(0), (0, 1)).all()
    assert found.pairs[0].mcnemar is None
    assert "McNemar" not in comparison_markdown(found)
    line = replace(found.pairs[0], mcnemar=mcnemar([1, 0], [0, 0]))
    text = comparison_markdown(replace(found, pairs=(line, *found.pairs)))
    assert "empty where a user's value is neither 0 nor 1" in text and "seeds by their mean" in text


def test_two_seeds_are_averaged_and_it_says_so(methods, tmp_path):
    run_all(make_suite("Counts", "Noise", seeds=[0, 1]), tmp_path)
    store = Store(tmp_path / "runs")
    found = compare_suite(store, "small", ComparisonRequest())
    a, b = (
        case_values(store, "toy", x, found.metric) for x in (found.pairs[0].a, found.pairs[0].b)
    )
    assert found.pairs[0].p == compare_paired(a.mean(0), b.mean(0)).p
    assert any("fewer than 3 seeds" in note for note in found.notes)


def test_unequal_cases_are_refused(store):
    run = next(run for run in store.runs() if run.path.parts[-3:-1] == ("toy0", "Noise"))
    table = run.metrics()
    table.filter(pl.col("case_id") != table["case_id"][0]).write_parquet(
        run.path / "metrics.parquet"
    )
    request = ComparisonRequest(("Counts", "Noise"))
    with pytest.raises(DamageError, match=r"toy0 / Noise: damaged: .*metrics.parquet is not what"):
        compare_suite(store, "small", request)
    manifest = read_plain(run.path / "manifest.json")
    for line in manifest["summary"]:
        cases = run.metrics().filter(protocol=line["protocol"], metric=line["metric"])
        if len(cases):
            line["mean"] = cases["value"].mean()
    write_json(run.path / "manifest.json", manifest)
    reseal(run.path)
    with pytest.raises(StoreError, match="different cases: 1 and 0 without") as error:
        compare_suite(store, "small", request)
    assert "run both again" in error.value.hint


REFUSED = [
    (ComparisonRequest(("Counts", "Nobody")), ConfigError, "no method 'Nobody'"),
    (ComparisonRequest(("Counts",), against="Counts"), ConfigError, "with itself"),
    (ComparisonRequest(("Counts", "Counts")), ConfigError, "with itself"),
    (ComparisonRequest(("Counts",)), ConfigError, "'Counts' is the only method named"),
    (ComparisonRequest(("Counts", "Raises")), StoreError, "failed: it raised"),
    (ComparisonRequest(tasks=("toy9",)), ConfigError, "no task 'toy9'"),
    (ComparisonRequest(protocol="sampled"), ConfigError, "protocol 'sampled'"),
    (ComparisonRequest(metric="bleu"), ConfigError, "no values of 'bleu'"),
]


def test_refusals_say_what_there_is(store):
    for asked, error, said in REFUSED:
        with pytest.raises(error, match=re.escape(said)) as found:
            compare_suite(store, "small", asked)
        assert found.value.hint


def test_one_name_is_told_of_against(store):
    with pytest.raises(ConfigError) as error:
        compare_suite(store, "small", ComparisonRequest(("Counts",)))
    assert "--against" in error.value.hint


def test_a_task_that_is_named_twice_is_compared_once(store):
    twice = compare_suite(
        store, "small", ComparisonRequest(("Counts", "Noise"), tasks=("toy1", "toy1"))
    )
    once = compare_suite(store, "small", ComparisonRequest(("Counts", "Noise"), tasks=("toy1",)))
    assert comparison_markdown(twice) == comparison_markdown(once) and len(once.pairs) == 1


def test_tables_of_parts_do_not_hide_the_whole_ones(methods, tmp_path):
    cold = {**TOY, "name": "cold", "cold": {"of": "users", "share": 0.5}}
    parts = {"history_buckets": [[1, 9], [10]], "drops": [["warm", "cold"]]}
    datasets = [{"name": "warm", **TOY}, cold]
    run_all(make_suite("Counts", "Noise", datasets=datasets, **parts), tmp_path)
    store = Store(tmp_path / "runs")
    found = compare_suite(store, "small", ComparisonRequest(("Counts", "Noise"), metric="ndcg@5"))
    assert [line.task for line in found.pairs] == ["warm", "cold"]
    for line in found.pairs:
        assert line.mean_a == case_values(store, line.task, "Counts").mean()
    assert found.pairs[0].n == 40


def test_what_a_reader_must_know_of_a_row_is_said(methods, tmp_path):
    methods.write_text(
        methods.read_text()
        + '\n\nclass Told(Counts):\n    caveats = ("trained <b>elsewhere</b>",)\n'
    )
    run_all(make_suite("Told", "Noise", "Base", datasets=toys(2)), tmp_path)
    store = Store(tmp_path / "runs")
    found = compare_suite(store, "small", ComparisonRequest(("Told", "Noise")))
    assert found.notes.count("Told: trained <b>elsewhere</b>.") == 1
    assert r"- Told: trained \<b\>elsewhere\</b\>." in comparison_markdown(found)
    without = compare_suite(store, "small", ComparisonRequest(("Noise", "Base")))
    assert not any("elsewhere" in note for note in without.notes)


def test_formats_hold_the_same_numbers(store):
    found = compare_suite(
        store, "small", ComparisonRequest(metric="ndcg@5", target_difference=0.05)
    )
    text = comparison_markdown(found)
    assert "6 comparisons made" in text and "Tasks won, tied and lost of 3" in text
    assert "Mean ranks over 3 tasks" in text
    bars = {line.count("|") for line in text.split("\n\n")[1].splitlines()}
    assert len(bars) == 1
    rows = list(csv.DictReader(io.StringIO(comparison_csv(found))))
    records = json.loads(comparison_json(found))
    assert len(rows) == len(records["pairs"]) == records["comparisons"] == 6
    for row, record, line in zip(rows, records["pairs"], found.pairs, strict=True):
        assert float(row["p"]) == record["p"] == line.p
        assert float(row["difference"]) == record["difference"] == line.difference
        assert int(row["needed"]) == line.needed
    assert set(records["ranking"]["ranks"]) == {"Counts", "Noise", "Base"}
    again = compare_suite(
        store, "small", ComparisonRequest(metric="ndcg@5", target_difference=0.05)
    )
    assert (comparison_markdown(again), comparison_csv(again), comparison_json(again)) == (
        text,
        comparison_csv(found),
        comparison_json(found),
    )
