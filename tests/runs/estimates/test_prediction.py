"""From figures at some sizes to the figure at another one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.runs.estimates.prediction import SizedValue, predict_value

POSITIVE = st.floats(0.01, 1e6)
RECORDS = st.lists(st.builds(SizedValue, POSITIVE, POSITIVE), min_size=1, max_size=6)


def records(*pairs):
    return [SizedValue(*pair) for pair in pairs]


def test_one_record_is_scaled_in_proportion():
    same = predict_value(records((100, 8)), 100, 1.5)
    assert (same.value, same.low, same.high) == pytest.approx((8, 8 / 1.5, 12))
    double = predict_value(records((100, 8)), 200, 1.5)
    assert double.value == pytest.approx(16)
    # (log 1.5 / 2)² for the record and (0.25 * log 2)² for the slope, times two standard errors.
    reach = 2 * math.sqrt((math.log(1.5) / 2) ** 2 + (0.25 * math.log(2)) ** 2)
    assert double.high == pytest.approx(16 * math.exp(reach))


def test_repeated_records_give_their_geometric_mean_and_their_spread():
    forecast = predict_value(records((1, 2), (1, 8)), 1, 1.5)
    assert forecast.value == pytest.approx(4)
    # Two further runs of the stated spread, and two residuals of log 2 (one degree of freedom).
    variance = (2 * (math.log(1.5) / 2) ** 2 + 2 * math.log(2) ** 2) / 3
    assert forecast.high == pytest.approx(4 * math.exp(2 * math.sqrt(variance)))


def test_between_sizes_the_figure_lies_on_a_line_of_logarithms():
    assert predict_value(records((1, 1), (100, 10)), 10, 1.5).value == pytest.approx(10**0.5)


def test_beyond_them_the_slope_is_shrunk_towards_the_order_of_the_card():
    # Four times the size took twice as long: a slope of 0.5. Spread of sizes: log(4)² / 2.
    spread = math.log(4) ** 2 / 2
    slope = (0.5 * spread + 0.5) / (spread + 0.5)
    forecast = predict_value(records((1, 1), (4, 2)), 8, 1.5)
    assert forecast.value == pytest.approx(2 * 2**slope)


@given(RECORDS, POSITIVE, POSITIVE)
def test_a_larger_size_never_costs_less(past, first, second):
    smaller, larger = sorted((first, second))
    at_smaller, at_larger = (predict_value(past, size, 1.5) for size in (smaller, larger))
    assert at_smaller.value <= at_larger.value * (1 + 1e-9)


@given(POSITIVE, POSITIVE, st.floats(1.01, 10))
def test_the_size_of_a_single_record_gives_that_record(size, value, factor):
    forecast = predict_value(records((size, value)), size, factor)
    assert forecast.value == pytest.approx(value)
    assert forecast.high / forecast.value == pytest.approx(factor)


@given(RECORDS, POSITIVE)
def test_a_figure_lies_in_its_range(past, size):
    forecast = predict_value(past, size, 1.5)
    assert 0 < forecast.low < forecast.value < forecast.high
    assert math.isfinite(forecast.high)
