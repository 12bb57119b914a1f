"""Comparisons in tables and files: strengths in order, changes with the order counted and said."""

import csv
import json

import polars as pl
import pytest
from rich.console import Console

from benchkit.judging.pairs.pair_run import PAIR_COLUMNS
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.pairs.files import find_dropped_tasks, pair_record, write_pairs
from benchkit.report.pairs.pair_summary import PairFacts, summarize_pairs
from benchkit.report.pairs.tables import describe_pairs, pair_tables

SCORES = {"first": 1, "second": -1, "unscored": None}


def make_table(outcomes, asked=True):
    """outcomes: (first, second, outcome, first_shown) in turn, a user each."""
    rows = [
        ("llm", "toy", f"c{i}", f"u{i}", first, second, outcome, SCORES.get(outcome, 0),
         "A", "B", shown if asked and outcome not in ("unscored", "same answer") else None, None)
        for i, (first, second, outcome, shown) in enumerate(outcomes)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=PAIR_COLUMNS, orient="row")


# Strengths 16, 4 and 1 with v = 1, as in the hand-solved case; and what does not count.
HAND = [
    *[("a", "b", "first", 0.0)] * 4, ("a", "b", "second", 0.0), ("a", "b", "tie", 0.0),
    ("a", "b", "inconsistent", 1.0),
    *[("a", "c", "first", 0.0)] * 16, ("a", "c", "second", 0.0),
    *[("a", "c", "inconsistent", 1.0)] * 3, ("a", "c", "same answer", None),
    *[("b", "c", "first", 0.0)] * 4, ("b", "c", "second", 0.0), *[("b", "c", "tie", 0.0)] * 2,
    ("b", "c", "unscored", None),
]  # fmt: skip


def test_strengths_rates_and_counts_by_hand():
    (summary,) = summarize_pairs(make_table(HAND))
    assert summary.methods == ("a", "b", "c")
    assert (summary.n, summary.users, summary.both_orders) == (35, 35, 34)
    assert summary.counts == {
        "first": 24, "inconsistent": 4, "same answer": 1, "second": 3, "tie": 3, "unscored": 1
    }  # fmt: skip
    spread = summary.strengths.log_strength - summary.strengths.log_strength[2]
    assert spread.round(6).tolist() == [2.772589, 1.386294, 0.0]  # logs of 16, 4 and 1
    assert abs(summary.strengths.tie - 1) < 1e-6
    assert abs(summary.strengths.win_rate[0, 1] - 5 / 7) < 1e-12
    assert summary.inconsistent_share == 4 / 34
    assert summary.first_shown.value == 4 / 34
    notes = list(describe_pairs(summary))
    assert notes[0].startswith("35 pairs of 35 users: 27 decided, 3 ties, 1 the same answer twice")
    assert notes[1].startswith("Position-inconsistent: 4 of 34 pairs asked in both orders (12 %)")
    assert "p .125" in notes[2] and "would have been seen" in notes[2]
    assert notes[3] == "Left out: 1 pair without a readable verdict."


def test_a_preferred_place_is_said():
    (summary,) = summarize_pairs(make_table([("a", "b", "inconsistent", 1.0)] * 12))
    assert any("the answer shown first is preferred" in note for note in describe_pairs(summary))
    (summary,) = summarize_pairs(make_table([("a", "b", "inconsistent", -1.0)] * 3))
    assert any("too few pairs to tell" in note for note in describe_pairs(summary))


def test_comparing_by_grades_knows_no_order():
    (summary,) = summarize_pairs(make_table(HAND, asked=False))
    assert summary.first_shown is None and summary.inconsistent_share is None
    assert "Compared by the grades of single answers, which know no order." in list(
        describe_pairs(summary)
    )
    assert pair_record(summary)["position"] is None


