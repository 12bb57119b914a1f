"""Tables of text: as many rows as the file has, whatever it is written in, or an error."""

import bz2
import gzip
import lzma

import numpy as np
import polars as pl
import pytest

from benchkit.data.readers.table_reader import TextOptions, read_table
from benchkit.errors import ConfigError, DataError

ROWS = [("a", "i1", "1"), ("a", "i2", "2"), ("b", "i1", "3")]
TEXT = "user,item,timestamp\n" + "".join(",".join(row) + "\n" for row in ROWS)
REVIEWS = "user\titem\ttimestamp\treview\na\ti1\t1\t{}\na\ti2\t2\tok\na\ti3\t3\t{}\nb\ti1\t4\tx\n"


def read(tmp_path, content, name="r.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, TextOptions(**options))


def zstd(content):
    pa = pytest.importorskip("pyarrow")
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("separator", "name"),
    [
        (",", "r.csv"), (",", "r.CSV"), (";", "r.csv"), ("|", "r.txt"), ("\t", "r.dat"),
        ("\t", "r.tsv"), (",", "r.tsv"), ("::", "r.dat"), ("|", "r.psv"), ("\t", "r.INTER"),
    ],
)  # fmt: skip
def test_separators_are_seen_in_the_header(tmp_path, separator, name):
    assert read(tmp_path, TEXT.replace(",", separator), name).table.rows() == ROWS


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "\ufeffsep=;\n"])
def test_a_first_line_of_excel_names_the_separator(tmp_path, first):
    text = first + TEXT.replace(",", ";").replace("i1", "a,b|c")
    table = read(tmp_path, text)
    assert table.table["item"].to_list() == ["a,b|c", "i2", "a,b|c"]
    assert table.lookup_lines(np.arange(3)).tolist() == [3, 4, 5]
    assert read(tmp_path, "sep=|\n" + TEXT, separator=",").table.rows() == ROWS  # a suite decides


@pytest.mark.parametrize(
    ("pack", "end"),
    [(gzip.compress, ".gz"), (bz2.compress, ".bz2"), (lzma.compress, ".xz"), (zstd, ".zst")],
)
def test_packed_files_are_unpacked(tmp_path, pack, end):
    packed = pack(TEXT.encode())
    assert read(tmp_path, packed, f"r.csv{end}").table.rows() == ROWS
    assert read(tmp_path, packed).table.rows() == ROWS  # whatever it is called
    with pytest.raises(DataError, match="the archive is damaged"):
        read(tmp_path, packed[:-12], f"r.csv{end}")


@pytest.mark.parametrize(
    ("end", "name"), [("\r\n", "r.csv"), ("\r", "r.csv"), ("\n\n", "r.csv"), ("\r\n\r\n", "r.tsv")]
)
def test_ends_of_lines_and_empty_lines_are_no_rows(tmp_path, end, name):
    table = read(tmp_path, TEXT.replace("\n", end), name)
    assert table.table.rows() == ROWS
    step = 2 if len(end.replace("\r\n", "\n")) == 2 else 1
    assert table.lookup_lines(np.arange(3)).tolist() == [1 + step * n for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("utf-8-sig", {}), ("utf-16", {}), ("utf-32", {}), ("latin-1", {"encoding": "latin-1"}),
        ("utf-16-le", {"encoding": "utf-16-le"}), ("cp1252", {"encoding": "cp1252"}),
    ],
)  # fmt: skip
def test_encodings(tmp_path, written, options):
    text = "item,title\ni1,Café\n"
    assert read(tmp_path, text.encode(written), **options).table.rows() == [("i1", "Café")]


