"""Does the order of a list tell which of its items is the target?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchkit.data.audit import chance
from benchkit.data.audit.cases import ABSENT, AuditCases, Lists
from benchkit.data.audit.finding import Finding
from benchkit.data.audit.lists import repeated_cases
from benchkit.data.audit.places import guess, one_place, same_elsewhere, targets
from benchkit.data.audit.popularity import counts

_SHOWN = 5
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
_PLACE = "The target prefers some places: naming the most frequent place has the HR@1 given here."


def tests(cases: AuditCases) -> list[Finding]:
    """Every test of the order as a finding with its raw p; which of them count is decided later."""
    keep = (cases.lists.is_target.sum(axis=1) == 1) & (cases.lists.length > 1)
    keep &= ~repeated_cases(cases)
    ids = [cases.ids[row] for row in np.flatnonzero(keep).tolist()]
    lists, known = cases.lists.rows(keep), cases.known
    if not ids:
        return []
    if known is not None:
        known = known.rows((known.is_target.sum(axis=1) == 1) & (known.length > 1))
    same, other = compared(lists, len(cases.names))
    return [
        place_given_target(lists, known, cases.names),
        order_given_target(same, other, ids),
        negatives_given_target(same, other, ids),
        place_uniform(lists, ids),
        sorted_lists(lists, ids, _by_name(cases.names), "sorted-by-name"),
        sorted_lists(lists, ids, counts(cases), "sorted-by-popularity"),
    ]


def place_given_target(lists: Lists, known: Lists | None, names: Sequence[str]) -> Finding:
    """Do cases with the same target have it at the same place?

    count, of: repeated targets that stand at one place only, and repeated targets.
    measures: `hr@1` of `places.guess`, and `chance`. `same_place`: of all pairs of cases with the
    same target, those that agree in its place. `elsewhere`: how often the same item stands there
    when it is a negative; where that is nearer to `same_place` than to chance, the place belongs
    to the item, and no target leaks.
    """
    placed = targets(lists, known)
    agreement = chance.same_place(*placed)
    repeated, fixed, examples = one_place(placed, names)
    elsewhere = same_elsewhere(placed, lists)
    level = lists.chance
    leaks = elsewhere < (agreement.share + level) / 2
    return Finding(
        "place-given-target" if leaks else "fixed-places",
        "leak" if leaks else "defect",
        fixed,
        repeated,
        _PLACE_LEAK if leaks else _PLACE_FIXED,
        examples,
        {
            "hr@1": guess(lists, placed),
            "chance": level,
            "same_place": agreement.share,
            "elsewhere": elsewhere,
        },
        *agreement.test,
    )


class Compared(NamedTuple):
    """Pairs of cases: rows, Kendall's sum over the negatives that both lists have, their number."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    total: NDArray[np.int64]
    shared: NDArray[np.int64]

    @property
    def tau(self) -> float:
        """Kendall's tau over all pairs of shared negatives; 0 where there are none."""
        pairs = int((self.shared * (self.shared - 1) // 2).sum())
        return float(self.total.sum()) / pairs if pairs else 0.0

    @property
    def mean_shared(self) -> float:
        """Negatives that two lists share, on average."""
        return float(self.shared.mean()) if len(self.shared) else 0.0


def compared(lists: Lists, n_items: int) -> tuple[Compared, Compared]:
    """Each case beside the next one of the same target, and beside its neighbour of another.

    Where the orders of lists are drawn independently, what the pairs of the first kind agree in is
    independent, too.
    """
    negatives = np.where(lists.is_target, ABSENT, lists.candidates)
    by_target = np.argsort(lists.target, kind="stable")
    same = lists.target[by_target[1:]] == lists.target[by_target[:-1]]
    other = np.flatnonzero(lists.target[1:] != lists.target[:-1])

    def pairs(first: NDArray[np.int64], second: NDArray[np.int64]) -> Compared:
        found = chance.concordance(negatives[first], negatives[second], n_items)
        return Compared(first, second, *found)

    return pairs(by_target[:-1][same], by_target[1:][same]), pairs(other, other + 1)


def order_given_target(same: Compared, other: Compared, ids: Sequence[str]) -> Finding:
    """Do lists with the same target have the negatives that they share in the same order?

    count, of: pairs in full agreement, and pairs that share two negatives or more. Where `tau` is
    as high `elsewhere`, the order belongs to the items and tells of no target.
    """
    leaks = other.tau < same.tau / 2
    several = same.shared >= 2
    agreeing = several & (same.total == same.shared * (same.shared - 1) // 2)
    return Finding(
        "order-given-target" if leaks else "fixed-order",
        "leak" if leaks else "defect",
        int(agreeing.sum()),
        int(several.sum()),
        _ORDER if leaks else _PLACE_FIXED,
        _pairs(same, agreeing, ids),
        {"tau": same.tau, "elsewhere": other.tau},
        *chance.same_order(same.total, same.shared),
    )


def negatives_given_target(same: Compared, other: Compared, ids: Sequence[str]) -> Finding:
    """Do lists with the same target share more negatives than others do?

    By the Mann-Whitney test, and only from twice as many on: users with the same target have
    similar histories, which are left out of their lists, so a few more shared ones are no leak.
    """
    found = chance.Result(0.0, 1.0)
    if len(other.shared) and same.mean_shared > 2 * other.mean_shared:
        test = stats.mannwhitneyu(same.shared, other.shared, alternative="greater")
        found = chance.Result(float(test.statistic), float(test.pvalue))
    return Finding(
        "negatives-given-target",
        "leak",
        int((same.shared > 0).sum()),
        len(same.shared),
        _NEGATIVES,
        _pairs(same, same.shared > 0, ids),
        {"shared": same.mean_shared, "elsewhere": other.mean_shared},
        *found,
    )


def place_uniform(lists: Lists, ids: Sequence[str]) -> Finding:
    """Is every place as likely? Tested on the first case of each target.

    A target that always stands at one place (`place_given_target`) must not count many times.
    count: targets at the most frequent place. `place`: that place, 1 the first and -1 the last.
    """
    once = np.zeros(len(lists), dtype=np.bool_)
    once[np.unique(lists.target, return_index=True)[1]] = True
    results, looks = [], []
    for places, sign in ((lists.place, 1), (lists.length - 1 - lists.place, -1)):
        most = int(np.bincount(places).argmax())
        results.append((places == most, sign * (most + 1)))
        looks.append(chance.uniform(places[once], lists.length[once]))
    there, place = max(results, key=lambda result: (result[0].sum(), -abs(result[1])))
    # In lists of one length the two ends tell the same; else they are two looks at the data.
    looks = looks[:1] if len(np.unique(lists.length)) == 1 else looks
    test = min(looks, key=lambda look: look.p)
    return Finding(
        "place-not-uniform",
        "leak",
        int(there.sum()),
        len(lists),
        _PLACE,
        tuple(ids[row] for row in np.flatnonzero(there)[:_SHOWN]),
        {"place": place, "hr@1": float(there.mean()), "chance": lists.chance},
        test.statistic,
        min(1.0, len(looks) * test.p),
    )


def sorted_lists(lists: Lists, ids: Sequence[str], key: NDArray[np.float64], name: str) -> Finding:
    """Do lists rise or fall by `key` [n_items] more often than fair orders do?"""
    absent = lists.candidates < 0
    found, likely = chance.sorted_rows(np.where(absent, np.nan, key[lists.candidates]))
    count, expected = int(found.sum()), float(likely.sum())
    return Finding(
        name,
        "defect",
        count,
        len(lists),
        f"{_PLACE_FIXED} The lists are {name.replace('-', ' ')}.",
        tuple(ids[row] for row in np.flatnonzero(found)[:_SHOWN]),
        {"expected": expected},
        float(count),
        float(stats.poisson.sf(count - 1, expected)) if count else 1.0,
    )


def _pairs(pairs: Compared, rows: NDArray[np.bool_], ids: Sequence[str]) -> tuple[str, ...]:
    shown = zip(pairs.first[rows][:_SHOWN], pairs.second[rows], strict=False)
    return tuple(f"{ids[a]} and {ids[b]}" for a, b in shown)


def _by_name(names: Sequence[str]) -> NDArray[np.float64]:
    """The rank of each name: as numbers where all are, else as text without regard to case."""
    numbers = all(name.isdecimal() for name in names)
    keys = [(int(name) if numbers else 0, name.casefold()) for name in names]
    rank = {key: place for place, key in enumerate(sorted(set(keys)))}
    return np.array([rank[key] for key in keys], dtype=np.float64)
