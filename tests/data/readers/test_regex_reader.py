"""Text files read line by line, and records that are Python literals or blocks."""

import gzip
import io

import numpy as np
import polars as pl
import pytest

from benchkit.data.readers import python_literal_reader, regex_reader
from benchkit.data.readers.python_literal_reader import (
    RecordField,
    as_day_timestamp,
    as_integer,
    as_number,
    as_text,
    read_record_texts,
    read_records,
)
from benchkit.data.readers.regex_reader import read_regex_lines
from benchkit.errors import DataError

PAIR = r"(?P<a>\d+),(?P<b>.*)"


def lines(data, header=""):
    return read_regex_lines(io.BytesIO(data), "x.csv", PAIR, "a,b", header)


@pytest.mark.parametrize("block", [1, 7, 1 << 24])
def test_blocks_do_not_change_what_is_read(monkeypatch, block):
    monkeypatch.setattr(regex_reader, "_BLOCK", block)
    data = "1,é\r\n\n2,x\nbad\n3,ü".encode() + b"\n4,\xe9\n5,"
    found = lines(data)
    assert found.rows.rows() == [("1", "é"), ("2", "x"), ("3", "ü"), ("4", "é"), ("5", "")]
    assert found.malformed.rows() == [("x.csv", 4, "not a,b", "bad")]


def test_the_header_is_checked():
    assert lines(b"\xef\xbb\xbfa,b\r\n1,2\n", "a,b").rows.rows() == [("1", "2")]
    assert lines(b"a,b\nbad\n1,2\n", "a,b").malformed["line"].to_list() == [2]
    assert lines(b"a,b\n", "a,b").rows.columns == ["a", "b"]
    with pytest.raises(DataError, match=r"x.csv, line 1: 'b,a' is not the header 'a,b'"):
        lines(b"b,a\n1,2\n", "a,b")


def test_more_than_slips_is_refused(monkeypatch):
    good, bad = b"1,2\n" * 20, b"bad\n"
    assert len(lines(good + bad * 10).malformed) == 10
    with pytest.raises(
        DataError,
        match=r"11 of its first 31 lines are malformed, more than 0.10% \(line 21: not a,b; line",
    ):
        lines(good + bad * 11)
    with pytest.raises(DataError, match="1 of its first 1 lines"):
        lines(bad)
    # A file of another kind is not read to its end.
    monkeypatch.setattr(regex_reader, "_BLOCK", 1)
    with pytest.raises(DataError, match="1002 of its first 1002 lines"):
        lines(bad * 5000)


FIELDS = {
    "n": RecordField("n", pl.Int64(), as_integer, required=True),
    "t": RecordField("t", pl.String(), as_text),
}


def write(folder, text):
    (folder / "r.json.gz").write_bytes(gzip.compress(text.encode()))
    return folder / "r.json.gz"


def test_literals_and_json_may_be_mixed(tmp_path):
    python, json = "{'n': 1, 't': ['a', u'b']}", '{"n": 2, "t": null}\n{ "n": "3" }'
    text = f"{python}\n\n{json}\n{{'n': 4.0, 't': ' '}}"
    found = read_records(write(tmp_path, text), "x", FIELDS)
    assert found.table.rows() == [(1, 1, "a, b"), (3, 2, None), (4, 3, None), (5, 4, "")]
    assert read_record_texts(tmp_path / "r.json.gz", "x", np.array([1, 3]), "t") == ["a, b", None]
    with pytest.raises(DataError, match="has changed"):
        read_record_texts(tmp_path / "r.json.gz", "x", np.array([1, 9]), "t")


def test_chunks_do_not_change_what_is_read(tmp_path, monkeypatch):
    path = write(tmp_path, "".join(f"{{'n': {n}}}\n" for n in range(10)))
    monkeypatch.setattr(python_literal_reader, "_CHUNK", 3)
    assert read_records(path, "x", FIELDS).table["n"].to_list() == list(range(10))


def test_a_file_without_ends_of_records_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(python_literal_reader, "MAX_LINE_BYTES", 100)
    path = write(tmp_path, "n: 1\n\n" + "t: more\n" * 100)
    found = read_records(path, "x", FIELDS)
    assert found.table.rows() == [(1, 1, None)]
    assert set(found.malformed["reason"]) == {"longer than 100 characters", "'n' is missing"}


@pytest.mark.parametrize(
    ("read", "value", "wanted"),
    [
        (as_text, [1, ["a ", "b"]], "1, a, b"),
        (as_number, "1.5", 1.5),
        (as_integer, "12", 12),
        (as_integer, 12.0, 12),
        (as_day_timestamp, "1970-01-02", 86_400),
    ],
)
def test_values(read, value, wanted):
    assert read(value) == wanted


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (as_number, "nan"),
        (as_number, "x"),
        (as_integer, 1.5),
        (as_day_timestamp, "1970-13-01"),
        (as_day_timestamp, "x"),
    ],
)
def test_what_is_no_value(read, value):
    with pytest.raises(ValueError):
        read(value)