def test_tables_fit_into_80_columns_and_the_best_is_first(capsys):
    tables = list(pair_tables(summarize_pairs(make_table(HAND))))
    assert [table.title for table in tables] == [
        "Strengths: toy, judge llm", "Win rates: toy, judge llm"
    ]  # fmt: skip
    assert [row[0] for row in tables[0].rows] == ["a", "b", "c"]
    print_tables(Console(width=80), tables)
    lines = [line for line in capsys.readouterr().out.splitlines() if "[" in line]
    assert lines and max(map(len, lines)) <= 80


def test_methods_that_nothing_connects_with_the_others_have_no_strength():
    rows = [("a", "b", "first", 0.0), ("b", "c", "second", 0.0), ("d", "e", "first", 0.0)]
    (summary,) = summarize_pairs(make_table([*rows, ("a", "f", "unscored", None)]))
    assert summary.methods == ("a", "b", "c") and summary.apart == ("d", "e", "f")
    assert len(summary.strengths.log_strength) == 3 and summary.n == 3
    assert "Without a strength, as nothing compares them: d, e, f." in list(describe_pairs(summary))


def test_nothing_with_a_verdict():
    (summary,) = summarize_pairs(make_table([("a", "b", "unscored", None)] * 2))
    assert summary.strengths is None and summary.n == 0
    (table,) = pair_tables([summary])
    assert table.rows == () and "Left out: 2 pairs" in table.notes[-1]


def test_files_hold_the_same(tmp_path):
    table = make_table(HAND)
    summaries = list(summarize_pairs(table))
    paths = write_pairs(table, summaries, {"llm": {"requests": 68.0}}, tmp_path)
    assert [path.name for path in paths] == ["pairs-llm.md", "pairs-llm.csv", "pairs-llm.json"]
    rows = list(csv.DictReader(paths[1].read_text().splitlines()))
    assert len(rows) == len(HAND) and rows[0]["outcome"] == "first"
    record = json.loads(paths[2].read_text())
    assert record["usage"] == {"llm": {"requests": 68.0}}
    (task,) = record["tasks"]
    assert task["methods"][0]["win_rates"]["b"]["rate"] == 5 / 7
    assert task["position"]["inconsistent_share"] == 4 / 34
    assert task["outcomes"]["inconsistent"] == 4
    assert task["methods"][0]["won"]["rate"] == (5 + 18) / 28