@pytest.mark.parametrize(
    ("content", "options", "error", "message", "hint"),
    [
        ("item,title\ni1,x\ni2,Café\n".encode("latin-1"), {}, DataError,
         r"line 3: not UTF-8 \(byte 0xe9; as Latin-1 it reads '1,x\\ni2,Café", "latin-1"),
        (TEXT.encode("utf-16-le"), {}, DataError, "as text in UTF-16 does", '"utf-16-le"'),
        (TEXT.encode("utf-16-be"), {}, DataError, "as text in UTF-16 does", '"utf-16-be"'),
        ("item\ni1\nCafé\n".encode(), {"encoding": "ascii"}, DataError, "line 3: not ascii", "say"),
        ("item,title\ni1,x\ni2,Rock \u2019n\u2019 Roll\n".encode("cp1252"), {}, DataError,
         r"line 3: not UTF-8 \(byte 0x92;", 'encoding = "cp1252", "latin-1"'),
        ("item,title\ni1,x\ni2,It\u2019s\n".encode("cp1252"), {"encoding": "latin-1"}, DataError,
         r"line 3: as latin-1 it holds the control character U\+0092 \('i2,It", '"cp1252"'),
        ("item,title\ni1,\u30b2\u30fc\u30e0\n".encode("shift_jis"), {"encoding": "iso-8859-1"},
         DataError, r"line 2: as iso-8859-1 it holds the control character", "or what else it is"),
        (TEXT, {"encoding": "klingon"}, ConfigError, "unknown encoding 'klingon'", "latin-1"),
        (TEXT, {"encoding": "base64"}, ConfigError, "unknown encoding 'base64'", "latin-1"),
        (TEXT, {"quoting": "always"}, ConfigError, "quoting = 'always'", "'csv'"),
        (TEXT, {"separator": '"'}, ConfigError, "separator", "character"),
        (b"PK\x03\x04", {}, DataError, "is a zip file, or a workbook", "save CSV"),
        ("\n", {}, DataError, "it is empty", "names the columns"),
        ("user~item\na~i\n", {}, DataError, "no known character may separate", "separator"),
        ("user;item|x,y;z\na\n", {}, DataError, "several characters may separate", 'or ";" or "|"'),
        ("a,b,a\n1,2,3\n", {}, DataError, "two columns are called 'a'", "rename"),
        ("a,b\n1,2\n3\n", {}, DataError, "line 3: has 1 cells, and the header has 2", "correct"),
        ("a,b\n1,2\n3,4,5\n", {}, DataError, "line 3: has 3 cells, and the header", "in quotes"),
        ("sep=;\na;b\n1;2\n3\n", {}, DataError, "line 4: has 1 cells, and the header", "correct"),
        ("sep=;\n", {}, DataError, "it is empty", "names the columns"),
        (TEXT + "c,\0,1\n", {}, DataError, r"line 5: holds a zero byte \(1 of them\)", "remove"),
        (TEXT + "a user,\0,1\n" * 2000, {}, DataError, r"zero byte \(2000 of them\)", "remove"),
        ("user,item\nä,一二三\n".encode("utf-16-le"), {}, DataError, "as text in UTF-16", "utf-16"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(tmp_path, content, options, error, message, hint):
    with pytest.raises(error, match=message) as caught:
        read(tmp_path, content, **options)
    assert hint in caught.value.hint


def test_the_kind_of_file_is_checked(tmp_path):
    with pytest.raises(DataError, match="unknown kind of table") as caught:
        read(tmp_path, TEXT, "r.xlsx")
    assert ".csv, .tsv" in caught.value.hint
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path, b"PAR1", "r.parquet")


# Of the four rows of REVIEWS the first and the third have these reviews.
QUOTES = {
    "a cell": ('"great"', "ok", ["great", "ok"], [2, 3, 4, 5]),
    "doubled": ('"say ""hi"""', "ok", ['say "hi"', "ok"], [2, 3, 4, 5]),
    "inches": ('12" pipe', "ok", ['12" pipe', "ok"], [2, 3, 4, 5]),
    "inches beside quotes": ('12" pipe', '"a\tb"', ['12" pipe', "a\tb"], [2, 3, 4, 5]),
    "two inches": ('12" by 9"', '"ok"', ['12" by 9"', "ok"], [2, 3, 4, 5]),
    "two lines": ('"one\ntwo"', "ok", ["one\ntwo", "ok"], [2, 4, 5, 6]),
    "an empty line": ('"one\n\ntwo"', "ok", ["one\n\ntwo", "ok"], [2, 5, 6, 7]),
    "tabs in lines": ('"one\ttwo\nthree\tfour"', "", ["one\ttwo\nthree\tfour", None], [2, 4, 5, 6]),
    "as many cells": ('"one\nx\ty\tz\tw"', "ok", ["one\nx\ty\tz\tw", "ok"], [2, 4, 5, 6]),
    "an empty cell": ('""', "ok", ["", "ok"], [2, 3, 4, 5]),
}


@pytest.mark.parametrize(("first", "third", "reviews", "lines"), QUOTES.values(), ids=QUOTES)
def test_quotes_open_cells_or_are_characters(tmp_path, first, third, reviews, lines):
    table = read(tmp_path, REVIEWS.format(first, third), "r.tsv")
    assert table.table["review"].gather([0, 2]).to_list() == reviews
    assert table.table["item"].to_list() == ["i1", "i2", "i3", "i1"]
    assert table.lookup_lines(np.arange(4)).tolist() == lines


STRAYS = {
    "swallowed rows": ('"great', 'fits 12"', "line 2: a quote swallows line ends: lines 2 to 4"),
    "never closed": ("x", '"great', "line 4: a quote is opened and never closed"),
    "closed by another": ('"great', '"nice', "line 2: .* closed in line 4 in the middle of a cell"),
    "text after it": ('"great" stuff', "x", "line 2: .* is closed in the middle of a cell"),
    "backslashes": ('"say \\"hi\\""', "x", "line 2: .* is closed in the middle of a cell"),
}


@pytest.mark.parametrize(("first", "third", "message"), STRAYS.values(), ids=STRAYS)
def test_stray_quotes_are_named_by_their_line(tmp_path, first, third, message):
    text = REVIEWS.format(first, third)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, text, "r.tsv")
    assert 'quoting = "none"' in caught.value.hint
    table = read(tmp_path, text, "r.tsv", quoting="none").table
    assert table["review"].to_list() == [first, "ok", third, "x"]


def test_rows_in_a_cell_can_be_meant(tmp_path):
    text = REVIEWS.format('"great', 'fits 12"')
    table = read(tmp_path, text, "r.tsv", quoting="csv")
    assert table.table["review"].to_list() == ["great\na\ti2\t2\tok\na\ti3\t3\tfits 12", "x"]
    assert table.lookup_lines(np.arange(2)).tolist() == [2, 5]


@pytest.mark.parametrize("rows", [2, 50])
def test_one_odd_line_does_not_hide_swallowed_rows(tmp_path, rows):
    lines = [f"u,i{n},{n},x" for n in range(rows)]
    lines[0] += "," + "commas" if rows > 2 else ""
    text = "\n".join(["user,item,timestamp,review", 'v,i1,1,"open', *lines, 'w,i1,2,close"', ""])
    with pytest.raises(DataError, match=f"line 2: .* lines 2 to {rows + 3} are one row"):
        read(tmp_path, text)


def test_many_lines_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    cells = ["plain", '"in, quotes"', '"two\nlines"', '12" pipe', '"a ""b"" c"', ""]
    texts = ["plain", "in, quotes", "two\nlines", '12" pipe', 'a "b" c', None]
    picked = rng.integers(0, len(cells), 3000).tolist()
    lines = [f"u{n},{cells[kind]},{n}" for n, kind in enumerate(picked)]
    table = read(tmp_path, "\n".join(["user,review,timestamp", *lines]))
    expected = [(f"u{n}", texts[kind], str(n)) for n, kind in enumerate(picked)]
    assert table.table.rows() == expected
    starts = 2 + np.cumsum([0, *(cells[kind].count("\n") + 1 for kind in picked[:-1])])
    assert table.lookup_lines(np.arange(3000)).tolist() == starts.tolist()


def test_recbole_files_have_types_in_the_header_and_no_quotes(tmp_path):
    text = 'item_id:token\tmovie_title:token_seq\n1\t"Crocodile" Dundee\n2\tSay "hi\n'
    table = read(tmp_path, text, "x.item").table
    assert table.to_dict(as_series=False) == {
        "item_id": ["1", "2"], "movie_title": ['"Crocodile" Dundee', 'Say "hi'],
    }  # fmt: skip


def test_unnamed_columns_may_be_several(tmp_path):
    assert read(tmp_path, "user,,\n1,2,3\n").table.rows() == [("1", "2", "3")]


def test_parquet_has_rows_for_lines(tmp_path):
    pl.DataFrame(ROWS, schema=["user", "item", "timestamp"], orient="row").write_parquet(
        tmp_path / "r.PARQUET"
    )
    table = read_table(tmp_path / "r.PARQUET")
    assert table.table.rows() == ROWS
    assert table.lookup_lines(np.array([0, 2])).tolist() == [1, 3]
