"""From figures at some sizes to the figure at another size, with a range.

A size is what the card's order of growth makes of the data, so that a figure grows in proportion to
it if the card is right. Between recorded sizes the figure lies on straight lines of logarithms;
beyond them it grows with the slope of the records, which is shrunk towards the card's: one record,
or records of one size, say nothing of a slope.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchkit.runs.estimates.expected_costs import Forecast

_LEAST = 1e-3  # what is less is not measured
_SLOPE_WEIGHT = 0.5  # the card's order counts as much as records that spread so far (log² units)
_STEEPEST = 2.0  # times the card's exponent
_SLOPE_ERROR = 0.25  # standard error of the slope
_PRIOR_RUNS = 2  # the stated spread counts as if it came from so many further runs
_RANGE_WIDTH = 2.0  # standard errors from the figure to an end of its range


@dataclass(frozen=True)
class SizedValue:
    """A figure that was measured at some size."""

    size: float
    value: float


def predict_value(records: Sequence[SizedValue], size: float, factor: float) -> Forecast:
    """Return the figure at a size; it never falls as the size grows.

    Args:
        records: What was measured, at least one.
        size: The size to predict for.
        factor: The range of a figure that rests on one record of this size: from the figure divided
            by it to the figure times it. The spread of several records corrects it.
    """
    groups: dict[float, list[float]] = defaultdict(list)
    for record in records:
        groups[math.log(record.size)].append(math.log(max(record.value, _LEAST)))
    sizes = sorted(groups)
    levels = _make_monotone([(_mean(groups[x]), len(groups[x])) for x in sizes])
    place = math.log(size)
    level = _interpolate(sizes, levels, place, _fit_slope(groups))
    residuals = [y - _mean(values) for values in groups.values() for y in values]
    prior = math.log(factor) / _RANGE_WIDTH
    freedom = len(records) - len(groups)
    variance = _PRIOR_RUNS * prior**2 + sum(r * r for r in residuals)
    variance /= _PRIOR_RUNS + freedom
    distance = min(abs(place - x) for x in sizes)
    reach = _RANGE_WIDTH * math.sqrt(variance + (_SLOPE_ERROR * distance) ** 2)
    value = math.exp(level)
    return Forecast(value=value, low=math.exp(level - reach), high=math.exp(level + reach))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _fit_slope(groups: dict[float, list[float]]) -> float:
    """Return the slope of figures over sizes, both as logarithms, shrunk towards 1."""
    pairs = [(x, y) for x, values in groups.items() for y in values]
    mean_x, mean_y = (_mean([pair[axis] for pair in pairs]) for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _ in pairs)
    together = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    slope = (together + _SLOPE_WEIGHT) / (spread + _SLOPE_WEIGHT)
    return min(max(slope, 0.0), _STEEPEST)


def _make_monotone(levels: Sequence[tuple[float, int]]) -> list[float]:
    """Return levels that never fall, by pooling neighbours that do (isotonic regression).

    Args:
        levels: A level and its weight, by growing size.
    """
    pools: list[tuple[float, int, int]] = []  # level, weight, how many levels
    for level, weight in levels:
        pools.append((level, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            last, before = pools.pop(), pools.pop()
            total = last[1] + before[1]
            mean = (last[0] * last[1] + before[0] * before[1]) / total
            pools.append((mean, total, last[2] + before[2]))
    return [level for level, _, count in pools for _ in range(count)]


def _interpolate(
    sizes: Sequence[float], levels: Sequence[float], place: float, slope: float
) -> float:
    if place <= sizes[0]:
        return levels[0] + slope * (place - sizes[0])
    if place >= sizes[-1]:
        return levels[-1] + slope * (place - sizes[-1])
    after = bisect_left(sizes, place)
    share = (place - sizes[after - 1]) / (sizes[after] - sizes[after - 1])
    return levels[after - 1] + share * (levels[after] - levels[after - 1])
