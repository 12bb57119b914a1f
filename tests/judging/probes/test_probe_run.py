"""A judge is asked as it is, and as each probe changes inputs or judge."""

import math
from dataclasses import replace

import polars as pl
import pytest

from benchkit.errors import MethodError
from benchkit.judging.probes.judge_probes import sort_probes
from benchkit.judging.probes.probe import PROBES, Probe
from benchkit.judging.probes.probe_run import (
    PROBE_COLUMNS,
    describe_scales,
    estimate_probes,
    judge_by_key,
    run_probes,
    tabulate_grades,
)
from benchkit.judging.probes.probe_summary import SUMMARY_COLUMNS, summarize_probes
from benchkit.judging.rubric import load_rubric
from benchkit.judging.verdicts import JudgeInput, Verdict
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.judges import toy_judge_inputs
from benchkit.types import Catalog, Event, Request
from judges.heuristic import HeuristicConfig, HeuristicJudge
from tests.support.planted_judge import CATALOG as PLANTED_CATALOG
from tests.support.planted_judge import SIGNS, make_planted_inputs

CATALOG = Catalog(("tea", "ale", "gin"), {"title": ["Green  Tea", None, "Gin"]})


def make_input(rationale, key="c0"):
    history = (Event("gin", 4.0), Event("ale", 2.0))
    return JudgeInput(key, Request(key, f"u{key}", history, ("tea", "ale")), "tea", rationale)


class Wordy:
    """Half a point a word to 3; it does not grade what has an "x". A question is two tokens."""

    rubric = load_rubric("rationale-0-3")
    caveats = models = ()

    def judge(self, inputs, run):
        for one in inputs:
            if "x" in one.rationale.split():
                yield Verdict(one.key, {}, "unscored", "an x")
            else:
                yield Verdict(one.key, {"rating": min(3.0, len(one.rationale.split()) / 2)})

    def estimate(self, inputs, run):
        return CostEstimate(len(inputs), 2 * len(inputs), 0, None, 0)


class Reworded(Wordy):
    """Reads its rubric: a point more where it speaks of shoppers; another one when asked again."""

    more = 0.0

    def judge(self, inputs, run):
        more = self.more + ("shopper" in self.rubric.user)
        for verdict in super().judge(inputs, run):
            yield replace(verdict, grades={k: v + more for k, v in verdict.grades.items()})

    def with_rubric(self, rubric):
        judge = Reworded()
        judge.rubric = rubric
        return judge

    def repeat(self, number):
        judge = Reworded()
        judge.more = 0.5 * number
        return judge


def test_an_estimate_is_of_what_is_changed_too():
    inputs = [make_input("a b c d", "c0"), make_input("a", "c1")]
    result = estimate_probes(Wordy(), inputs, run_context(CATALOG))
    # Both as they are, padded, wordy, reversed, with the title, with an order, exchanged and asked
    # again; one alone can be halved.
    assert (result.calls, result.prompt_tokens) == (8 * 2 + 1, 2 * (8 * 2 + 1))
    more = estimate_probes(Reworded(), inputs, run_context(CATALOG))
    assert more.calls == 8 * 2 + 1 + 2 * 2  # by other words, and with the parts reversed


def test_a_judge_that_likes_length_is_seen():
    inputs = [make_input("a b c d", "c0"), make_input("a b. c", "c1"), make_input("x y", "c2")]
    table = run_probes(Wordy(), inputs, run_context(CATALOG))
    assert table.schema == pl.Schema(PROBE_COLUMNS)
    rows = {(row["case"], row["probe"]): (row["before"], row["after"]) for row in table.to_dicts()}
    assert rows["c0", "padded"] == (2.0, 3.0)
    assert rows["c0", "wordy"] == (2.0, 3.0)
    assert rows["c1", "halved"] == (1.5, 0.5)
    assert rows["c2", "padded"] == (None, None)
    assert rows["c0", "history reversed"] == rows["c0", "asked again"] == (2.0, 2.0)
    assert ("c0", "first sentence") not in rows  # there is one only
    assert ("c0", "rubric reworded") not in rows  # it is not asked in words
    assert rows["c2", "another's rationale"][1] is not None
    assert set(table["step"]) == {1.0} and set(table["span"]) == {3.0}
    result = {row["probe"]: row for row in summarize_probes(table).to_dicts()}
    assert result["padded"]["n"] == 2 and result["padded"]["unscored"] == 1
    assert result["padded"]["shift"] == result["padded"]["effect"] == 1.25
    assert (result["padded"]["up"], result["padded"]["down"]) == (2, 0)
    assert result["halved"]["shift"] == -1.0 and result["halved"]["down"] == 2
    assert result["history reversed"]["moved"] == 0


