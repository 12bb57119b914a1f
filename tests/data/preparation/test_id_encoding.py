"""Codes of ids, by the dictionary kind; also where hashes of different ids agree."""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.data import disk_table
from benchkit.data.preparation import id_encoding
from benchkit.data.preparation.id_encoding import chronological_order, encode_ids, factorize

IDS = st.lists(st.text(max_size=14), max_size=60)


def in_memory(ids):
    return pl.DataFrame({"id": pl.Series(ids, dtype=pl.String)})


@contextmanager
def small_parts(rows):
    """Yield a function that writes ids into a table on disk, in chunks of so many rows."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(disk_table, "CHUNK_ROWS", rows)
        patch.setattr(id_encoding, "_PART", rows)

        def on_disk(ids):
            writer = disk_table.DiskWriter({"id": pl.String()}, Path(folder))
            for name in ids:
                writer.append(in_memory([name]))
            return writer.finish()

        yield on_disk


def check(ids, make_table=in_memory):
    codes, first = factorize(make_table(ids), "id")
    assert len(codes) == len(ids)
    assert sorted(set(codes.tolist())) == list(range(len(set(ids))))
    assert len(set(zip(codes.tolist(), ids, strict=True))) == len(set(ids))
    assert [ids[row] for row in first[codes]] == ids
    assert first.tolist() == [codes.tolist().index(code) for code in range(len(first))]


@given(IDS)
def test_equal_ids_and_no_others_have_equal_codes(ids):
    check(ids)


@given(IDS, st.integers(1, 7))
def test_ids_on_disk_have_the_codes_that_they_have_in_memory(ids, rows):
    with small_parts(rows) as on_disk:
        check(ids, on_disk)
        for one, other in zip(
            factorize(on_disk(ids), "id"), factorize(in_memory(ids), "id"), strict=True
        ):
            assert one.tolist() == other.tolist()


@pytest.mark.parametrize("values", [1, 2, 5])
@given(ids=IDS, rows=st.integers(1, 7))
def test_ids_whose_hashes_agree_are_told_apart(values, ids, rows):
    with pytest.MonkeyPatch.context() as patch, small_parts(rows) as on_disk:
        patch.setattr(id_encoding, "_hashes", weak_hashes(values, id_encoding._hashes))
        check(ids)
        check(ids, on_disk)


def weak_hashes(values, hashes):
    """Hashes of which the first is good for so many values only."""
    return lambda *column, seed: (
        hashes(*column, seed=seed) if seed else hashes(*column, seed=0) % values << np.uint64(60)
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
    codes, _ = factorize(pl.DataFrame({"id": pl.concat(pieces, rechunk=False)}), "id")
    assert (codes[:700] == codes[700:1_400]).all()


@given(IDS.filter(bool), st.data())
def test_names_of_the_rows_left_are_sorted_and_distinct(ids, data):
    rows = np.array(data.draw(st.lists(st.integers(0, len(ids) - 1), min_size=1)), dtype=np.int64)
    table = in_memory(ids)
    names, places = encode_ids(table, "id", factorize(table, "id"), rows)
    assert names == sorted({ids[row] for row in rows}, key=lambda name: name.encode())
    assert [names[place] for place in places] == [ids[row] for row in rows]
