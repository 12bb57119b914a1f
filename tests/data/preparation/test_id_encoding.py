"""Codes of ids, by the dictionary kind; also where hashes of different ids agree."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.data.preparation import id_encoding
from benchkit.data.preparation.id_encoding import chronological_order, encode_ids, factorize

IDS = st.lists(st.text(max_size=14), max_size=60)


def check(ids):
    column = pl.Series(ids, dtype=pl.String)
    codes, first = factorize(column)
    assert len(codes) == len(ids)
    assert sorted(set(codes.tolist())) == list(range(len(set(ids))))
    assert len(set(zip(codes.tolist(), ids, strict=True))) == len(set(ids))
    assert [ids[row] for row in first[codes]] == ids
    assert first.tolist() == [codes.tolist().index(code) for code in range(len(first))]


@given(IDS)
def test_equal_ids_and_no_others_have_equal_codes(ids):
    check(ids)


@pytest.mark.parametrize("values", [1, 2, 5])
@given(ids=IDS)
def test_ids_whose_hashes_agree_are_told_apart(values, ids):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_encoding, "_hashes", weak_hashes(values))
        check(ids)


def weak_hashes(values):
    """Hashes of which the first is good for so many values only."""
    return lambda ids, seed: (
        ids.hash(seed).to_numpy() if seed else ids.hash(0).to_numpy() % values << np.uint64(60)
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-4, 4)), max_size=50))
def test_rows_are_ordered_by_user_and_time_and_ties_by_row(rows):
    user, time = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    assert chronological_order(user, time).tolist() == sorted(
        range(len(rows)), key=lambda row: rows[row]
    )


def test_ids_in_many_pieces():
    pieces = [pl.Series([f"user {i % 700}" for i in range(j, j + 50)]) for j in range(0, 3_000, 50)]
    check(pl.concat(pieces, rechunk=False).to_list())
    codes, _ = factorize(pl.concat(pieces, rechunk=False))
    assert (codes[:700] == codes[700:1_400]).all()


@given(IDS.filter(bool), st.data())
def test_names_of_the_rows_left_are_sorted_and_distinct(ids, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(ids) - 1), min_size=1)), dtype=np.int64)
    column = pl.Series(ids, dtype=pl.String)
    names, places = encode_ids(column, factorize(column), rows)
    assert names == sorted({ids[row] for row in rows}, key=lambda name: name.encode())
    assert [names[place] for place in places] == [ids[row] for row in rows]
