"""JSON lines: every good line is a row, every bad line is named, whatever the size of a block."""

import gzip
import json
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from benchkit.data.readers import jsonl_reader
from benchkit.data.readers.chunked_reader import count_lines, may_exceed_line_length, read_blocks
from benchkit.data.readers.json_validation import ID_DTYPE
from benchkit.errors import DataError

REQUIRED = ("who", "stars")
GOOD = b'{"who": "ANN", "stars": 4.0, "when": 7, "note": "x", "more": {"a": [1, 2]}}'


def schema():
    return {
        "who": ID_DTYPE,
        "stars": pl.Float32(),
        "when": pl.Int64(),
        "note": pl.String(),
    }


def read(path, **options):
    return jsonl_reader.read_jsonl(path, schema(), REQUIRED, **({"max_malformed": 1.0} | options))


def written(folder, *lines, end=b"\n"):
    path = folder / "x.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    return path


def rows(found):
    return found.table.with_columns(pl.col("who").cast(pl.String)).rows()


BAD = {
    b'{"who": "ANN", "stars": 4.0, "when": 7, "no': "not JSON: Unterminated string",
    GOOD + GOOD: "not JSON: Extra data",
    GOOD[:-1] + b",}": "not JSON",
    GOOD.replace(b"4.0", b"NaN"): "not JSON: NaN is not a number",
    GOOD.replace(b"4.0", b"-Infinity"): "not JSON: -Infinity is not a number",
    GOOD.replace(b"4.0", b"1e999"): "'stars' is not a finite number",
    GOOD.replace(b"4.0", b'"4.0"'): "'stars' is text, not a number",
    GOOD.replace(b"4.0", b"true"): "'stars' is a truth value, not a number",
    GOOD.replace(b"4.0", b"[4.0]"): "'stars' is a list, not a number",
    GOOD.replace(b"4.0", b"null"): "'stars' is null",
    GOOD.replace(b'"stars"', b'"starz"'): "'stars' is missing",
    GOOD.replace(b'"ANN"', b"12"): "'who' is the number 12, not text",
    GOOD.replace(b'"ANN"', b"1.5"): "'who' is the number 1.5, not text",
    GOOD.replace(b'"ANN"', b"false"): "'who' is a truth value, not text",
    GOOD.replace(b'"ANN"', b'{"id": 1}'): "'who' is an object, not text",
    GOOD.replace(b'"ANN"', b'["ANN"]'): "'who' is a list, not text",
    GOOD.replace(b'"ANN"', b'""'): "'who' is empty",
    GOOD.replace(b'"ANN"', b'"\\ud83d"'): "'who' is not text",
    GOOD.replace(b'"ANN"', b'"\\ud83dxy"'): "'who' is not text",
    GOOD.replace(b'"ANN"', b'"A\\u0000B"'): "'who' is not text",
    GOOD.replace(b": 7", b": 7.5"): "'when' is the number 7.5, not a whole number",
    GOOD.replace(b": 7", b": 7.0"): "'when' is the number 7.0, not a whole number",
    GOOD.replace(b": 7", b': "7"'): "'when' is text, not a whole number",
    GOOD.replace(b": 7", b": 99999999999999999999"): "'when' is too large a number",
    GOOD.replace(b"ANN", b"a\0n"): "holds a NUL byte",
    b"\0\0\0": "holds a NUL byte",
    GOOD.replace(b"ANN", b"a\xffn"): "not UTF-8 (byte 11)",
    GOOD.replace(b"ANN", b"a\tn"): "not JSON: Invalid control character",
    b"[1]": "not an object but a list",
    b"5": "not an object but the number 5",
    b'"x"': "not an object but text",
    b"null": "not an object but null",
    b"\x0b": "not JSON",
    b"user,item": "not JSON",
    b'{"more": ' + b"[" * 20_000 + b"]" * 20_000 + b"}": "not JSON: maximum recursion",
}
ODD_BUT_GOOD = {
    b'{"stars":5,"who":"bo"}': ("bo", 5.0, None, None),
    b'  {"who": "bo", "stars": 5}  \r': ("bo", 5.0, None, None),
    b'{"who": "12", "stars": 5, "note": null}': ("12", 5.0, None, None),
    b'{"who": "\\u00e9", "stars": 5, "note": "\\ud83d\\ude00"}': ("\u00e9", 5, None, "\U0001f600"),
    # Half of a surrogate pair, as a cut text leaves it: Polars refuses some of these lines.
    b'{"who": "bo", "stars": 5, "note": "a\\ud83d\\ud83dxy"}': ("bo", 5.0, None, "a\ufffd\ufffdxy"),
    b'{"who": "bo", "stars": 5, "note": "a\\u0000b"}': ("bo", 5.0, None, "a\ufffdb"),
    b'{"who": "bo", "stars": 5, "note": "a\\ud83dxy"}': ("bo", 5.0, None, "a\ufffdxy"),
    b'{"who": "bo", "stars": 5, "when": 3, "other": 1e999}': ("bo", 5.0, 3, None),
    b'{"who": "bo", "stars": 5, "other": ' + b"9" * 400 + b"}": ("bo", 5.0, None, None),
}  # fmt: skip
BLANK = (b"", b"  ", b"\t", b"\r")


