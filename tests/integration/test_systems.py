"""The suite `systems`: every card of the catalog runs, and what learns is above chance."""

import pytest

import benchkit as bk
from benchkit import cards
from benchkit.config.suite import load_suite
from benchkit.report.core.labels import is_at_chance

# Cards whose deviations say that nano ranks at chance.
AT_CHANCE = {
    name
    for name, card in cards.list_cards().items()
    if any("at chance" in deviation for deviation in card.deviations)
}


def test_the_suite_has_every_card():
    rows = [row.method for row in load_suite("systems").methods]
    assert len(rows) == len(set(rows))
    known = cards.list_cards()
    concrete = {name for name in known if "*" not in name}
    assert concrete <= set(rows)
    others = set(rows) - concrete
    for pattern in (name for name in known if "*" in name):
        assert any(name.startswith(pattern.rstrip("*")) for name in others)


def test_few_cards_are_excused():
    assert {"sft/rationale", "rec-r1/query"} == AT_CHANCE


@pytest.mark.slow
def test_every_system_runs_and_what_learns_is_above_chance(tmp_path):
    pytest.importorskip("recbole")
    results = bk.run(
        "systems", jobs=2, store=tmp_path / "runs", data=tmp_path / "data", progress=False
    )
    assert results.run_report.n_failed == 0
    (table,) = [t for t in results.collected.tables if t.protocol == "scored"]
    at_chance = {row.label for row in table.rows if is_at_chance(row, results.collected.plan)}
    assert {row.label for row in table.rows} == {row.name for row in load_suite("systems").methods}
    assert at_chance - {"random"} <= AT_CHANCE
