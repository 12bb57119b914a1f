"""Lists that a retriever made from histories are not lists that were drawn from the target."""

from pathlib import Path

import numpy as np
import pytest

from benchkit.data.audit import audit_cases, audit_cases_from_file
from benchkit.data.audit.cases import AuditCases, CandidateLists, CaseHistories
from benchkit.data.audit.list_resemblance import (
    ListOverlap,
    compare_with_similar_lists,
    pair_similar_lists,
)

LEAKY = Path(__file__).parents[3] / "../shared/data/leaky_candidates"
N, ITEMS, WORDS, LENGTH = 500, 240, 60, 12


def world(seed):
    """Users whose histories and targets follow one taste, and items with a few words each."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(ITEMS, 6))
    taste /= np.linalg.norm(taste, axis=1)[:, None]
    histories, targets = [], []
    for _ in range(N):
        score = taste @ rng.normal(size=6) * 8
        p = np.exp(score - score.max())
        *history, target = rng.choice(ITEMS, 9, replace=False, p=p / p.sum())
        histories.append(history)
        targets.append(target)
    topic = np.exp(taste @ rng.normal(size=(6, WORDS)) * 3)
    words = np.zeros((ITEMS, WORDS))
    for item in range(ITEMS):
        words[item, rng.choice(WORDS, 4, replace=False, p=topic[item] / topic[item].sum())] = 1
    return rng, taste, words, histories, np.array(targets)


def top(score, history, target, rng=None, pool=LENGTH):
    score = score.copy()
    score[[*history, target]] = -np.inf
    best = np.argsort(-score, kind="stable")[:pool]
    return list(best if rng is None else rng.choice(best, LENGTH, replace=False))


def bm25(rng, taste, words, history, target):
    """The items whose words are most like those of the history."""
    idf = np.log(1 + ITEMS / (1 + words.sum(axis=0)))
    return top((words * idf) @ words[history].sum(axis=0), history, target)


def filter_top(rng, taste, words, history, target):
    """The top k of a model that knows tastes."""
    return top(taste @ taste[history].mean(axis=0), history, target)


def last_item(rng, taste, words, history, target):
    """The neighbours of the newest item."""
    return top(taste @ taste[history[-1]], history, target)


def filter_pool(rng, taste, words, history, target):
    """Drawn among the top of a model."""
    return top(taste @ taste[history].mean(axis=0), history, target, rng, pool=40)


def seeded(rng, taste, words, history, target):
    """Drawn by a generator that is seeded with the target."""
    return top(np.random.default_rng(target).random(ITEMS), history, target)


def neighbours(rng, taste, words, history, target):
    """The items most like the target: hard negatives."""
    return top(taste @ taste[target], history, target)


def partly_seeded(rng, taste, words, history, target):
    """A quarter by the target, the rest at random."""
    first = top(np.random.default_rng(target).random(ITEMS), history, target)[: LENGTH // 4]
    rest = [item for item in top(rng.random(ITEMS), history, target) if item not in first]
    return [*first, *rest][:LENGTH]


def retrieved_and_seeded(rng, taste, words, history, target):
    """Half retrieved from the history, half drawn from the target."""
    first = filter_top(rng, taste, words, history, target)[: LENGTH // 2]
    rest = [item for item in seeded(rng, taste, words, history, target) if item not in first]
    return [*first, *rest][:LENGTH]


def made(recipe, seed=0, known=True, place=None):
    rng, taste, words, histories, targets = world(seed)
    lists = []
    for history, target in zip(histories, targets.tolist(), strict=True):
        items = recipe(rng, taste, words, history, target)
        if place is None:
            lists.append(rng.permutation([*items, target]).tolist())
        else:
            at = place(rng)
            lists.append([*items[:at], target, *items[at:]])
    offsets = np.arange(N + 1) * 8
    return AuditCases(
        "mine", [f"c{i}" for i in range(N)], [f"B{i:03}" for i in range(ITEMS)],
        CandidateLists(targets.astype(np.int64), np.array(lists, dtype=np.int64)),
        history=CaseHistories(np.concatenate(histories), offsets) if known else None,
    )  # fmt: skip


def findings(cases):
    return {finding.name: finding for finding in audit_cases(cases)}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("recipe", [bm25, filter_top, last_item, filter_pool])
def test_retrieved_lists_are_no_leak(recipe, seed, known):
    result = findings(made(recipe, seed, known))
    assert not [finding for finding in result.values() if finding.severity == "leak"]
    if recipe is bm25:  # alike for one target, which is said
        assert "retrieved candidates?" in result["negatives-resemble"].consequence
        assert result["negatives-resemble"].severity == "note"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("recipe", [seeded, neighbours, partly_seeded, retrieved_and_seeded])
def test_lists_that_the_target_explains_stay_leaks(recipe, seed, known):
    finding = findings(made(recipe, seed, known))["negatives-given-target"]
    assert finding.severity == "leak"
    assert finding.p < 1e-20
    assert finding.measures["shared"] > 2 * finding.measures["similar"]


def test_a_retrievers_order_is_no_order_drawn_from_the_target():
    def places(rng):
        return rng.integers(0, LENGTH + 1)

    result = findings(made(last_item, place=places))
    assert "order-given-target" not in result
    assert "place-given-target" not in result


def test_places_that_all_targets_prefer_are_one_finding():
    """A retriever ranks targets high: that is told by their places, not by each target's own."""
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(800):
        target = int(rng.exponential(15))
        items = [i for i in rng.permutation(200).tolist() if i != target][:9]
        place = min(int(rng.exponential(2)), 9)
        rows.append((target, [*items[:place], target, *items[place:]]))
    lists = CandidateLists(
        np.array([target for target, _ in rows]), np.array([items for _, items in rows])
    )
    cases = AuditCases("mine", [str(i) for i in range(800)], [f"B{i}" for i in range(400)], lists)
    assert [f.name for f in audit_cases(cases) if f.severity == "leak"] == ["place-not-uniform"]