@pytest.mark.parametrize("line", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize(("place", "name"), [(0, "u{}"), (2, "U{}"), (3, "{}"), (5, "U{}")])
def test_a_bad_line_is_set_aside_and_no_good_line_is_lost(tmp_path, line, place, name):
    lines = [GOOD.replace(b"ANN", name.format(i).encode()) for i in range(5)]
    found = read(written(tmp_path, *lines[:place], line, *lines[place:]))
    assert [r[0] for r in rows(found)] == [name.format(i) for i in range(5)]
    (bad,) = found.malformed.rows(named=True)
    assert (bad["file"], bad["line"]) == ("x.jsonl", place + 1)
    assert bad["reason"].startswith(BAD[line])
    assert found.count == 6
    assert found.skipped.tolist() == [place + 1]


@pytest.mark.parametrize("line", ODD_BUT_GOOD, ids=range(len(ODD_BUT_GOOD)))
def test_an_odd_line_is_read(tmp_path, line):
    found = read(written(tmp_path, GOOD, line, GOOD))
    assert not len(found.malformed)
    assert rows(found)[1] == ODD_BUT_GOOD[line]
    assert len(found.table) == 3


NO_TEXT = [b"7", b"-7", b"7.5", b"7e5", b"true", b"false", b"[]", b'["A"]', b"{}", b'{"A": "B"}']


@pytest.mark.parametrize("value", NO_TEXT)
@pytest.mark.parametrize("workers", [1, 3])
def test_an_id_is_text_and_what_only_looks_like_another_value_is_text_too(
    tmp_path, monkeypatch, value, workers
):
    monkeypatch.setattr(jsonl_reader, "_WORKERS", workers)
    monkeypatch.setattr(pl, "thread_pool_size", lambda: workers)
    quoted = json.dumps(value.decode()).encode()
    lines = [GOOD.replace(b"ANN", b"U%d" % i) for i in range(400)]
    lines[100] = GOOD.replace(b'"ANN"', quoted)
    lines[120] = lines[300] = GOOD.replace(b'"ANN"', value)
    for block in (100, 2_000, 1 << 20):
        found = read(written(tmp_path, *lines), block=block)
        assert found.malformed["line"].to_list() == [121, 301]
        assert all(", not text" in reason for reason in found.malformed["reason"])
        assert rows(found)[100][0] == value.decode()
        assert len(found.table) == 398


def test_the_text_of_a_bad_line_is_kept_printable_and_short(tmp_path):
    found = read(written(tmp_path, GOOD, b'{"a\xff\0', b"x" * 10_000))
    assert found.malformed["text"].to_list() == ['{"a\\xff\\x00', "x" * 2_000]


def test_long_lines_are_bad_however_they_fall_into_blocks(tmp_path):
    long = GOOD.replace(b'"x"', b'"' + b"y" * 3_000 + b'"')
    path = written(tmp_path, GOOD, long, GOOD, long, GOOD)
    for block in (1, 100, 1_000, 4_000, 1 << 20):
        found = read(path, block=block, max_line=1_000)
        assert found.malformed["line"].to_list() == [2, 4], block
        assert set(found.malformed["reason"]) == {"longer than 1,000 bytes"}
        assert len(found.table) == 3
        assert not len(read(path, block=block, max_line=len(long)).malformed)


def good_or_bad(line):
    """The oracle: one line, judged by hand. A row, a reason, or None for a blank line."""
    if not line.strip(b" \t\r"):
        return None
    if line in BAD:
        return BAD[line]
    return ODD_BUT_GOOD.get(line, ("ANN", 4.0, 7, "x"))


LINES = st.lists(st.sampled_from([*[GOOD] * 12, *BAD, *ODD_BUT_GOOD, *BLANK]), max_size=40)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=LINES, block=st.integers(1, 3_000), end=st.sampled_from([b"", b"\n"]))  # fmt: skip
def test_what_is_read_does_not_depend_on_the_blocks(tmp_path, lines, block, end):
    path = written(tmp_path, *lines, GOOD, end=end)
    judged = [(n, good_or_bad(line)) for n, line in enumerate([*lines, GOOD], 1)]
    found = read(path, block=block)
    assert rows(found) == [j for _, j in judged if isinstance(j, tuple)]
    assert found.malformed["line"].to_list() == [n for n, j in judged if isinstance(j, str)]
    assert found.blank == sum(j is None for _, j in judged)
    assert found.count == len(judged)
    numbers = [n for n, j in judged if isinstance(j, tuple)]
    assert found.line_numbers(np.arange(len(found.table))).tolist() == numbers
    whole = read(path)
    assert found.malformed.equals(whole.malformed)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert rows(read(tmp_path / "x.jsonl.gz", block=block)) == rows(whole)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())  # fmt: skip
