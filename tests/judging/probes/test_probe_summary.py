"""The summary by hand, its outcomes, and that its intervals cover."""

import math

import polars as pl
import pytest

from benchkit import seeds
from benchkit.judging.probes.probe_run import PROBE_COLUMNS
from benchkit.judging.probes.probe_summary import (
    AS_EXPECTED,
    BIASED,
    CLEAR,
    NO_FALL,
    NOT_GRADED,
    TOO_FEW,
    decide,
    summarize_probes,
)
from benchkit.stats.bias_test import Effect
from benchkit.stats.multiple_testing import benjamini_hochberg
from benchkit.stats.sign_flip_interval import sign_flip_interval


def make_table(rows, probe="padded", expected="no change", span=3.0):
    """rows: (case, user, before, after)."""
    return pl.DataFrame(
        [
            (case, user, probe, expected, "rating", before, after, 1.0, span)
            for case, user, before, after in rows
        ],
        schema=PROBE_COLUMNS,
        orient="row",
    )


def test_the_summary_by_hand():
    rows = [("a", 1.0, 2.0), ("b", 2.0, 2.0), ("c", 3.0, 1.0), ("d", None, 1.0), ("e", 1.0, 3.0)]
    table = pl.concat(
        [
            make_table([(case, case, before, after) for case, before, after in rows]),
            make_table([("a", "a", None, None)], probe="mine"),
        ]
    )
    padded, mine = summarize_probes(table).to_dicts()
    exact = {k: padded.pop(k) for k in ("p", "p_adjusted", "relevant")}
    assert padded == {
        "probe": "padded", "criterion": "rating", "expected": "no change", "n": 4, "cases": 4,
        "users": 4, "effect": 0.25, "low": None, "high": None, "detectable": None,
        "detectable_alone": None, "outcome": TOO_FEW, "shift": 0.25, "moved": 0.75, "up": 2,
        "down": 1, "unscored": 1,
    }  # fmt: skip
    # |sum| >= 1 of signs of 1, 2 and 2: all eight arrangements but none.
    assert exact == {"p": 1.0, "p_adjusted": 1.0, "relevant": pytest.approx(0.3)}
    assert mine["n"] == 0 and mine["unscored"] == 1 and mine["outcome"] == NOT_GRADED
    assert mine["effect"] is mine["shift"] is mine["low"] is mine["moved"] is mine["p"] is None


def test_all_tests_of_a_report_are_adjusted_together_also_of_several_judges():
    changes = {"padded": 8, "halved": 9, "item first": 4}
    parts = [
        make_table([(f"c{i}", f"c{i}", 1.0, 1.0 + (i < n)) for i in range(20)], probe)
        for probe, n in changes.items()
    ]
    table = pl.concat(parts)
    together = pl.concat(
        table.select(pl.lit(judge).alias("judge"), pl.all()) for judge in ("one", "two")
    )
    summary = summarize_probes(together)
    p_values = [2 * 0.5**n for n in changes.values()] * 2  # n changes, all of one sign
    assert summary["judge"].to_list() == ["one"] * 3 + ["two"] * 3
    assert summary["p"].to_list() == pytest.approx(p_values)
    assert summary["p_adjusted"].to_list() == pytest.approx(benjamini_hochberg(p_values).tolist())
    assert summary["outcome"].to_list() == [BIASED, BIASED, TOO_FEW] * 2
    alone = summarize_probes(table)
    assert (alone["detectable"] < summary["detectable"][:3]).all()
    assert alone["detectable_alone"].equals(summary["detectable_alone"][:3])


def test_a_quiet_judge_is_clear_with_enough_users_and_open_with_few():
    def outcome(n):
        rows = [(f"c{i}", f"c{i}", 1.0, 1.0) for i in range(n)]
        (row,) = summarize_probes(make_table(rows)).to_dicts()
        return row

    few, many = outcome(20), outcome(40)
    assert (few["outcome"], many["outcome"]) == (TOO_FEW, CLEAR)
    assert few["detectable"] > few["relevant"] >= many["detectable"]
    assert few["low"] < 0 < few["high"]