def test_a_judge_that_reads_its_rubric_is_asked_in_other_words_and_again():
    table = run_probes(Reworded(), [make_input("a b", "c0")], run_context(CATALOG))
    rows = {row["probe"]: (row["before"], row["after"]) for row in table.to_dicts()}
    assert rows["rubric reworded"] == (1.0, 2.0)
    assert rows["parts reversed"] == (1.0, 1.0)
    assert rows["asked again"] == (1.0, 1.5)


def test_verdicts_that_are_there_are_not_asked_for_again():
    inputs, run = [make_input("a b", "c0")], run_context(CATALOG)
    before = {"c0": Verdict("c0", {"rating": 0.0})}
    table = run_probes(Wordy(), inputs, run, before=before)
    assert set(table["before"]) == {0.0}
    grades = tabulate_grades(Wordy(), inputs, judge_by_key(Wordy(), inputs, run))
    assert grades.rows() == [("c0", "uc0", "rating", 1.0, 1.0, 3.0)]


def test_half_grades_have_half_the_step():
    rubric = load_rubric("rationale-quality")
    assert describe_scales(rubric)["grounding"] == (1.0, 4.0)
    halves = rubric.model_copy(update={"half_grades": True})
    assert describe_scales(halves)["grounding"] == (0.5, 4.0)


def test_probes_are_in_their_own_order_also_where_the_first_run_lacks_one():
    names = ["wordy", "asked again", "padded", "wordy", "self-preference", "halved"]
    rows = [(f"c{i}", "u", name, *[None] * 6) for i, name in enumerate(names)]
    table = sort_probes(pl.DataFrame(rows, schema=PROBE_COLUMNS, orient="row"))
    expected = ["padded", "wordy", "wordy", "halved", "asked again", "self-preference"]
    assert table["probe"].to_list() == expected
    assert table["case"].to_list()[1:3] == ["c0", "c3"]


@pytest.mark.parametrize("grade", [math.nan, 99.0, -1.0])
def test_a_grade_that_the_rubric_does_not_have_is_refused(grade):
    class Wrong(Wordy):
        def judge(self, inputs, run):
            yield from (Verdict(one.key, {"rating": grade}) for one in inputs)

    with pytest.raises(MethodError, match=r"case 'c0': rating \S+ is outside 0..3"):
        run_probes(Wrong(), [make_input("a b", "c0")], run_context(CATALOG))


def test_nothing_to_probe():
    table = run_probes(Wordy(), [], run_context(CATALOG))
    assert len(table) == 0
    assert summarize_probes(table).schema == pl.Schema(SUMMARY_COLUMNS)


def test_a_probe_of_ones_own():
    shout = Probe("shout", "no change", lambda es, _, seed: [replace(e, rationale="a") for e in es])
    table = run_probes(Wordy(), [make_input("a b")], run_context(CATALOG), [shout])
    assert table.rows() == [("c0", "uc0", "shout", "no change", "rating", 1.0, 0.5, 1.0, 3.0)]


@pytest.mark.parametrize("probe", [p for p in PROBES if p.name in SIGNS], ids=lambda p: p.name)
def test_each_change_has_the_sign_by_which_the_planted_judge_knows_it(probe):
    inputs = make_planted_inputs(6)
    changed = probe.change(inputs, PLANTED_CATALOG, 0)
    assert all(changed)
    for before, after in zip(inputs, changed, strict=True):
        assert [name for name, sign in SIGNS.items() if sign(before)] == []
        assert next(name for name, sign in SIGNS.items() if sign(after)) == probe.name


def test_the_heuristic_judge_stands_its_probes():
    from tests.support.bag_encoder import Bag

    dataset = toy_dataset(users=60, items=60, length=8)
    inputs = [e for e in toy_judge_inputs(24, target=False) if e.rationale.strip()]
    judge = HeuristicJudge(HeuristicConfig(rubric="rationale-quality"), Bag())
    result = summarize_probes(run_probes(judge, inputs, run_context(dataset.catalog)))
    rows = {(row["probe"], row["criterion"]): row for row in result.to_dicts()}
    for criterion in ("grounding", "specificity", "faithfulness", "persuasiveness"):
        for probe in ("padded", "wordy", "history reversed", "item first", "asked again"):
            assert rows[probe, criterion]["moved"] == 0
        assert rows["injection", criterion]["up"] == 0
        assert rows["first sentence", criterion]["n"] > 0
        assert not math.isnan(rows["halved", criterion]["shift"])
    assert rows["another's rationale", "faithfulness"]["down"] > 0
