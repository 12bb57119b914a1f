"""The stored comparison with other libraries: ours is computed again, differences explained."""

import json

import pytest

from tests.scripts.crosscheck import PAGE, RECORD
from tests.support import crosscheck, crosscheck_page

STORED = json.loads(RECORD.read_text(encoding="utf-8"))
SETS = crosscheck.draw_lists()


@pytest.mark.parametrize("title", crosscheck.SETS)
def test_ours_is_what_the_record_says(title):
    ours = crosscheck.measure_ours(SETS[title], crosscheck.SETS[title])
    assert ours == pytest.approx(STORED["benchkit"][title], abs=1e-12)


def differences():
    for title, metrics in crosscheck.SETS.items():
        for metric in metrics:
            for library in crosscheck_page.LIBRARIES:
                theirs = crosscheck_page.theirs_of(STORED, library, title, metric)
                ours = STORED["benchkit"][title][metric]
                if theirs is not None and not crosscheck_page.same(ours, theirs):
                    yield library, title, metric


def test_every_difference_has_a_reason_and_every_reason_a_difference():
    keys = [crosscheck_page.reason_key(*difference) for difference in differences()]
    assert None not in keys
    assert set(keys) == set(crosscheck_page.REASONS)


def test_every_library_agrees_where_nothing_is_left_to_choice():
    plain = {(library, title) for library, title, metric in differences() if metric != "ndcg@5"}
    assert not [library for library, title in plain if title == "one target"]
    for name, (library, _) in crosscheck_page.VARIANTS.items():
        if "exponential" not in name:
            theirs = STORED["libraries"][library]["values"]["one target"][name]
            assert crosscheck_page.same(STORED["benchkit"]["one target"]["ndcg@5"], theirs)


def test_the_order_of_the_input_changes_ours_not_at_all():
    first, last = (STORED["benchkit"][title] for title in crosscheck_page.TIES)
    assert first == last
    by_order = [
        STORED["libraries"]["RecBole"]["values"][title]["hr@5"] for title in crosscheck_page.TIES
    ]
    assert by_order[0] > 2 * by_order[1]  # the same scores


def test_the_page_is_that_of_the_record():
    page = crosscheck_page.render(STORED, crosscheck.SETS, crosscheck.N_USERS, crosscheck.N_ITEMS)
    assert page == PAGE.read_text(encoding="utf-8")


def test_the_lists_are_what_their_titles_say():
    assert list(SETS) == list(crosscheck.SETS)
    users = SETS[crosscheck_page.MISSING].values()
    assert sum(not user["scores"] for user in users) == 40
    first = SETS["ties, the target first"].values()
    assert all(next(iter(user["scores"])) in user["relevant"] for user in first)
    tied = next(iter(first))["scores"]
    assert len(set(tied.values())) < len(tied) / 3
    assert len(set(next(iter(SETS["one target"].values()))["scores"].values())) >= 29
