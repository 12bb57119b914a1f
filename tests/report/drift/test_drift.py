"""Drift by hand: what moved, what agrees, what is warned of, and what cannot be told."""

import math
import re

import pytest
from rich.console import Console

from benchkit.report.core.terminal_table import print_tables
from benchkit.report.drift.drift_summary import VersionGrades, compare_versions
from benchkit.report.drift.tables import describe_drift, drift_tables
from benchkit.stats.agreement.kappa import quadratic_weighted_kappa

SCALE = {"rating": (0.0, 1.0, 2.0, 3.0)}


def compare(before, after, users=None, **limits):
    """Grades by anchor, None where there is none."""
    keys = [f"a{i}" for i in range(len(before))]
    versions = [
        VersionGrades(name, {k: {"rating": float(g)} for k, g in zip(keys, grades, strict=True)
                             if g is not None})
        for name, grades in (("old", before), ("new", after))
    ]  # fmt: skip
    owners = dict(zip(keys, users or keys, strict=True))
    (drift,) = compare_versions(*versions, owners, SCALE, **limits)
    return drift


def test_a_judge_that_became_milder_by_hand():
    drift = compare([0, 1, 2, 3, 1, 2, 0, 1], [1, 2, 3, 3, 1, 3, 1, 2])
    assert (drift.n, drift.lost) == (8, 0)
    assert (drift.before, drift.after) == (1.25, 2.0)
    assert drift.shift.value == 0.75
    assert drift.shift.p == pytest.approx(2 * 0.5**6)  # six of six rose
    expected = quadratic_weighted_kappa(
        [0, 1, 2, 3, 1, 2, 0, 1], [1, 2, 3, 3, 1, 3, 1, 2], SCALE["rating"]
    )
    assert drift.kappa.value == pytest.approx(expected)
    assert drift.moved == 0.75
    assert drift.warnings[0] == "the mean moved by +0.75"
    (sentence,) = describe_drift([drift])
    assert sentence.startswith("Drift: rating: the mean moved by +0.75; the versions agree by")


def test_thresholds_decide_what_is_a_drift():
    before, after = [1] * 20 + [3] * 20, [1] * 20 + [3] * 14 + [2] * 6
    drift = compare(before, after)
    assert drift.shift.value == pytest.approx(-0.15) and drift.warnings == []
    strict = compare(before, after, max_shift=0.1)
    assert strict.warnings == ["the mean moved by -0.15"]
    picky = compare(before, after, min_kappa=0.99)
    assert re.fullmatch(r"the versions agree by a kappa of 0\.\d\d only", picky.warnings[0])


def test_a_move_that_may_be_chance_says_so():
    drift = compare([0, 1, 2, 3], [3, 1, 2, 3])
    assert drift.warnings[0] == "the mean moved by +0.75, which may be chance"


def test_the_anchors_of_a_user_go_together():
    before, after = [0, 1] * 12, [1, 2] * 4 + [0, 1] * 8
    alone = compare(before, after)
    users = [f"u{i // 8}" for i in range(24)]
    together = compare(before, after, users)
    assert (alone.shift.units, together.shift.units) == (24, 3)
    assert together.shift.p > alone.shift.p


def test_lost_grades_are_a_drift_and_new_ones_are_not():
    drift = compare([1, 2, 3, None], [1, 2, None, 3])
    assert (drift.n, drift.lost) == (2, 1)
    assert drift.warnings == ["1 anchor without a grade that had one"]
    nothing = compare([1, None], [None, 1])
    assert nothing.n == 0 and math.isnan(nothing.shift.value)
    (table,) = drift_tables([nothing])
    assert table.rows == (("rating", *["-"] * 6),)


def test_an_interval_excludes_zero_only_where_p_is_small():
    drift = compare([1] * 12, [2] * 5 + [1] * 7)  # five of five rose: p is 1 / 16
    assert drift.shift.p == pytest.approx(1 / 16) and drift.shift.low == 0
    drift = compare([1] * 12, [2] * 6 + [1] * 6)
    assert drift.shift.p == pytest.approx(1 / 32) and drift.shift.low > 0


def test_few_anchors_have_no_interval_and_titles_and_notes_say_what_must_be_known():
    (table,) = drift_tables([compare([0, 1, 2], [1, 2, 3])], ("a caveat",), is_synthetic=True)
    assert table.title == "SYNTHETIC: new beside old"
    assert table.rows[0][3] == "+1.00 [unknown]" and table.rows[0][-1] == "100 %"
    assert table.notes[0].startswith("3 anchors graded") and "Judge: a caveat." in table.notes
    assert table.notes[1].startswith("[unknown]: with fewer than six users")


def test_no_drift_says_what_would_have_been_seen_and_few_anchors_that_they_are_few(capsys):
    enough, few = compare([0, 1, 2, 3] * 15, [0, 1, 2, 3] * 15), compare([0, 1, 2], [0, 1, 2])
    assert enough.kappa.value == 1.0 and enough.warnings == []
    (sentence,) = describe_drift([enough])
    assert re.fullmatch(r"rating: no drift; a mean that moves by more than 0\.\d\d would have"
                        r" been seen with 80 % power\.", sentence)  # fmt: skip
    (sentence,) = describe_drift([few])
    assert sentence.startswith("rating: too few anchors to tell: nothing would have been seen")
    print_tables(Console(width=80), drift_tables([enough]))
    screen = capsys.readouterr().out
    assert "new beside old" in screen and "no drift" in " ".join(screen.split())
    assert max(len(line) for line in screen.splitlines() if "rating  " in line) <= 80