def test_grades_that_change_when_the_judge_is_asked_again():
    def outcome(n, moved):
        rows = [(f"c{i}", f"c{i}", 1.0, 1.0 + (-1) ** i * (i < moved)) for i in range(n)]
        (row,) = summarize_probes(make_table(rows, "asked again", "same grade")).to_dicts()
        return row

    unstable = outcome(60, 12)
    assert unstable["outcome"] == BIASED
    assert unstable["effect"] == unstable["moved"] == 0.2 and unstable["shift"] == 0.0
    assert outcome(60, 3)["outcome"] == CLEAR
    assert outcome(10, 0)["outcome"] == TOO_FEW


@pytest.mark.parametrize(
    ("expected", "value", "p", "detectable", "outcome"),
    [
        ("no change", -0.5, 0.05, 9.0, BIASED),
        ("no change", 0.5, 0.051, 0.3, CLEAR),
        ("no change", 0.5, 0.051, 0.31, TOO_FEW),
        ("no change", 0.0, 1.0, math.nan, TOO_FEW),
        ("no rise", 0.5, 0.01, 0.1, BIASED),
        ("no rise", -0.5, 0.01, 0.1, AS_EXPECTED),
        ("fall", -0.5, 0.01, 0.1, AS_EXPECTED),
        ("fall", 0.5, 0.01, 0.1, BIASED),
        ("fall", -0.1, 0.2, 0.1, NO_FALL),  # where one would have been seen
        ("fall", -0.1, 0.2, 0.9, TOO_FEW),
    ],
)
def test_outcomes(expected, value, p, detectable, outcome):
    effect = Effect(50, 50, value, value - 1, value + 1, p, 0.1)
    assert decide(expected, effect, p, detectable, 0.3) == outcome


def test_answers_to_one_case_are_one_case_of_the_interval():
    rows = [("a", 1.0, 2.0), ("a", 1.0, 1.0), ("b", 2.0, 2.0), ("b", None, 1.0), ("c", 3.0, 1.0)]
    (result,) = summarize_probes(make_table([(c, c, x, y) for c, x, y in rows])).to_dicts()
    assert (result["n"], result["cases"], result["unscored"]) == (4, 3, 1)
    assert result["shift"] == result["effect"] == (0.5 + 0.0 - 2.0) / 3
    assert result["low"] is result["high"] is None  # no test rejects a mean of three users
    more = [*rows, *((c, 1.0, 2.0) for c in "defghi")]
    (result,) = summarize_probes(make_table([(c, c, x, y) for c, x, y in more])).to_dicts()
    limits = sign_flip_interval([0.5, 0.0, -2.0, *[1.0] * 6])
    assert (result["n"], result["cases"]) == (10, 9) and (result["low"], result["high"]) == limits
    assert (result["up"], result["down"]) == (7, 1)


def test_the_cases_of_a_user_go_together():
    rows = [(f"c{case}", f"u{case // 3}", 1.0, 1.0 + case // 3 % 2) for case in range(30)]
    (result,) = summarize_probes(make_table(rows)).to_dicts()
    assert (result["n"], result["cases"], result["users"]) == (30, 30, 10)
    assert (result["low"], result["high"]) == sign_flip_interval([0, 1] * 5) == (0.0, 1.0)


def test_the_interval_covers_the_truth_where_methods_share_cases():
    # Each of 30 cases moves all eight answers to it alike, by nothing on average.
    rng, held = seeds.generator("probe-coverage"), 0
    for number in range(200):
        rows = [
            (f"c{case}", f"c{case}", 2.0, 2.0 + shift)
            for case, shift in enumerate(rng.normal(size=30).tolist())
            for _ in range(8)
        ]
        (result,) = summarize_probes(make_table(rows), seed=number).to_dicts()
        held += result["low"] <= 0 <= result["high"]
    assert held >= 180
