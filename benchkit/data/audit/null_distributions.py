"""What fair lists look like: the laws that the order tests compare with.

In a fair list every order is as likely as any other, whatever the target. Places are then
independent and uniform, and the laws below are known without drawing a single list.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

_MIN_EXPECTED_COUNT = 5.0  # the expected count below which cells of a chi-square test are merged
_BLOCK = 4096  # pairs of lists compared at once: bounds memory


class NullTest(NamedTuple):
    """One-sided: a large statistic speaks against fair lists."""

    statistic: float
    p: float


class ListAgreement(NamedTuple):
    """How many pairs of cases agree."""

    pairs: int
    """Pairs with something in common."""
    n_equal: int
    """Pairs that agree."""
    expected: float
    """Pairs that agree by chance, on average."""
    test: NullTest

    @property
    def share(self) -> float:
        """Share of pairs that agree."""
        return self.n_equal / self.pairs if self.pairs else 0.0


def position_agreement(
    group: NDArray[np.int64], length: NDArray[np.int64], place: NDArray[np.int64]
) -> ListAgreement:
    """Count how often two places of one group and length are equal.

    group, length, place: [n], with 0 <= place < length. For uniform places the number S of equal
    pairs has, with q = 1 / length, N pairs and T triples in a group: mean sum(N q), variance
    sum(N q (1 - q)) and third central moment sum(N q (1 - q)(1 - 2 q) + 6 T (q^2 - q^3)); pairs
    that share a place are uncorrelated, and of the triples of pairs only triangles correlate.
    The tail is that of the Pearson type III law with these three moments. Where groups prefer the
    same places, S is compared with that, too, and the larger p is returned.
    """
    kind, member, size = np.unique(
        np.stack([group, length], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    q = 1.0 / kind[:, 1]
    pairs, triples = special.comb(size, 2), special.comb(size, 3)
    cells = member.reshape(-1) * (int(length.max(initial=0)) + 1) + place
    same = int(special.comb(np.unique(cells, return_counts=True)[1], 2).sum())
    mean = float((pairs * q).sum())
    variance = float((pairs * q * (1 - q)).sum())
    third = float((pairs * q * (1 - q) * (1 - 2 * q) + 6 * triples * (q**2 - q**3)).sum())
    if variance <= 0:  # no pair, or lists of one candidate
        return ListAgreement(int(pairs.sum()), same, mean, NullTest(0.0, 1.0))
    deviation = math.sqrt(variance)
    p = stats.pearson3.sf(same - 0.5, third / deviation**3, loc=mean, scale=deviation)
    p = max(float(p), _preferred_places_p_value(kind, member.reshape(-1), place, same))
    return ListAgreement(
        int(pairs.sum()), same, mean, NullTest((same - mean) / deviation, float(np.clip(p, 0, 1)))
    )


def _preferred_places_p_value(
    kind: NDArray[np.int64], member: NDArray[np.int64], place: NDArray[np.int64], same: int
) -> float:
    """Return the p of `same` equal pairs where every group draws from one distribution of places.

    For each length, that distribution has the probability q of an equal pair that pairs from
    different groups show, and r of three equal places, by the places of all. Then S has mean
    sum(N q) and variance sum(N q (1 - q) + 6 T (r - q^2)); its tail is normal.

    Args:
        kind: [g, 2] group and length of the distinct groups.
        member: [n] the group of each place.
        place: [n] places.
        same: Equal pairs within groups.
    """
    mean = variance = 0.0
    for length in np.unique(kind[:, 1]).tolist():
        rows = np.flatnonzero(kind[member, 1] == length)
        sizes = np.bincount(member[rows])
        counts = np.bincount(place[rows], minlength=length)
        cells = np.unique(member[rows] * length + place[rows], return_counts=True)[1]
        n_within = float(special.comb(sizes, 2).sum())
        n_between = float(special.comb(len(rows), 2)) - n_within
        if n_between <= 0:
            continue
        equal = float(special.comb(counts, 2).sum() - special.comb(cells, 2).sum())
        q = min(max(equal / n_between, 0.0), 1.0)
        r = max(float(((counts / len(rows)) ** 3).sum()), q * q)
        mean += n_within * q
        variance += n_within * q * (1 - q) + 6 * float(special.comb(sizes, 3).sum()) * (r - q * q)
    if variance <= 0:
        return float(same <= mean)
    return float(stats.norm.sf((same - 0.5 - mean) / math.sqrt(variance)))


def position_uniformity(place: NDArray[np.int64], length: NDArray[np.int64]) -> NullTest:
    """Test places [n] against uniform ones in lists of `length` [n] by Pearson's chi-square.

    Neighbouring places are merged until 5 are expected in each cell. With lists of different
    lengths the counts vary less than the test assumes, which is conservative.
    """
    width = int(length.max(initial=1))
    observed = np.bincount(place, minlength=width).astype(np.float64)
    sizes, lists = np.unique(length, return_counts=True)
    expected = (lists / sizes) @ (np.arange(width) < sizes[:, None])
    wide = max(_MIN_EXPECTED_COUNT, float(expected.max()))
    cells = int(expected.sum() / wide + 1e-9)
    if cells < 2:
        return NullTest(0.0, 1.0)
    middle = np.cumsum(expected) - expected / 2
    cell = np.minimum((middle / wide).astype(np.int64), cells - 1)
    difference = np.bincount(cell, observed - expected)
    statistic = float((difference**2 / np.bincount(cell, expected)).sum())
    return NullTest(statistic, float(stats.chi2.sf(statistic, cells - 1)))


def kendall_concordance(
    first: NDArray[np.int64], second: NDArray[np.int64], n_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return Kendall's sum of each pair of lists over their shared items, and the number of these.

    first, second: [n, width] codes, negative where there is no item. The sum of a pair counts
    +1 for two shared items in the same order in both lists and -1 for the other order.
    """
    total = np.zeros(len(first), dtype=np.int64)
    shared = np.zeros(len(first), dtype=np.int64)
    for start in range(0, len(first), _BLOCK):
        block = slice(start, start + _BLOCK)
        total[block], shared[block] = _kendall(first[block], second[block], n_items)
    return total, shared


