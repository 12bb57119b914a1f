"""Sign-flip permutation test of paired differences: two-sided, of a mean of zero (Fisher 1935).

If two methods are exchangeable case by case, the sign of each difference is a fair coin, whatever
its size; the test needs no further assumption. Rank metrics have few distinct differences, so the
sum over n coins is a sum over distinct sizes d of d * (2 Bin(c, 1/2) - c), c the cases of that
size; a draw costs a few operations instead of n. All pairs share the random bits of their draws.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit import seeds

SIGN_FLIP_DRAWS = 9_999
_DECIMALS = 12  # sizes that differ by less are one size, and told apart by rounding alone
_MOST_SIZES = 512  # with more distinct sizes drawing a sign a case is cheaper
_CHUNK = 1_000  # draws at a time, so that the bits of a draw stay in the cache
_FEW = 10  # with fewer draws than this beyond the observed sum the tail is computed
_ENOUGH = 30  # cases that the computed tail needs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DifferenceCounts:
    """Differences that are not zero. size: [m] distinct absolute differences, ascending;
    plus, minus: [m] how many cases have that difference with either sign."""

    size: Floats
    plus: Ints
    minus: Ints

    @property
    def count(self) -> Ints:
        return self.plus + self.minus

    @property
    def absolute_sum(self) -> float:
        """Absolute value of the sum of the differences."""
        return abs(float(self.size @ (self.plus - self.minus)))


def count_differences(differences: ArrayLike) -> DifferenceCounts:
    """Tally of differences [n].

    >>> count_differences([0.5, -0.5, 0.5, 0.0])
    DifferenceCounts(size=array([0.5]), plus=array([2]), minus=array([1]))
    """
    d = np.round(np.asarray(differences, dtype=np.float64), _DECIMALS)
    d = d[d != 0]
    size, which = np.unique(np.abs(d), return_inverse=True)
    plus = np.bincount(which[d > 0], minlength=len(size))
    return DifferenceCounts(size, plus, np.bincount(which, minlength=len(size)) - plus)


def sign_flip_p_value(differences: ArrayLike, draws: int = SIGN_FLIP_DRAWS, seed: int = 0) -> float:
    """Two-sided p of differences [n]; see `sign_flip_p_values`."""
    return float(sign_flip_p_values([count_differences(differences)], draws, seed)[0])


def sign_flip_p_values(
    tallies: Sequence[DifferenceCounts], draws: int = SIGN_FLIP_DRAWS, seed: int = 0
) -> Floats:
    """Two-sided p of each tally: (1 + draws at least as extreme) / (1 + draws).

    With a single size, as for metrics of 0 and 1, p is exact (it is McNemar's exact test). Where
    fewer than 10 draws are as extreme, p is the saddlepoint tail, because corrections for many
    comparisons need p below what draws can resolve. Deterministic for a seed, and a pair's p does
    not depend on what it is computed with. No difference at all gives 1.
    """
    p = np.ones(len(tallies))
    small, large = [], []
    for i, own in enumerate(tallies):
        if len(own.size) == 1:
            p[i] = _exact(int(own.plus[0]), int(own.minus[0]))
        elif len(own.size) > _MOST_SIZES:
            large.append(i)
        elif len(own.size):
            small.append(i)
    for chosen, count in ((small, _extreme_by_size), (large, _extreme_by_case)):
        if chosen:
            part = [tallies[i] for i in chosen]
            extreme = count(part, draws, seed)
            p[chosen] = [
                _refine_p_value(t, int(e), draws) for t, e in zip(part, extreme, strict=True)
            ]
    return p


def _exact(plus: int, minus: int) -> float:
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(plus, minus), plus + minus, 0.5)))


def _bits(words: int, draws: int, seed: int) -> Iterable[NDArray[np.uint64]]:
    """Random bits as [words, <= _CHUNK] arrays, together `draws` wide. The first words are the
    same however many are asked for."""
    for start in range(0, draws, _CHUNK):
        rng = seeds.generator("sign-flip", seed, start)
        width = min(_CHUNK, draws - start)
        yield rng.integers(0, 2**64, size=(words, width), dtype=np.uint64)


def _extreme_by_size(tallies: Sequence[DifferenceCounts], draws: int, seed: int) -> Ints:
    """Draws with a sum at least as extreme, by counting the set bits of as many as a size has."""
    layouts = [_layout(own) for own in tallies]
    words = max(int(end[-1]) for _, end, _ in layouts) + 1
    extreme = np.zeros(len(tallies), dtype=np.int64)
    for bits in _bits(words, draws, seed):
        before = np.zeros((words + 1, bits.shape[1]), dtype=np.int32)
        np.cumsum(np.bitwise_count(bits), axis=0, dtype=np.int32, out=before[1:])
        for i, (own, (start, end, mask)) in enumerate(zip(tallies, layouts, strict=True)):
            heads = before[end] - before[start] + np.bitwise_count(bits[end] & mask[:, None])
            sums = (2 * own.size) @ heads - own.size @ own.count
            extreme[i] += int((np.abs(sums) >= own.absolute_sum - _slack(own)).sum())
    return extreme


def _layout(own: DifferenceCounts) -> tuple[Ints, Ints, NDArray[np.uint64]]:
    """The words of each size: whole from start to end, then a part of word `end` by a mask."""
    count = own.count
    whole, rest = count // 64, count % 64
    start = np.concatenate([[0], np.cumsum(whole + 1)[:-1]])
    mask = (np.uint64(1) << rest.astype(np.uint64)) - np.uint64(1)
    return start, start + whole, mask


def _extreme_by_case(tallies: Sequence[DifferenceCounts], draws: int, seed: int) -> Ints:
    """The same with a sign for each case, for metrics with very many distinct differences."""
    longest = max(int(own.count.sum()) for own in tallies)
    sizes = np.zeros((longest, len(tallies)))
    for i, own in enumerate(tallies):
        sizes[: own.count.sum(), i] = np.repeat(own.size, own.count)
    least = np.array([own.absolute_sum - _slack(own) for own in tallies])
    extreme = np.zeros(len(tallies), dtype=np.int64)
    words = -(-longest // 64)
    for bits in _bits(words, draws, seed):
        for part in range(0, bits.shape[1], 100):
            column = np.ascontiguousarray(bits[:, part : part + 100].T)
            signs = np.unpackbits(column.view(np.uint8), axis=1, count=longest)
            sums = 2 * (signs.astype(np.float64) @ sizes) - sizes.sum(axis=0)
            extreme += (np.abs(sums) >= least).sum(axis=0)
    return extreme


def _slack(own: DifferenceCounts) -> float:
    """Sums that differ by less are equal, and were summed in another order."""
    return 1e-9 * float(own.size[-1])


def _refine_p_value(own: DifferenceCounts, extreme: int, draws: int) -> float:
    if extreme < _FEW and own.count.sum() >= _ENOUGH:
        return saddlepoint_p_value(own)
    return (1 + extreme) / (1 + draws)


def saddlepoint_p_value(own: DifferenceCounts) -> float:
    """Two-sided tail of the sum of signs by Lugannani and Rice's (1980) saddlepoint formula.

    The relative error is of the order of 1 / cases. The sum is moved inward by its smallest step,
    the continuity correction where sums lie on a lattice; elsewhere it errs to the larger p.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    d, c = own.size, own.count
    x = own.absolute_sum - float(d[0])
    if x <= 0:
        return 1.0
    log_all = float(np.log(2.0) * (1 - c.sum()))
    if own.absolute_sum >= d @ c - _slack(own):
        return float(np.exp(log_all))  # every sign is the same
    high = 1.0 / float(d[-1])
    while c @ (d * np.tanh(high * d)) < x:
        high *= 2
    t = float(brentq(lambda s: float(c @ (d * np.tanh(s * d))) - x, 0.0, high, xtol=1e-14))
    # log cosh without overflow
    k = float(c @ (t * d + np.log1p(np.exp(-2 * t * d)) - np.log(2.0)))
    w = float(np.sqrt(2 * (t * x - k)))
    u = t * float(np.sqrt(c @ (d / np.cosh(np.minimum(t * d, 300.0))) ** 2))
    upper = norm.sf(w) + norm.pdf(w) * (1 / u - 1 / w)
    return float(np.clip(2 * upper, np.exp(log_all), 1.0))
