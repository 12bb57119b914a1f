"""Probes change one thing of an judge_input, and tell what a judge makes of it."""

import math
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit import seeds
from benchkit.judging.robustness import (
    NEUTRAL_SENTENCES,
    PROBE_COLUMNS,
    PROBE_SUMMARY_COLUMNS,
    PROBES,
    Probe,
    estimate_probes,
    exchange_rationales,
    halve_rationale,
    keep_first_sentence,
    pad_rationale,
    prepend_item_title,
    probes_to_markdown,
    reverse_history,
    run_probes,
    summarize_probes,
)
from benchkit.judging.rubric import load_rubric
from benchkit.judging.verdicts import JudgeInput, Verdict
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.stats.bootstrap import mean_interval
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.judges import toy_judge_inputs
from benchkit.types import Catalog, Event, Request
from judges.heuristic import HeuristicConfig, HeuristicJudge

CATALOG = Catalog(("tea", "ale", "gin"), {"title": ["Green  Tea", None, "Gin"]})
BY_NAME = {probe.name: probe for probe in PROBES}


def make_input(rationale, key="c0", item="tea", user=None):
    history = (Event("gin", 4.0), Event("ale", 2.0))
    return JudgeInput(
        key, Request(key, user or f"u{key}", history, ("tea", "ale")), item, rationale
    )


def texts(change, *rationales, **options):
    return [change(make_input(text), **options).rationale for text in rationales]


def test_padding():
    assert texts(pad_rationale, "It is good", "It is good.", 'It is "good!"', count=1) == [
        f"It is good. {NEUTRAL_SENTENCES[0]}",
        f"It is good. {NEUTRAL_SENTENCES[0]}",
        f'It is "good!" {NEUTRAL_SENTENCES[0]}',
    ]  # fmt: skip
    (long,) = texts(pad_rationale, "Good.", count=len(NEUTRAL_SENTENCES) + 1)
    assert long == " ".join(["Good.", *NEUTRAL_SENTENCES, NEUTRAL_SENTENCES[0]])


def test_shortening():
    assert texts(keep_first_sentence, "One two. Three? Four.", "One two", "One\nTwo") == [
        "One two.", "One two", "One"
    ]  # fmt: skip
    assert texts(halve_rationale, "a b c d", "a  b\nc d e", "a b", "a", "") == [
        "a b",
        "a  b",
        "a",
        "a",
        "",
    ]


def test_the_history_turned_round():
    changed = reverse_history(make_input("Good."))
    assert [event.item for event in changed.request.history] == ["ale", "gin"]
    assert replace(changed, request=make_input("Good.").request) == make_input("Good.")


@pytest.mark.parametrize(("item", "title"), [("tea", "Green Tea"), ("ale", "ale"), ("rum", "rum")])
def test_the_item_first(item, title):
    assert (
        prepend_item_title(make_input("Good.", item=item), CATALOG).rationale == f"{title}\nGood."
    )