def order_agreement(total: NDArray[np.int64], shared: NDArray[np.int64]) -> NullTest:
    """Test whether independent pairs of lists agree in order: z of the summed Kendall sums.

    For m shared items the sum has mean 0 and variance m (m - 1)(2 m + 5) / 18 (Kendall 1938).
    """
    m = shared.astype(np.float64)
    variance = float((m * (m - 1) * (2 * m + 5) / 18).sum())
    if variance == 0:
        return NullTest(0.0, 1.0)
    z = float(total.sum()) / math.sqrt(variance)
    return NullTest(z, float(stats.norm.sf(z)))


def detect_sorted_rows(keys: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Find the rows [n, width] that rise or fall throughout, and how likely a fair order does, [n].

    keys: NaN at the end of shorter rows. Ties fit either direction; a row of equal keys says
    nothing and counts as unsorted with probability 0.
    """
    step = np.diff(keys, axis=1)
    rises: NDArray[np.bool_] = (step >= 0) | np.isnan(step)
    falls: NDArray[np.bool_] = (step <= 0) | np.isnan(step)
    rising, falling = rises.all(axis=1), falls.all(axis=1)
    ordered = np.sort(keys, axis=1)  # NaN last
    new = np.ones_like(keys, dtype=np.bool_)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # log(t!) of each run of ties, summed as log(1) + ... + log(t) along the run.
    begin = np.maximum.accumulate(np.where(new, np.arange(keys.shape[1]), 0), axis=1)
    run = np.where(np.isnan(ordered), 1, np.arange(keys.shape[1]) - begin + 1)
    length = np.count_nonzero(~np.isnan(keys), axis=1)
    log_chance = np.log(2) + np.log(run).sum(axis=1) - special.gammaln(length + 1)
    flat = rising & falling
    is_sorted: NDArray[np.bool_] = np.logical_xor(rising, falling)
    return is_sorted, np.where(flat, 0.0, np.minimum(1.0, np.exp(log_chance)))


def _kendall(
    first: NDArray[np.int64], second: NDArray[np.int64], n_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n, width = first.shape
    row = np.arange(n)[:, None] * n_items
    keys = np.where(second < 0, -1, row + second).ravel()
    order = np.argsort(keys, kind="stable")
    wanted = row + first
    at = np.searchsorted(keys[order], wanted).clip(max=len(keys) - 1)
    is_shared = (keys[order][at] == wanted) & (first >= 0)
    shared = is_shared.sum(axis=1)
    some = np.flatnonzero(shared >= 2)
    total = np.zeros(n, dtype=np.int64)
    places = np.where(is_shared[some], order[at[some]] % width, 0).astype(np.int16)
    # Places in `first` rise with the column, so the upper triangle of differences is all.
    difference = np.sign(places[:, None, :] - places[:, :, None])
    both = is_shared[some][:, None, :] & is_shared[some][:, :, None]
    total[some] = (np.triu(np.ones((width, width), np.int16), 1) * difference * both).sum((1, 2))
    return total, shared


def count_test(
    count: int, likely: NDArray[np.float64], alternative: Literal["greater", "less"]
) -> NullTest:
    """Test a count of independent events that happen with probabilities `likely` [n].

    p is Chernoff's bound on the tail, min over t >= 0 of E[exp(t S)] exp(-t count), which is never
    too small, and exact where nothing beyond `count` is possible.

    >>> round(count_test(3, np.array([0.1, 0.1, 0.1, 1.0]), "greater").p, 6)  # 1 is certain
    0.06075
    """
    if alternative == "less":
        count, likely = len(likely) - count, 1 - likely
    count -= int((likely >= 1).sum())
    chances = likely[(likely > 0) & (likely < 1)]
    mean = float(chances.sum())
    excess = float(count - mean)
    if count <= mean:
        return NullTest(excess, 1.0)
    if count > len(chances):
        return NullTest(excess, 0.0)
    if count == len(chances):
        return NullTest(excess, float(np.exp(np.log(chances).sum())))
    values, times = np.unique(chances, return_counts=True)
    odds = np.log(values) - np.log1p(-values)

    def mean_when_tilted(t: float) -> float:
        return float((times * special.expit(odds + t)).sum()) - count

    highest = 1.0
    while mean_when_tilted(highest) < 0:
        highest *= 2
    t = optimize.brentq(mean_when_tilted, 0.0, highest)
    logs = np.logaddexp(np.log1p(-values), np.log(values) + t)
    return NullTest(excess, float(np.exp(min(0.0, float((times * logs).sum()) - t * count))))
