"""Bins of examples: none lost, none too full."""

from hypothesis import given
from hypothesis import strategies as st

from benchkit.lm.packing.bins import fill_bins, fill_padded_bins

SIZES = st.lists(st.integers(1, 300), max_size=60)


@given(sizes=SIZES, limit=st.integers(1, 400))
def test_each_example_is_in_one_bin_and_bins_keep_their_limit(sizes, limit):
    bins = fill_bins(sizes, limit)
    assert sorted(example for each in bins for example in each) == list(range(len(sizes)))
    for each in bins:
        assert len(each) == 1 or sum(sizes[example] for example in each) <= limit


@given(sizes=SIZES, limit=st.integers(1, 400))
def test_the_order_of_examples_is_that_of_the_bins(sizes, limit):
    bins = fill_bins(sizes, limit)
    assert all(each == sorted(each) for each in bins)
    assert [each[0] for each in bins] == sorted(each[0] for each in bins)


@given(sizes=SIZES, limit=st.integers(300, 1000))
def test_all_bins_but_one_are_more_than_half_full(sizes, limit):
    fills = [sum(sizes[example] for example in each) for each in fill_bins(sizes, limit)]
    assert sum(2 * fill <= limit for fill in fills) <= 1


def test_what_fits_exactly_shares_a_bin():
    assert fill_bins([6, 5, 4, 5], 10) == [[0, 2], [1, 3]]


@given(sizes=SIZES, limit=st.integers(1, 400))
def test_bins_by_size_keep_their_limit_with_padding(sizes, limit):
    bins = list(fill_padded_bins(range(len(sizes)), sizes, limit))
    assert sorted(example for each in bins for example in each) == list(range(len(sizes)))
    for each in bins:
        assert len(each) == 1 or len(each) * max(sizes[example] for example in each) <= limit