def test_damage_anywhere_hits_only_its_own_line(tmp_path, data):
    lines = [GOOD.replace(b"ANN", b"U%d" % i) for i in range(8)]
    hit = data.draw(st.integers(0, 7))
    at = data.draw(st.integers(0, len(GOOD) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=4).filter(lambda b: b"\n" not in b))
    assume(not damage.startswith((b"\x1f\x8b", b"\xef\xbb\xbf")))  # gzip, a byte order mark
    line = lines[hit][:at] + damage + lines[hit][at + len(damage) :]
    lines[hit] = line
    found = read(written(tmp_path, *lines))
    seen = set(found.malformed["line"]) | {
        int(n) for n in found.line_numbers(np.arange(len(found.table)))
    }
    assert set(range(1, 9)) - seen <= ({hit + 1} if not line.strip() else set())
    assert set(found.malformed["line"]) <= {hit + 1}
    if hit + 1 not in set(found.malformed["line"]) and line.strip():
        value = json.loads(line)  # a row only if it is what Python reads, too
        row = rows(found)[hit]
        assert row[0] == value["who"]
        assert math.isclose(row[1], value["stars"], rel_tol=1e-6)


@pytest.mark.parametrize("magic", [b"(\xb5/\xfd", b"x\x9c", b"BZh9"])
def test_a_line_that_begins_like_a_compressed_file_is_only_that_line(tmp_path, magic):
    found = read(written(tmp_path, magic + GOOD, GOOD))
    assert list(found.malformed["line"]) == [1]
    assert len(found.table) == 1


def test_pick_gives_the_lines_asked_for(tmp_path, monkeypatch):
    lines = [GOOD.replace(b'"x"', b'"n%d"' % i) for i in range(50)]
    lines[10], lines[20] = b"{", b""
    path = written(tmp_path, *lines)
    wanted = np.array([1, 2, 10, 12, 30, 50])
    for size in (10, 200, 1 << 20):
        monkeypatch.setattr("benchkit.data.readers.chunked_reader.BLOCK_BYTES", size)
        picked = pl.concat(jsonl_reader.read_jsonl_lines(path, wanted, {"note": pl.String()}))
        assert picked["note"].to_list() == [f"n{i - 1}" for i in wanted.tolist()]
    with pytest.raises(DataError, match="has changed"):
        list(jsonl_reader.read_jsonl_lines(path, np.array([3, 99]), {"note": pl.String()}))
    assert (
        list(
            jsonl_reader.read_jsonl_lines(path, np.array([], dtype=np.int64), {"note": pl.String()})
        )
        == []
    )


