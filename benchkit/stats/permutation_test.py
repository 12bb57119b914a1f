"""p values of drawn nulls, shuffles, and the sign-flip test of paired differences.

The sign-flip test is two-sided, of a mean of zero (Fisher 1935). If two methods are exchangeable
case by case, the sign of each difference is a fair coin, whatever its size; nothing else is
assumed. Rank metrics have few distinct differences, so the sum over n coins is a sum over distinct
sizes d of d * (2 Bin(c, 1/2) - c), c the cases of that size; a draw costs a few operations instead
of n. All pairs share the random bits of their draws. Where users have several cases, "case" here
means a user, and its difference is the sum over its cases: methods are exchanged user by user.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchkit import seeds
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.bootstrap import split_draws

SIGN_FLIP_DRAWS = 9_999
_NUMBERS_AT_ONCE = 2_000_000  # shuffled numbers held in memory
_DECIMALS = 12  # sizes that differ by less are one size, and differ by rounding alone
_MAX_SIZES = 512  # with more distinct sizes drawing a sign a case is cheaper
_CHUNK = 1_000  # draws at a time, so that the bits of a draw stay in the cache
_FEW = 10  # with fewer draws than this beyond the observed sum the tail is computed
_ENOUGH = 30  # cases that the computed tail needs


def p_value_of_hits(hits: Any, draws: int) -> Any:
    """Return (1 + hits) / (1 + draws): the observed value counts as one more draw.

    Args:
        hits: How many draws are at least as extreme as what was observed; a number or an array.
        draws: Number of draws.
    """
    return (1 + hits) / (1 + draws)


def upper_tail_p_value(null: Floats, observed: float | Floats, slack: float) -> Floats:
    """Return the p value of each observed value under a drawn null, large values being extreme.

    Args:
        null: [draws] values under the null, ascending.
        observed: Any shape.
        slack: Values that are smaller by this are equal, but for rounding.
    """
    hits = len(null) - np.searchsorted(null, np.asarray(observed) - slack)
    return np.asarray(p_value_of_hits(hits, len(null)), dtype=np.float64)


def two_sided_p_value(null: Floats, observed: float, slack: float = 1e-9) -> float:
    """Return the p value of `observed` under a drawn null [draws], in any order, around zero."""
    return float(upper_tail_p_value(np.sort(np.abs(null)), abs(observed), slack))


def shuffle_rows(
    rng: np.random.Generator, rows: NDArray[Any], draws: int
) -> Iterator[NDArray[Any]]:
    """Yield chunks [m, *rows.shape] of `draws` shuffles of `rows` along its last axis."""
    for size in split_draws(draws, max(1, _NUMBERS_AT_ONCE // rows.size)):
        yield rng.permuted(np.broadcast_to(rows, (size, *rows.shape)), axis=-1)


@dataclass(frozen=True)
class DifferenceCounts:
    """Differences that are not zero, by their absolute size."""

    size: Floats
    """[m] distinct absolute differences, ascending."""
    plus: Ints
    """[m] cases that have a positive difference of that size."""
    minus: Ints
    """[m] cases that have a negative one."""

    @property
    def count(self) -> Ints:
        """[m] cases with a difference of that size."""
        return self.plus + self.minus

    @property
    def absolute_sum(self) -> float:
        """Absolute value of the sum of the differences."""
        return abs(float(self.size @ (self.plus - self.minus)))

    @property
    def least_extreme(self) -> float:
        """Absolute sum from which a draw counts as extreme as the data, but for rounding."""
        return self.absolute_sum - self.slack

    @property
    def slack(self) -> float:
        """Sums that differ by less are equal, and were summed in another order."""
        return 1e-9 * float(self.size[-1])


def count_differences(differences: ArrayLike) -> DifferenceCounts:
    """Count differences [n] by their size.

    >>> count_differences([0.5, -0.5, 0.5, 0.0])
    DifferenceCounts(size=array([0.5]), plus=array([2]), minus=array([1]))
    """
    d = np.round(np.asarray(differences, dtype=np.float64), _DECIMALS)
    d = d[d != 0]
    size, codes = np.unique(np.abs(d), return_inverse=True)
    plus = np.bincount(codes[d > 0], minlength=len(size))
    return DifferenceCounts(size, plus, np.bincount(codes, minlength=len(size)) - plus)


def sign_flip_p_value(differences: ArrayLike, draws: int = SIGN_FLIP_DRAWS, seed: int = 0) -> float:
    """Return the two-sided p of differences [n]; see `sign_flip_p_values`."""
    return float(sign_flip_p_values([count_differences(differences)], draws, seed)[0])


def sign_flip_p_values(
    counts: Sequence[DifferenceCounts], draws: int = SIGN_FLIP_DRAWS, seed: int = 0
) -> Floats:
    """Return the two-sided p of each: (1 + draws at least as extreme) / (1 + draws).

    With a single size, as for metrics of 0 and 1, p is exact (it is McNemar's exact test). Where
    fewer than 10 draws are as extreme, p is the saddlepoint tail, because corrections for many
    comparisons need p below what draws can resolve. Deterministic for a seed, and a pair's p does
    not depend on what it is computed with. No difference at all gives 1.
    """
    p = np.ones(len(counts))
    few_sizes, many_sizes = [], []
    for i, pair in enumerate(counts):
        if len(pair.size) == 1:
            p[i] = _exact(int(pair.plus[0]), int(pair.minus[0]))
        elif len(pair.size) > _MAX_SIZES:
            many_sizes.append(i)
        elif len(pair.size):
            few_sizes.append(i)
    for indices, count_hits in ((few_sizes, _hits_by_size), (many_sizes, _hits_by_case)):
        if indices:
            part = [counts[i] for i in indices]
            hits = count_hits(part, draws, seed).tolist()
            p[indices] = [
                _refine_p_value(pair, n, draws) for pair, n in zip(part, hits, strict=True)
            ]
    return p


def _exact(plus: int, minus: int) -> float:
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(plus, minus), plus + minus, 0.5)))


def _draw_bits(words: int, draws: int, seed: int) -> Iterator[NDArray[np.uint64]]:
    """Yield random bits as [words, <= _CHUNK] arrays, together `draws` wide.

    The first words are the same, whatever their number.
    """
    for chunk, width in enumerate(split_draws(draws, _CHUNK)):
        rng = seeds.generator("sign-flip", seed, chunk * _CHUNK)
        yield rng.integers(0, 2**64, size=(words, width), dtype=np.uint64)


def _hits_by_size(counts: Sequence[DifferenceCounts], draws: int, seed: int) -> Ints:
    """Return [pairs] draws with a sum at least as extreme, by counting set bits for each size."""
    layouts = [_layout(pair) for pair in counts]
    words = max(int(end[-1]) for _, end, _ in layouts) + 1
    hits = np.zeros(len(counts), dtype=np.int64)
    for bits in _draw_bits(words, draws, seed):
        before = np.zeros((words + 1, bits.shape[1]), dtype=np.int32)
        np.cumsum(np.bitwise_count(bits), axis=0, dtype=np.int32, out=before[1:])
        for i, (pair, (start, end, mask)) in enumerate(zip(counts, layouts, strict=True)):
            heads = before[end] - before[start] + np.bitwise_count(bits[end] & mask[:, None])
            sums = (2 * pair.size) @ heads - pair.size @ pair.count
            hits[i] += int((np.abs(sums) >= pair.least_extreme).sum())
    return hits


def _layout(pair: DifferenceCounts) -> tuple[Ints, Ints, NDArray[np.uint64]]:
    """Return each size's words: whole from start to end, then a part of word `end` by a mask."""
    count = pair.count
    whole, rest = count // 64, count % 64
    start = np.concatenate([[0], np.cumsum(whole + 1)[:-1]])
    mask = (np.uint64(1) << rest.astype(np.uint64)) - np.uint64(1)
    return start, start + whole, mask


def _hits_by_case(counts: Sequence[DifferenceCounts], draws: int, seed: int) -> Ints:
    """Return the same with a sign for each case, for very many distinct differences."""
    longest = max(int(pair.count.sum()) for pair in counts)
    sizes = np.zeros((longest, len(counts)))
    for i, pair in enumerate(counts):
        sizes[: pair.count.sum(), i] = np.repeat(pair.size, pair.count)
    least = np.array([pair.least_extreme for pair in counts])
    hits = np.zeros(len(counts), dtype=np.int64)
    for bits in _draw_bits(-(-longest // 64), draws, seed):
        for part in range(0, bits.shape[1], 100):
            column = np.ascontiguousarray(bits[:, part : part + 100].T)
            signs = np.unpackbits(column.view(np.uint8), axis=1, count=longest)
            sums = 2 * (signs.astype(np.float64) @ sizes) - sizes.sum(axis=0)
            hits += (np.abs(sums) >= least).sum(axis=0)
    return hits


def _refine_p_value(pair: DifferenceCounts, hits: int, draws: int) -> float:
    if hits < _FEW and pair.count.sum() >= _ENOUGH:
        return saddlepoint_p_value(pair)
    return float(p_value_of_hits(hits, draws))


def saddlepoint_p_value(pair: DifferenceCounts) -> float:
    """Return the two-sided tail of the sum of signs by the saddlepoint formula.

    The relative error is of the order of 1 / cases. The sum is moved inward by its smallest step,
    the continuity correction where sums lie on a lattice; elsewhere it errs to the larger p.

    Reference: Lugannani and Rice (1980).
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    d, c = pair.size, pair.count
    x = pair.absolute_sum - float(d[0])
    if x <= 0:
        return 1.0
    log_all = float(np.log(2.0) * (1 - c.sum()))
    if pair.absolute_sum >= d @ c - pair.slack:
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
