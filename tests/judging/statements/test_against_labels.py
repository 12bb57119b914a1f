"""The rules against 50 sentences that a person labelled before there were rules.

Half of them (every other one, from the first) were looked at while the rules were made; the other
half were only measured, and the figures of both halves are held here.
"""

import collections
import itertools

import pytest

from benchkit.judging.item_mentions import title_index
from benchkit.judging.statements.rules import check_rationale
from benchkit.judging.statements.splitter import split_statements
from tests.support.grocery_statements import grocery_inputs, labelled_pairs


@pytest.fixture(scope="module")
def groceries():
    return grocery_inputs()


@pytest.fixture(scope="module")
def pairs(groceries):
    return labelled_pairs(*groceries)


def agreeing(pairs):
    return sum(label == rule for label, rule in pairs)


def test_agreement_is_what_was_measured(pairs):
    assert len(pairs) == 50
    assert agreeing(pairs[::2]) >= 23  # of 25 that were looked at
    assert agreeing(pairs[1::2]) >= 19  # of 25 that were not


def test_precision_and_recall_of_supported_are_what_was_measured(pairs):
    counts = collections.Counter(pairs)
    both = counts["supported", "supported"]
    by_rule = sum(n for (_, rule), n in counts.items() if rule == "supported")
    by_person = sum(n for (label, _), n in counts.items() if label == "supported")
    assert (both, by_person) >= (27, 31)
    assert both / by_rule >= 27 / 28
    unseen = collections.Counter(pairs[1::2])
    assert unseen["supported", "supported"] >= 14  # of 18, and none wrongly
    assert not sum(n for (a, b), n in unseen.items() if b == "supported" != a)


def test_faults_are_found_as_often_as_was_measured(pairs):
    counts = collections.Counter(pairs)
    assert counts["not_supported", "not_supported"] >= 3  # of 6
    assert counts["supported", "not_supported"] <= 3
    assert counts["supported", "contradicted"] == 0  # the one contradiction is not found


def test_most_statements_of_opinions_are_contradicted_once_ratings_are_turned_round(groceries):
    """Planted contradictions: every rating 5 becomes 1, and so on; texts stay as they are."""
    inputs, catalog = groceries
    turned, _ = grocery_inputs(lambda stars: 6 - stars)
    assert count_contradicted(inputs, catalog) <= 2
    assert count_contradicted(turned, catalog) >= 138  # of 178 that speak of an opinion


def count_contradicted(inputs, catalog):
    labels = (c.label for one in inputs for c in check_rationale(one, title_index(catalog)))
    return sum(label == "contradicted" for label in labels)


def test_statements_hold_all_that_is_said_but_cuts(groceries):
    for one in groceries[0]:
        parts = split_statements(one.rationale)
        assert [one.rationale[part.start : part.stop] for part in parts] == [p.text for p in parts]
        between = "".join(
            one.rationale[first.stop : second.start] for first, second in itertools.pairwise(parts)
        )
        assert not between.strip(" ,;\n")