def test_few_bad_lines_are_tolerated_and_many_are_not(tmp_path):
    path = written(tmp_path, *[b"{"] * 10, *[GOOD] * 100)
    assert len(read(path, max_malformed=0.001).malformed) == 10
    with pytest.raises(
        DataError, match=r"10 of its first 110 lines are malformed, more than 0.00%"
    ):
        read(path, max_malformed=0.0)
    path = written(tmp_path, GOOD, *[b"{"] * 11, *[GOOD] * 100)
    with pytest.raises(DataError) as caught:
        read(path, max_malformed=0.001)
    assert "x.jsonl: 11 of its first 112 lines are malformed, more than 0.10%" in str(caught.value)
    assert "(line 2: not JSON: " in str(caught.value)
    assert "max_malformed" in caught.value.hint
    assert len(read(path, max_malformed=0.1).table) == 101


def test_a_file_of_another_kind_is_refused_soon(tmp_path):
    path = written(tmp_path, *[b"user,item,stars"] * 5_000)
    with pytest.raises(DataError, match=r"1002 of its first 1002 lines are malformed"):
        read(path, max_malformed=0.001)
    path = written(tmp_path, *[b'{"reviewerID": "a", "overall": 5.0}'] * 5_000)
    with pytest.raises(DataError, match=r"line 1: 'who' is missing"):
        read(path, max_malformed=0.001, block=100)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"no.jsonl: cannot be read"):
        read(tmp_path / "no.jsonl")
    with pytest.raises(DataError, match=r"none of its lines can be used \(it is empty\)"):
        read(written(tmp_path, end=b""))
    with pytest.raises(DataError, match=r"none of its lines can be used \(line 1: not JSON"):
        read(written(tmp_path, b"{"))
    packed = gzip.compress(b"\n".join([GOOD] * 50_000))
    for damaged in (packed[:-20], packed[:1_000] + b"????" + packed[1_004:]):
        (tmp_path / "x.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"x.gz: the archive is damaged"):
            read(tmp_path / "x.gz")


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = written(tmp_path, b"\xef\xbb\xbf" + GOOD, GOOD)
    for block in (1, 2, 1 << 20):
        assert len(read(path, block=block).table) == 2


@given(st.binary(max_size=300), st.integers(1, 50), st.integers(1, 40))
def test_blocks_are_the_file_cut_at_newlines(tmp_path_factory, content, size, limit):
    path = tmp_path_factory.mktemp("b") / "f"
    content = b"a" + content  # no byte order mark, no gzip
    path.write_bytes(content)
    pieces = list(read_blocks(path, size))
    assert b"".join(pieces) == content
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert sum(map(count_lines, pieces)) == count_lines(content)
    if any(len(line) > limit for line in content.split(b"\n")):
        assert may_exceed_line_length(content, limit)
    cut = b"".join(read_blocks(path, size, limit))
    for short, line in zip(cut.split(b"\n"), content.split(b"\n"), strict=True):
        assert short == line or (len(short) > limit and len(line) > limit)


def test_the_number_of_threads_changes_nothing(tmp_path):
    path = tmp_path / "x.jsonl"
    lines = [GOOD.replace(b"ANN", b"U%d" % (i * 7919 % 3000)) for i in range(40_000)]
    lines[123], lines[30_000] = b"{", b""
    path.write_bytes(b"\n".join(lines))
    program = (
        "import sys, polars as pl; from pathlib import Path\n"
        "from benchkit.data.readers.jsonl_reader import read_jsonl\n"
        "from benchkit.data.readers.json_validation import ID_DTYPE\n"
        "s = {'who': ID_DTYPE, 'stars': pl.Float32()}\n"
        "found = read_jsonl(Path(sys.argv[1]), s, ('who', 'stars'))\n"
        "print(found.count, found.skipped, hash(tuple(found.table['who'].cast(pl.String))))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={"POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": "0"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(outputs) == 1
    assert "[  124 30001]" in outputs.pop()