@pytest.mark.parametrize(
    ("same_target", "similar", "leaks"),
    [(3, 1, True), (3, 2, False), (11, 8, True), (11, 10.5, False), (2, 6, False), (12, 12, False)],
)
def test_twice_as_alike(same_target, similar, leaks):
    assert ListOverlap(same_target, similar, 12).is_explained_by_target is leaks


def test_the_search_does_not_count_what_it_selected():
    """Independent lists stay at the level of any two lists, however many are searched."""
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(300), 2)
    table = np.array([rng.choice(np.arange(300, 360), 12, replace=False) for _ in target])
    lists = CandidateLists(target, np.concatenate([target[:, None], table], axis=1))
    overlap = compare_with_similar_lists(
        lists, None, 360, np.arange(0, 600, 2), np.arange(1, 600, 2)
    )
    assert overlap.same_target == pytest.approx(12 * 12 / 60, rel=0.1)
    assert overlap.similar == pytest.approx(12 * 12 / 60, rel=0.25)


def test_without_another_target_there_is_nothing_to_compare_with():
    lists = CandidateLists(np.array([0, 0]), np.array([[0, 1], [0, 2]]))
    first, control = pair_similar_lists(lists, None, 3, np.array([0]))
    assert len(first) == len(control) == 0


@pytest.mark.skipif(not LEAKY.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize("split", ["test", "val"])
def test_the_released_lists_stay_flagged(split):
    result = findings(audit_cases_from_file(LEAKY / f"lastfm_candidates_{split}.json"))
    for name in ("place-given-target", "order-given-target", "negatives-given-target"):
        assert result[name].severity == "leak"
        assert result[name].p < 1e-99
    measures = result["negatives-given-target"].measures
    assert measures["shared"] > 10 * measures["similar"]