def test_another_judges_files_stay(tmp_path):
    table = make_table(HAND)
    other = table.with_columns(judge=pl.lit("other"))
    for part in (table, other):
        write_pairs(part, list(summarize_pairs(part)), {}, tmp_path)
    both = pl.concat([table, other])
    alone = {path.name: path.read_text() for path in tmp_path.iterdir()}
    write_pairs(both, list(summarize_pairs(both)), {}, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == alone
    assert len(alone) == 6 and "judge other" not in alone["pairs-llm.md"]


def test_labels_that_look_alike_as_files_have_files_of_their_own(tmp_path):
    labels = ("a b", "a-b", "a/b", "A-b")
    for label in labels:
        part = make_table(HAND).with_columns(judge=pl.lit(label))
        write_pairs(part, list(summarize_pairs(part)), {}, tmp_path)
    judges = [json.loads(p.read_text())["tasks"][0]["judge"] for p in tmp_path.glob("*.json")]
    assert sorted(judges) == sorted(labels) and (tmp_path / "pairs-a-b.csv").exists()


def test_tasks_that_files_held_and_will_not_hold_are_known(tmp_path):
    toy = make_table(HAND)
    both = pl.concat([toy, toy.with_columns(task=pl.lit("other"))])
    now = list(summarize_pairs(toy))
    assert find_dropped_tasks(now, tmp_path) == {}
    write_pairs(both, list(summarize_pairs(both)), {}, tmp_path)
    assert find_dropped_tasks(now, tmp_path) == {"llm": ["other"]}
    assert find_dropped_tasks(list(summarize_pairs(both)), tmp_path) == {}
    for text in ("no JSON", "[]", '{"tasks": [1]}'):
        (tmp_path / "pairs-llm.json").write_text(text)
        assert find_dropped_tasks(now, tmp_path) == {}


def test_won_is_the_share_of_all_comparisons():
    counts = {("a", "b"): (90, 10), ("a", "c"): (1, 3), ("b", "c"): (25, 25)}
    rows = [
        (*pair, outcome, 0.0)
        for pair, numbers in counts.items()
        for outcome, n in zip(("first", "second"), numbers, strict=True)
        for _ in range(n)
    ]
    table, _ = pair_tables(summarize_pairs(make_table(rows)))
    won = {row[0]: row[2] for row in table.rows}
    assert won["a"].startswith("87.5 % [") and won["b"].startswith("23.3 % [")


@pytest.mark.parametrize("outcome", ["tie", "inconsistent"])
def test_what_nothing_decided_is_unknown(outcome):
    (summary,) = summarize_pairs(make_table([("a", "b", outcome, 0.0)] * 30))
    table, _ = pair_tables([summary])
    assert [row[1] for row in table.rows] == ["unknown"] * 2
    assert table.rows[0][2].startswith("50.0 % [4")
    assert any("no comparison was decided" in note for note in table.notes)
    assert not any(note.startswith("Tie parameter") for note in table.notes)
    record = pair_record(summary)
    assert record["tie_parameter"] is record["methods"][0]["log_strength"] is None
    assert any("no comparison was decided" in note for note in record["notes"])


def test_no_bound_is_printed():
    rows = [("a", "b", "first", 0.0)] * 12 + [("a", "b", "second", 0.0)]
    (table, _) = pair_tables(summarize_pairs(make_table(rows)))
    assert table.rows[0][1].endswith(", open]") and table.rows[1][1].split("[")[1][:4] == "open"
    assert any(note.startswith("open: in more than 2.5 % of the resamples") for note in table.notes)
    (table, _) = pair_tables(summarize_pairs(make_table(rows[:12])))
    assert [row[1] for row in table.rows] == ["unknown"] * 2
    assert any("a method never lost to another" in note for note in table.notes)
    more = [*rows, ("c", "a", "first", 0.0), ("c", "b", "first", 0.0)]
    (table, _) = pair_tables(summarize_pairs(make_table(more)))
    assert table.rows[0][:2] == ("c", "won all")
    assert any(note.startswith("won all, lost all: each") for note in table.notes)
    assert "8.00" not in str(table.rows)


def test_a_preferred_place_is_within_its_limits():
    for n in (4, 30):
        (summary,) = summarize_pairs(make_table([("a", "b", "inconsistent", 1.0)] * n))
        assert summary.first_shown.high == 1.0 and summary.first_shown.low >= -1.0


FACTS = PairFacts("llm", "toy", True, ("a caveat",), (("pop", "no rationales"),), True)


def test_facts_are_said_in_tables_and_files():
    summaries = list(summarize_pairs(make_table(HAND), [FACTS]))
    tables = list(pair_tables(summaries))
    assert all(table.title.startswith("SYNTHETIC: ") for table in tables)
    assert {"Not compared: pop: no rationales.", "Judge llm: a caveat."} <= {*tables[0].notes}
    record = pair_record(summaries[0])
    assert (record["not_compared"], record["caveats"]) == ({"pop": "no rationales"}, ("a caveat",))
    mute = PairFacts("mute", "toy", False, (), (("a", "no rationales"),))
    _, nothing = summarize_pairs(make_table(HAND), [FACTS, mute])
    (table,) = pair_tables([nothing])
    assert table.title == "Strengths: toy, judge mute"
    assert table.notes == (
        "No two methods explain the same case.", "Not compared: a: no rationales."
    )  # fmt: skip


def test_a_judge_of_pairs_without_verdicts_is_no_judge_of_single_answers():
    unscored = make_table([("a", "b", "unscored", None)] * 3)
    (summary,) = summarize_pairs(unscored, [FACTS])
    notes = " ".join(describe_pairs(summary))
    assert "single answers" not in notes and "No pair has verdicts in both orders" in notes
