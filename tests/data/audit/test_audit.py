"""The audit on lists that have a fault, and on the same lists without it."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchkit.data import sources
from benchkit.data.audit import (
    AUDIT_ALPHA,
    audit_cases,
    audit_cases_from_dataset,
    audit_cases_from_file,
)
from benchkit.data.audit.candidate_lists import duplicate_case_mask
from benchkit.data.audit.cases import AuditCases, CandidateLists, CaseHistories
from benchkit.data.audit.null_distributions import (
    detect_sorted_rows,
    kendall_concordance,
    order_agreement,
    position_agreement,
    position_uniformity,
)
from benchkit.data.audit.popularity import popularity_gap
from benchkit.data.audit.positions import position_guess_hit_rate, target_positions
from benchkit.data.audit.titles import normalize_title
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec

LEAKY = Path(__file__).parents[3] / "../shared/data/leaky_candidates"
WIDTH, ITEMS = 10, 200


def made(rows, width=None, names=None, **more):
    """Cases from (target, candidates) by hand; items are small integers."""
    width = width or max(len(candidates) for _, candidates in rows)
    table = np.full((len(rows), width), -1)
    for line, (_, candidates) in zip(table, rows, strict=True):
        line[: len(candidates)] = candidates
    lists = CandidateLists(np.array([target for target, _ in rows]), table)
    top = int(max(table.max(), lists.target.max())) + 1
    names = names or [f"B{item:04}" for item in range(top)]
    return AuditCases("mine", [f"c{i}" for i in range(len(rows))], names, lists, **more)


def histories(*lists):
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in lists])])
    return CaseHistories(np.array([item for items in lists for item in items]), offsets)


def drawn(order, n=600, seed=0, items=ITEMS, width=WIDTH, lengths=None):
    """n cases whose lists `order(rng, target, negatives)` puts together; few targets are many."""
    rng = random.Random(seed)
    rows = []
    for case in range(n):
        target = min(int(rng.expovariate(1 / 20)), items - 1)
        length = width if lengths is None else lengths[case % len(lengths)]
        negatives = rng.sample([i for i in range(items) if i != target], length - 1)
        rows.append((target, order(rng, target, negatives)))
    return made(rows, names=[f"B{i:04}" for i in range(items)])


def fair(rng, target, negatives):
    return rng.sample([target, *negatives], len(negatives) + 1)


def by_target(rng, target, negatives):
    """The recipe of the released files: the shuffle is seeded by the target."""
    listed = [*negatives, target]
    random.Random(target).shuffle(listed)
    return listed


def found(cases, severity=None):
    return {f.name: f for f in audit_cases(cases) if severity in (None, f.severity)}


def wrong(cases):
    return {f.name for f in audit_cases(cases) if f.severity != "note"}


@pytest.mark.parametrize("lengths", [None, (6, 10, 8)])
@pytest.mark.parametrize("seed", range(5))
def test_fair_lists_pass(seed, lengths):
    assert not wrong(drawn(fair, seed=seed, lengths=lengths))


def test_a_shuffle_seeded_by_the_target_is_found():
    finding = found(drawn(by_target))["place-given-target"]
    assert finding.severity == "leak" and finding.p < AUDIT_ALPHA
    assert finding.share == 1.0
    assert finding.measures["hr@1"] > 0.5 > finding.measures["chance"] == pytest.approx(0.1)
    assert finding.measures["elsewhere"] < 0.2


def test_known_cases_make_the_guess_better():
    cases, before = drawn(by_target, n=100), drawn(by_target, n=600, seed=1)
    alone = found(cases)["place-given-target"].measures["hr@1"]
    both = found(replace(cases, known=before.lists))["place-given-target"].measures["hr@1"]
    assert both > alone + 0.1


def test_the_guess_by_hand():
    # 5 stands third twice, so each case teaches the other; 1 and 2 were never targets.
    lists = made([(5, [1, 2, 5]), (5, [2, 3, 5]), (4, [4, 5, 1])]).lists
    # Case 3: 5 is known elsewhere, 4 and 1 are unknown: half a chance.
    assert position_guess_hit_rate(lists, target_positions(lists)) == pytest.approx(
        (1 + 1 + 0.5) / 3
    )
    known = CandidateLists(np.array([4]), np.array([[4, 2, 3]]))
    assert position_guess_hit_rate(lists, target_positions(lists, known)) == pytest.approx(1.0)


def test_items_at_their_own_place_are_no_leak_of_the_target():
    def in_catalogue_order(rng, target, negatives):
        return sorted([target, *negatives], key=lambda item: (item * 7) % ITEMS)

    names = found(drawn(in_catalogue_order, items=40))
    assert names["fixed-places"].severity == names["fixed-order"].severity == "defect"
    assert "place-given-target" not in names and "order-given-target" not in names


def test_an_order_drawn_from_the_target_is_found_wherever_the_target_stands():
    def ranked(rng, target, negatives):
        listed = sorted(negatives, key=lambda item: random.Random(f"{target} {item}").random())
        listed.insert(rng.randrange(len(listed) + 1), target)
        return listed

    findings = found(drawn(ranked, items=30))
    assert findings["order-given-target"].severity == "leak"
    assert findings["order-given-target"].measures["tau"] == pytest.approx(1.0)
    assert "place-given-target" not in findings


def test_negatives_drawn_from_the_target_are_found():
    def same(rng, target, negatives):
        own = random.Random(target).sample([i for i in range(ITEMS) if i != target], WIDTH - 1)
        return fair(rng, target, own)

    finding = found(drawn(same))["negatives-given-target"]
    assert finding.measures["shared"] == WIDTH - 1 > 10 * finding.measures["elsewhere"]


@pytest.mark.parametrize(
    ("order", "place"),
    [
        (lambda rng, target, negatives: [target, *negatives], 1),
        (lambda rng, target, negatives: [*negatives, target], -1),
        (lambda rng, target, negatives: [*negatives[:3], target, *negatives[3:]], 4),
    ],
)
def test_a_fixed_place_is_found_from_either_end(order, place):
    finding = found(drawn(order, lengths=(8, 10) if place == -1 else None))["place-not-uniform"]
    assert finding.severity == "leak" and finding.share == finding.measures["hr@1"] == 1.0
    assert finding.measures["place"] == place


def test_sorted_lists_are_found():
    by_name = drawn(lambda rng, target, negatives: sorted([target, *negatives]))
    assert found(by_name)["sorted-by-name"].share == 1.0
    popularity = np.random.default_rng(0).permutation(ITEMS)
    fallen = drawn(lambda rng, t, negatives: sorted([t, *negatives], key=lambda i: -popularity[i]))
    names = found(replace(fallen, popularity=popularity))
    assert "sorted-by-popularity" in names and "sorted-by-name" not in names


ROW = (3, [1, 2, 3, 4])


@pytest.mark.parametrize(
    ("name", "row", "more"),
    [
        ("target-missing", (9, [1, 2, 3, 4]), {}),
        ("target-repeated", (3, [1, 3, 3, 4]), {}),
        ("duplicate-candidates", (3, [1, 1, 3, 4]), {}),
        ("list-lengths-differ", (3, [1, 2, 3]), {}),
        ("history-among-candidates", ROW, {"history": histories([], [5], [4, 5])}),
        ("repeat-target", ROW, {"history": histories([4, 5, 6][:0], [5], [3, 4])}),
        ("tied-times", ROW, {"tied": np.array([False, False, True])}),
        (
            "interacted-negatives",
            ROW,
            {
                "user": np.array([0, 1, 2]),
                "interaction_keys": np.array([3, 13, 10 * 2 + 3, 10 * 2 + 4]),
            },
        ),
    ],
)
def test_what_stands_in_a_list(name, row, more):
    names = [f"B{i}" for i in range(10)]
    finding = found(made([ROW, ROW, row], names=names, **more))[name]
    assert (finding.count, finding.of, finding.examples) == (1, 3, ("c2",))
    harmless = {
        "history": histories([], [5], [6]),
        "tied": np.zeros(3, dtype=bool),
        "interaction_keys": np.array([3, 13, 23]),
        "user": np.array([0, 1, 2]),
    }
    assert name not in found(made([ROW, ROW, ROW], names=names, **harmless))


def test_repeated_cases_are_no_leak_but_are_named():
    rows = [(3, [1, 2, 3, 4])] * 3 + [(3, [2, 1, 3, 4])]
    past = histories([5, 6], [6, 5], [5, 6], [5, 6])
    cases = made(rows, history=past, names=[f"B{i}" for i in range(9)])
    assert duplicate_case_mask(cases).tolist() == [False, False, True, False]
    assert not duplicate_case_mask(made(rows)).any()
    twice = drawn(fair, n=200)
    lists = CandidateLists(np.tile(twice.lists.target, 2), np.tile(twice.lists.candidates, (2, 1)))
    past = histories(*([[i % 50, i % 7] for i in range(200)] * 2))
    cases = replace(twice, ids=[str(i) for i in range(400)], lists=lists, history=past)
    findings = found(cases)
    assert findings["repeated-cases"].count == 200
    assert "place-given-target" not in findings and "order-given-target" not in findings


def test_an_id_of_two_cases_is_a_defect_of_prepared_data():
    prepared = replace(made([ROW, ROW, ROW]), ids=["test:a", "test:b", "test:a"])
    assert "repeated-ids" not in found(prepared)  # a file may call cases by their user
    known = replace(prepared, user=np.array([0, 1, 2]), interaction_keys=np.array([3, 13, 23]))
    assert found(known)["repeated-ids"].examples == ("test:a",)


def test_popularity_gap_by_hand():
    rows = [(0, [0, 1, 2]), (1, [1, 2, 0]), (3, [3])]
    popularity = np.array([5, 1, 1, 0])
    values, first = popularity_gap(made(rows, popularity=popularity))
    assert values.tolist() == [1.0, 0.25] and first.tolist() == [True, False]
    # Without training counts: an item's other appearances, as target or in histories.
    past = histories([2], [2, 0], [])
    assert popularity_gap(made(rows, history=past))[0].tolist() == [0.25, 0.0]
    assert popularity_gap(made([(1, [1, 2]), (1, [0, 1])]))[0].tolist() == [1.0, 1.0]


def test_the_popularity_gap_is_a_note_and_warns_when_it_is_wide():
    cases = drawn(fair)
    strong = found(replace(cases, popularity=np.arange(ITEMS)[::-1]))["popularity-gap"]
    assert strong.severity == "note" and "alone is strong" in strong.consequence
    assert strong.measures["low"] < strong.measures["auc"] < strong.measures["high"]
    flat = np.random.default_rng(0).permutation(ITEMS)
    weak = found(replace(drawn(fair, seed=3), popularity=flat))["popularity-gap"]
    assert "alone is strong" not in weak.consequence


def test_the_interval_of_the_popularity_gap_is_over_users():
    cases = replace(drawn(fair), popularity=np.arange(ITEMS)[::-1])
    alone = found(cases)["popularity-gap"].measures
    one_each = found(replace(cases, user=np.arange(len(cases))))["popularity-gap"].measures
    assert one_each == alone  # cases of a file name no user: each is one of another
    values, _ = popularity_gap(cases)
    users = np.empty(len(cases), dtype=np.int64)
    users[np.argsort(values, kind="stable")] = np.arange(len(cases)) // 6  # alike within a user
    together = found(replace(cases, user=users))["popularity-gap"].measures
    assert together["auc"] == alone["auc"]
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])


def test_titles_that_cannot_be_told_apart():
    titles = ["Rebecca Black", "Black", "BLACK!", "one two three four five", "one two three four",
              "Something Else", None]  # fmt: skip

    def names(*items):
        findings = found(made([(items[0], list(items))], titles=titles, names=list("abcdefg")))
        return {name for name in findings if name.endswith("titles")}

    assert names(1, 2) == {"equal-titles"}
    assert names(0, 1) == {"contained-titles"}
    assert names(3, 4) == {"similar-titles", "contained-titles"}
    assert names(0, 3, 5, 6) == set()
    assert normalize_title("  Éclair, Vol. 2 ") == "éclair vol 2"


def test_fair_places_have_the_moments_that_the_test_assumes():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2, 3], [2, 3, 8, 20])
    length = np.where(group == 1, 4, 7)
    draws = [position_agreement(group, length, rng.integers(0, length)) for _ in range(4000)]
    same = np.array([draw.n_equal for draw in draws])
    assert same.mean() == pytest.approx(draws[0].expected, rel=0.02)
    z = np.array([draw.test.statistic for draw in draws])
    assert z.std() == pytest.approx(1.0, abs=0.05)
    for level in (0.01, 0.05, 0.2):
        assert np.mean([draw.test.p <= level for draw in draws]) <= level * 1.25 + 0.003


def test_nothing_to_compare_is_no_evidence():
    alone = position_agreement(np.array([0, 1]), np.array([5, 5]), np.array([2, 2]))
    assert (alone.pairs, alone.share, alone.test.p) == (0, 0.0, 1.0)
    assert position_uniformity(np.array([0, 0, 0]), np.array([5, 5, 5])).p == 1.0
    assert order_agreement(np.array([0]), np.array([1])).p == 1.0
    assert audit_cases(replace(drawn(fair, n=20), ids=())) == []


def test_concordance_by_hand():
    first = np.array([[1, 2, 3, 4], [1, 2, 3, -1], [1, 2, 3, 4]])
    second = np.array([[4, 3, 2, 1], [9, 1, 2, -1], [5, 6, 7, 4]])
    total, shared = kendall_concordance(first, second, 10)
    assert total.tolist() == [-6, 1, 0] and shared.tolist() == [4, 2, 1]


def test_how_likely_a_fair_order_is_sorted():
    rows = [[1, 2, 3], [3, 2, 1], [1, 3, 2], [1, 1, 2], [5, 5, 5], [1, 2, np.nan]]
    ordered, chance = detect_sorted_rows(np.array(rows, dtype=float))
    assert ordered.tolist() == [True, True, False, True, False, True]
    assert chance == pytest.approx([1 / 3, 1 / 3, 1 / 3, 2 / 3, 0, 1])


@pytest.mark.parametrize("source", ["toy", "ml-100k"])
@pytest.mark.parametrize("split", ["test", "valid"])
def test_our_own_frozen_cases_pass(source, split):
    if source == "ml-100k":
        pytest.importorskip("recbole", reason="MovieLens 100K ships inside RecBole")
    dataset = prepare_dataset(
        sources.read_source(source, {}), DatasetSpec(name=source, source=source)
    )
    cases = audit_cases_from_dataset(dataset, split)
    assert not wrong(cases)
    assert (cases.known is None) == (split == "valid")
    assert "interacted-negatives" not in found(cases) or split == "valid"
    auc = found(cases)["popularity-gap"].measures["auc"]
    assert auc > 0.7 if source == "ml-100k" else 0.4 < auc < 0.6


def test_tied_times_of_a_dataset():
    dataset = prepare_dataset(sources.read_source("toy", {}), DatasetSpec(name="toy", source="toy"))
    cases = audit_cases_from_dataset(dataset)
    assert not cases.tied.any()
    data = dataset.interactions
    time = data.timestamp.copy()
    last = int(data.offsets[3 + 1]) - 1
    time[last] = time[last - 1]
    tied = replace(dataset, interactions=replace(data, timestamp=time))
    assert np.flatnonzero(audit_cases_from_dataset(tied).tied).tolist() == [3]
    # The history is what came before the target, and nothing else.
    begin, end = cases.history.offsets[3:5]
    assert cases.history.items[begin:end].tolist() == data.sequence(3)[:-1].tolist()


@pytest.mark.skipif(not LEAKY.is_dir(), reason=f"the released files are not at {LEAKY}")
def test_the_released_lists_are_flagged():
    """508 of 508 repeated targets of the test file stand at one place. A guesser that is also told
    where the targets of the validation file stand has HR@1 0.62, where chance is 0.05.
    """
    path, other = (LEAKY / f"lastfm_candidates_{name}.json" for name in ("test", "val"))
    alone = found(audit_cases_from_file(path))["place-given-target"]
    assert (alone.severity, alone.count, alone.of) == ("leak", 508, 508)
    assert alone.measures["hr@1"] == pytest.approx(0.566, abs=0.001)
    both = found(audit_cases_from_file(path, known=other))["place-given-target"]
    assert both.measures["hr@1"] == pytest.approx(0.623, abs=0.001)
    assert both.measures["chance"] == pytest.approx(0.05)
    assert both.count == both.of == 1003
    assert both.p < 1e-99
