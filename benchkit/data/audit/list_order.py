"""Does the order of a list tell which of its items is the target?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchkit.data.audit import null_distributions
from benchkit.data.audit.candidate_lists import testable_mask
from benchkit.data.audit.cases import AuditCases, CandidateLists, CaseHistories
from benchkit.data.audit.finding import AuditFinding
from benchkit.data.audit.list_resemblance import compare_with_similar_lists, pair_similar_lists
from benchkit.data.audit.popularity import audit_popularity
from benchkit.data.audit.positions import (
    count_fixed_positions,
    negative_position_match,
    position_guess_hit_rate,
    target_positions,
)
from benchkit.data.request_batch import PADDING_ITEM

_MAX_EXAMPLES = 5
_PLACE_LEAK = (
    "Whoever remembers where an item stood when it was a target finds it again: without looking"
    " at any user this guess has the HR@1 given here."
)
_PLACE_FIXED = (
    "An item stands at its own place whether it is the target or not, so a model's position bias"
    " becomes a preference for items."
)
_ORDER = (
    "Lists with the same target are in the same order: the order was drawn from the target, and"
    " whoever finds the rule finds the target."
)
_NEGATIVES = (
    "Lists with the same target have the same negatives: they were drawn from the target, so a list"
    " is recognised by its negatives, and its target with it."
)
_RESEMBLANCE = (
    "Negatives resemble each other for one target: retrieved candidates? Lists of other targets"
    " with similar histories are as much alike, so the target need not have been looked at."
)
_PLACE = "The target prefers some places: naming the most frequent place has the HR@1 given here."


def run_order_tests(cases: AuditCases) -> list[AuditFinding]:
    """Return each test of the order as a finding with its raw p, before any correction."""
    keep = testable_mask(cases)
    ids = [cases.ids[row] for row in np.flatnonzero(keep).tolist()]
    lists, known = cases.lists.rows(keep), cases.known
    history = None if cases.history is None else cases.history.select(keep)
    if not ids:
        return []
    if known is not None:
        known = known.rows((known.is_target.sum(axis=1) == 1) & (known.length > 1))
    n_items = len(cases.names)
    same, other = pair_lists(lists, n_items)
    order = check_order_given_target(same, other, ids)
    if order.severity == "leak" and order.p is not None and order.p < 1:
        rows = pair_similar_lists(lists, history, n_items, same.first)
        order = check_order_given_target(same, other, ids, count_pairs(lists, n_items, *rows))
    return [
        check_position_given_target(lists, known, cases.names),
        order,
        check_negatives_given_target(same, other, ids, lists, history, n_items),
        check_position_uniformity(lists, ids),
        check_sorted_lists(lists, ids, _name_rank(cases.names), "sorted-by-name"),
        check_sorted_lists(lists, ids, audit_popularity(cases), "sorted-by-popularity"),
    ]


def check_position_given_target(
    lists: CandidateLists, known: CandidateLists | None, names: Sequence[str]
) -> AuditFinding:
    """Test whether cases with the same target have it at the same place.

    count, of: repeated targets that stand at one place only, and repeated targets.
    measures: `hr@1` of `position_guess_hit_rate`, and `chance`. `same_place`: of all pairs of cases
    with the same target, those that agree in its place. `elsewhere`: how often the same item stands
    there when it is a negative; where that is nearer to `same_place` than to chance, the place
    belongs to the item, and no target leaks. Where all targets prefer some places, as in lists in
    a retriever's order, only what goes beyond that counts: the larger of two p is reported.
    """
    placed = target_positions(lists, known)
    agreement = null_distributions.position_agreement(*placed)
    repeated, fixed, examples = count_fixed_positions(placed, names)
    elsewhere = negative_position_match(placed, lists)
    level = lists.chance
    leaks = elsewhere < (agreement.share + level) / 2
    return AuditFinding(
        "place-given-target" if leaks else "fixed-places",
        "leak" if leaks else "defect",
        fixed,
        repeated,
        _PLACE_LEAK if leaks else _PLACE_FIXED,
        examples,
        {
            "hr@1": position_guess_hit_rate(lists, placed),
            "chance": level,
            "same_place": agreement.share,
            "elsewhere": elsewhere,
        },
        *agreement.test,
    )


class ListPairs(NamedTuple):
    """m pairs of cases."""

    first: NDArray[np.int64]
    """[m] rows of the first cases."""
    second: NDArray[np.int64]
    """[m] rows of the second cases."""
    total: NDArray[np.int64]
    """[m] Kendall's sum over the negatives that both lists have."""
    shared: NDArray[np.int64]
    """[m] the number of these negatives."""

    @property
    def tau(self) -> float:
        """Kendall's tau over all pairs of shared negatives; 0 where there are none."""
        pairs = int((self.shared * (self.shared - 1) // 2).sum())
        return float(self.total.sum()) / pairs if pairs else 0.0

    @property
    def mean_shared(self) -> float:
        """Negatives that two lists share, on average."""
        return float(self.shared.mean()) if len(self.shared) else 0.0


def pair_lists(lists: CandidateLists, n_items: int) -> tuple[ListPairs, ListPairs]:
    """Pair each case with the next one of the same target, and beside its neighbour of another.

    Where the orders of lists are drawn independently, what the pairs of the first kind agree in is
    independent, too.
    """
    by_target = np.argsort(lists.target, kind="stable")
    same = lists.target[by_target[1:]] == lists.target[by_target[:-1]]
    other = np.flatnonzero(lists.target[1:] != lists.target[:-1])

    return (
        count_pairs(lists, n_items, by_target[:-1][same], by_target[1:][same]),
        count_pairs(lists, n_items, other, other + 1),
    )


def count_pairs(
    lists: CandidateLists, n_items: int, first: NDArray[np.int64], second: NDArray[np.int64]
) -> ListPairs:
    """Return what the negatives of pairs of cases have in common."""
    negatives = np.where(lists.is_target, PADDING_ITEM, lists.candidates)
    return ListPairs(
        first,
        second,
        *null_distributions.kendall_concordance(negatives[first], negatives[second], n_items),
    )


def check_order_given_target(
    same: ListPairs, other: ListPairs, ids: Sequence[str], similar: ListPairs | None = None
) -> AuditFinding:
    """Test whether lists with the same target have their shared negatives in the same order.

    count, of: pairs in full agreement, and pairs that share two negatives or more. Where `tau` is
    as high `elsewhere`, or in lists of other targets that are as alike (`similar`), the order
    belongs to the items or to a retriever and tells of no target.
    """
    measures = {"tau": same.tau, "elsewhere": other.tau}
    if similar is not None:
        measures["similar"] = similar.tau
    leaks = max(other.tau, similar.tau if similar is not None else 0.0) < same.tau / 2
    several = same.shared >= 2
    agreeing = several & (same.total == same.shared * (same.shared - 1) // 2)
    return AuditFinding(
        "order-given-target" if leaks else "fixed-order",
        "leak" if leaks else "defect",
        int(agreeing.sum()),
        int(several.sum()),
        _ORDER if leaks else _PLACE_FIXED,
        _pair_examples(same, agreeing, ids),
        measures,
        *null_distributions.order_agreement(same.total, same.shared),
    )


def check_negatives_given_target(
    same: ListPairs,
    other: ListPairs,
    ids: Sequence[str],
    lists: CandidateLists,
    history: CaseHistories | None,
    n_items: int,
) -> AuditFinding:
    """Test whether lists with the same target share more negatives than others do.

    By the Mann-Whitney test, and only from twice as many on: users with the same target have
    similar histories, which are left out of their lists, so a few more shared ones are no leak.
    It is a leak where lists of other targets that are as alike share far fewer (`similar`, see
    `list_resemblance`); otherwise a retriever may have made them.
    """
    null_test = null_distributions.NullTest(0.0, 1.0)
    if len(other.shared) and same.mean_shared > 2 * other.mean_shared:
        test = stats.mannwhitneyu(same.shared, other.shared, alternative="greater")
        null_test = null_distributions.NullTest(float(test.statistic), float(test.pvalue))
    measures = {"shared": same.mean_shared, "elsewhere": other.mean_shared}
    leaks = True
    if null_test.p < 1:
        overlap = compare_with_similar_lists(lists, history, n_items, same.first, same.second)
        leaks = overlap.is_explained_by_target
        measures["similar"] = overlap.similar
    return AuditFinding(
        "negatives-given-target" if leaks else "negatives-resemble",
        "leak" if leaks else "note",
        int((same.shared > 0).sum()),
        len(same.shared),
        _NEGATIVES if leaks else _RESEMBLANCE,
        _pair_examples(same, same.shared > 0, ids),
        measures,
        *null_test,
    )


def check_position_uniformity(lists: CandidateLists, ids: Sequence[str]) -> AuditFinding:
    """Test on the first case of each target whether every place is as likely.

    A target that always stands at one place must not count many times: that is the finding of
    `check_position_given_target`.
    count: targets at the most frequent place. `place`: that place, 1 the first and -1 the last.
    """
    once = np.zeros(len(lists), dtype=np.bool_)
    once[np.unique(lists.target, return_index=True)[1]] = True
    results, looks = [], []
    for places, sign in ((lists.place, 1), (lists.length - 1 - lists.place, -1)):
        most = int(np.bincount(places).argmax())
        results.append((places == most, sign * (most + 1)))
        looks.append(null_distributions.position_uniformity(places[once], lists.length[once]))
    at_most_frequent, place = max(results, key=lambda result: (result[0].sum(), -abs(result[1])))
    # In lists of one length the two ends tell the same; else they are two looks at the data.
    looks = looks[:1] if len(np.unique(lists.length)) == 1 else looks
    test = min(looks, key=lambda look: look.p)
    return AuditFinding(
        "place-not-uniform",
        "leak",
        int(at_most_frequent.sum()),
        len(lists),
        _PLACE,
        tuple(ids[row] for row in np.flatnonzero(at_most_frequent)[:_MAX_EXAMPLES]),
        {"place": place, "hr@1": float(at_most_frequent.mean()), "chance": lists.chance},
        test.statistic,
        min(1.0, len(looks) * test.p),
    )


def check_sorted_lists(
    lists: CandidateLists, ids: Sequence[str], key: NDArray[np.float64], name: str
) -> AuditFinding:
    """Test whether lists rise or fall by `key` [n_items] more often than fair orders do."""
    absent = lists.candidates < 0
    is_sorted, likely = null_distributions.detect_sorted_rows(
        np.where(absent, np.nan, key[lists.candidates])
    )
    count, expected = int(is_sorted.sum()), float(likely.sum())
    return AuditFinding(
        name,
        "defect",
        count,
        len(lists),
        f"{_PLACE_FIXED} The lists are {name.replace('-', ' ')}.",
        tuple(ids[row] for row in np.flatnonzero(is_sorted)[:_MAX_EXAMPLES]),
        {"expected": expected},
        float(count),
        float(stats.poisson.sf(count - 1, expected)) if count else 1.0,
    )


def _pair_examples(
    pairs: ListPairs, rows: NDArray[np.bool_], ids: Sequence[str]
) -> tuple[str, ...]:
    example_rows = zip(pairs.first[rows][:_MAX_EXAMPLES], pairs.second[rows], strict=False)
    return tuple(f"{ids[a]} and {ids[b]}" for a, b in example_rows)


def _name_rank(names: Sequence[str]) -> NDArray[np.float64]:
    """Return the rank of each name: as numbers where all are, else as text in any case."""
    numbers = all(name.isdecimal() for name in names)
    keys = [(int(name) if numbers else 0, name.casefold()) for name in names]
    rank = {key: place for place, key in enumerate(sorted(set(keys)))}
    return np.array([rank[key] for key in keys], dtype=np.float64)