@given(
    st.lists(st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcdef")), max_size=12),
    st.integers(0, 5),
)
def test_anothers_rationale_is_of_another_user_and_another_text(given_, seed):
    inputs = [make_input(text, f"c{i}", user=user) for i, (user, text) in enumerate(given_)]
    changed = exchange_rationales(inputs, seed)
    assert changed == exchange_rationales(inputs, seed)
    owners = {(e.request.user, e.rationale) for e in inputs}
    for before, after in zip(inputs, changed, strict=True):
        fits = {text for user, text in owners if user != before.request.user}
        fits.discard(before.rationale)
        if after is None:
            assert not fits
        else:
            assert after.rationale in fits
            assert replace(after, rationale=before.rationale) == before


def test_anothers_rationale_deranges():
    inputs = [make_input(f"text {i}", f"c{i}") for i in range(50)]
    drawn = [[e.rationale for e in exchange_rationales(inputs, seed)] for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    for given_ in drawn:
        assert sorted(given_) == sorted(e.rationale for e in inputs)


class Wordy:
    """Half a point a word to 3; it does not grade what has an "x". A question is two tokens."""

    rubric = load_rubric("rationale-0-3")
    caveats = models = ()

    def judge(self, inputs, run):
        for one in inputs:
            if "x" in one.rationale:
                yield Verdict(one.key, {}, "unscored", "an x")
            else:
                yield Verdict(one.key, {"rating": min(3.0, len(one.rationale.split()) / 2)})

    def estimate(self, inputs, run):
        return CostEstimate(len(inputs), 2 * len(inputs), 0, None, 0)


def test_an_estimate_is_of_what_is_changed_too():
    inputs = [make_input("a b c d", "c0"), make_input("a", "c1")]
    result = estimate_probes(Wordy(), inputs, run_context(CATALOG))
    # Both as they are, padded, reversed, with the title and exchanged; one alone can be halved.
    assert (result.calls, result.prompt_tokens) == (5 * 2 + 1, 2 * (5 * 2 + 1))


def test_a_judge_that_likes_length_is_seen():
    inputs = [make_input("a b c d", "c0"), make_input("a b. c", "c1"), make_input("x y", "c2")]
    table = run_probes(Wordy(), inputs, run_context(CATALOG))
    rows = {(row["case"], row["probe"]): (row["before"], row["after"]) for row in table.to_dicts()}
    assert rows["c0", "padded"] == (2.0, 3.0)
    assert rows["c1", "halved"] == (1.5, 0.5)
    assert rows["c2", "padded"] == (None, None)
    assert rows["c0", "history reversed"] == (2.0, 2.0)
    assert ("c0", "first sentence") not in rows  # there is one only
    assert rows["c2", "another's rationale"][1] is not None
    result = {row["probe"]: row for row in summarize_probes(table).to_dicts()}
    assert result["padded"]["n"] == 2 and result["padded"]["unscored"] == 1
    assert result["padded"]["shift"] == 1.25
    assert (result["padded"]["up"], result["padded"]["down"]) == (2, 0)
    assert result["halved"]["shift"] == -1.0 and result["halved"]["down"] == 2
    assert result["history reversed"]["moved"] == 0


def test_the_summary_by_hand():
    rows = [("a", 1.0, 2.0), ("b", 2.0, 2.0), ("c", 3.0, 1.0), ("d", None, 1.0), ("e", 1.0, 3.0)]
    table = pl.DataFrame(
        [(case, case, "padded", "rating", before, after) for case, before, after in rows]
        + [("a", "a", "mine", "rating", None, None)],
        schema=PROBE_COLUMNS,
        orient="row",
    )
    padded_row, mine = summarize_probes(table).to_dicts()
    low, high = mean_interval([1, 0, -2, 2])
    assert padded_row == {
        "probe": "padded", "criterion": "rating", "expected": "no change", "n": 4, "cases": 4,
        "users": 4, "shift": 0.25, "low": low, "high": high, "moved": 0.75, "up": 2, "down": 1,
        "unscored": 1,
    }  # fmt: skip
    assert mine["n"] == 0 and mine["unscored"] == 1 and mine["expected"] == ""
    assert mine["shift"] is mine["low"] is mine["moved"] is None
    text = probes_to_markdown(summarize_probes(table))
    assert "| padded | rating | no change | 4 | 4 | 4 | +0.250 [" in text
    assert "| 75.0% | 2 | 1 | 1 |" in text
    assert "| mine | rating |  | 0 | 0 | 0 |  |  | 0 | 0 | 1 |" in text
    assert len({line.count("|") for line in text.splitlines() if "|" in line}) == 1


def test_answers_to_one_case_are_one_case_of_the_interval():
    rows = [("a", 1.0, 2.0), ("a", 1.0, 1.0), ("b", 2.0, 2.0), ("b", None, 1.0), ("c", 3.0, 1.0)]
    given_ = [(case, case, "padded", "rating", before, after) for case, before, after in rows]
    (result,) = summarize_probes(
        pl.DataFrame(given_, schema=PROBE_COLUMNS, orient="row")
    ).to_dicts()
    assert (result["n"], result["cases"], result["unscored"]) == (4, 3, 1)
    assert result["shift"] == (0.5 + 0.0 - 2.0) / 3
    assert (result["low"], result["high"]) == mean_interval([0.5, 0.0, -2.0])
    assert (result["moved"], result["up"], result["down"]) == (0.5, 1, 1)


def test_the_cases_of_a_user_are_resampled_together():
    rows = [(f"c{case}", f"u{case // 3}", "padded", "rating", 1.0, 1.0 + case // 3 % 2)
            for case in range(30)]  # fmt: skip
    (result,) = summarize_probes(pl.DataFrame(rows, schema=PROBE_COLUMNS, orient="row")).to_dicts()
    assert (result["n"], result["cases"], result["users"]) == (30, 30, 10)
    assert (result["low"], result["high"]) == pytest.approx(mean_interval([0, 1] * 5))


def test_the_interval_covers_the_truth_where_methods_share_cases():
    # Each of 30 cases moves all eight answers to it alike, by nothing on average.
    rng, held = seeds.generator("probe-coverage"), 0
    for number in range(200):
        rows = [
            (f"c{case}", f"c{case}", "padded", "rating", 2.0, 2.0 + shift)
            for case, shift in enumerate(rng.normal(size=30).tolist())
            for _ in range(8)
        ]
        table = pl.DataFrame(rows, schema=PROBE_COLUMNS, orient="row")
        (result,) = summarize_probes(table, seed=number).to_dicts()
        held += result["low"] <= 0 <= result["high"]
    assert held >= 180


def test_nothing_to_probe():
    table = run_probes(Wordy(), [], run_context(CATALOG))
    assert len(table) == 0
    assert summarize_probes(table).schema == pl.Schema(PROBE_SUMMARY_COLUMNS)


def test_a_probe_of_ones_own():
    shout = Probe("shout", "", lambda es, _, seed: [replace(e, rationale="a") for e in es])
    table = run_probes(Wordy(), [make_input("a b")], run_context(CATALOG), [shout])
    assert table.rows() == [("c0", "uc0", "shout", "rating", 1.0, 0.5)]


def test_the_heuristic_judge_stands_its_probes():
    from tests.support.bag_encoder import Bag

    dataset = toy_dataset(users=60, items=60, length=8)
    inputs = [e for e in toy_judge_inputs(24, target=False) if e.rationale.strip()]
    judge = HeuristicJudge(HeuristicConfig(rubric="rationale-quality"), Bag())
    result = summarize_probes(run_probes(judge, inputs, run_context(dataset.catalog)))
    rows = {(row["probe"], row["criterion"]): row for row in result.to_dicts()}
    for criterion in ("grounding", "specificity", "faithfulness", "persuasiveness"):
        for probe in ("padded", "history reversed", "item first"):
            assert rows[probe, criterion]["moved"] == 0
        assert rows["first sentence", criterion]["n"] > 0
        assert not math.isnan(rows["halved", criterion]["shift"])
    assert rows["another's rationale", "faithfulness"]["down"] > 0
