"""What outgrows memory is prepared as in memory: the same files to the byte, the same errors."""

import errno
import gzip
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.data import disk_table, out_of_core
from benchkit.data.preparation import cache, id_encoding
from benchkit.data.readers import chunked_reader, delimited_blocks, quoted_cells, table_reader
from benchkit.data.spec import DatasetSpec
from benchkit.errors import BenchkitError, ConfigError

SMALL = settings(max_examples=30, deadline=None)


def prepare(folder, spec, way):
    """Every file of a prepared dataset with its bytes, or the text of the error."""
    data = folder / way
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(out_of_core.OUT_OF_CORE, way)
        patch.setenv("BENCHKIT_KEYS", str(data / "keys"))
        try:
            cache.load_or_prepare(spec, data)
        except BenchkitError as error:
            return error.cause.replace(str(data), ""), (error.hint or "").replace(str(data), "")
    assert not list(data.glob(".*.columns"))  # nothing of the columns is left
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def check(folder, spec, rows=3):
    """Prepare in memory, and out of core in chunks of so many rows; return what comes of it."""
    in_memory = prepare(folder, spec, "never")
    with pytest.MonkeyPatch.context() as patch:
        for module in (disk_table, table_reader):
            patch.setattr(module, "CHUNK_ROWS", rows)
        patch.setattr(id_encoding, "_PART", rows)
        patch.setattr(chunked_reader, "BLOCK_BYTES", 150 * rows)
        patch.setattr(delimited_blocks, "BLOCK_BYTES", 20 * rows)
        patch.setattr(quoted_cells, "ROWS_SEEN", quoted_cells.ROWS_SEEN)
        out = prepare(folder, spec, "always")
    assert out == in_memory
    return out


def spec_of(source, **values):
    options = {"k_core": 1, "duplicates": "first", "untitled": "drop", "candidates": {"count": 2}}
    return DatasetSpec(name="d", source=source, **(options | values))


WORDS = st.sampled_from(
    ["", "Good", 'a "quoted" word', "two\nlines", "&amp; <br />", "Zoë", "a,b;c", "\\", "x" * 300]
)
USERS = st.sampled_from(["A1", "A2", "B1", "b1", "Ü1", "A1 "])
REVIEW = st.fixed_dictionaries(
    {
        "reviewerID": USERS,
        "asin": st.sampled_from(["I1", "I2", "I3", "I4", "I5"]),
        "overall": st.sampled_from([1.0, 2.0, 5.0]),
        "unixReviewTime": st.sampled_from([0, 1, 86_400, 86_401, 1_500_000_000]),
        "reviewText": WORDS,
        "summary": WORDS,
    }
).map(json.dumps)
ODD_LINES = st.sampled_from(
    [
        "", "  ", "{", "[]", '{"reviewerID": "A1"}', '{"reviewerID": 1, "asin": "I1"}',
        '{"reviewerID": "A1", "asin": "I1", "overall": 9.0, "unixReviewTime": 3}',
        '{"reviewerID": "A1", "asin": "", "overall": 3.0, "unixReviewTime": 3}',
    ]
)  # fmt: skip


@SMALL
@given(
    lines=st.lists(st.one_of(REVIEW, REVIEW, REVIEW, REVIEW, REVIEW, ODD_LINES), max_size=30),
    titles=st.lists(st.sampled_from(["", "A title", 'A "title"']), min_size=4, max_size=5),
    rows=st.integers(1, 8),
    is_packed=st.booleans(),
    malformed=st.sampled_from([0, 0.001]),
    choices=st.fixed_dictionaries(
        {
            "k_core": st.sampled_from([1, 2]),
            "duplicates": st.sampled_from(["first", "last", "keep", "error"]),
            "similar_ids": st.sampled_from(["error", "keep"]),
        }
    ),
)
def test_reviews_of_amazon(lines, titles, rows, is_packed, malformed, choices):
    with TemporaryDirectory() as name:
        folder = Path(name)
        items = [json.dumps({"asin": f"I{n}", "title": t}) for n, t in enumerate(titles, 1)]
        paths = {}
        for option, content in (("reviews", lines), ("meta", items)):
            data = "\n".join(content).encode()
            paths[option] = str(folder / f"{option}.json{'.gz' * is_packed}")
            Path(paths[option]).write_bytes(gzip.compress(data) if is_packed else data)
        spec = spec_of("amazon2018", options={**paths, "max_malformed": malformed}, **choices)
        check(folder, spec, rows)


CELL = st.one_of(
    st.sampled_from(["plain", "", "Zoë", " x "]),
    st.sampled_from(['"a, b"', '"two\nlines"', '"say ""hi"""', '5" pipe', '"open', '"a"b', "x,y"]),
)
TIMES = {
    "seconds": ["1500000000", "1500000000", "1500000001", " 1600000000", "1.5e9"],
    "fractions": ["1500000000.5", "1500000000.25", "1500000000.0000000001"],
    "none": ["0", "-1", "1500000000", "0.0"],
    "units": ["1500000000", "1500000000000", "12"],
    "dates": ["2020-01-01", "2020-01-01T10:00:00Z", "2020-01-02 03:00", "2020-02-30"],
    "digits": ["20200101", "20200102", "20191231"],
    "rounded": ["1.6E+09", "1.5E+09", "1600000001"],
    "odd": ["", "soon", "1500000000", "99999999999999999999"],
    "order": ["1", "2", "3", "4"],
}
TABLE_ROWS = st.sampled_from(sorted(TIMES)).flatmap(
    lambda kind: st.lists(
        st.tuples(
            st.sampled_from(["u1", "u2", "u3", "u3 ", "007", "7", ""]),
            st.sampled_from(["i1", "i2", "i3"]),
            st.sampled_from(["5", "4", "1", "", "NA", "0", "six"]),
            st.sampled_from(TIMES[kind]),
            CELL,
        ),
        max_size=14,
    )
)
PLAIN_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3"]),
        st.sampled_from(["i1", "i2", "i3"]),
        st.sampled_from(["5", "4", "", "1"]),
        st.sampled_from(TIMES["seconds"]),
        st.sampled_from(["ok", '"a, b"', '"two\nlines"', '"say ""hi"""', '5" pipe']),
    ),
    min_size=2,
    max_size=20,
)
ITEMS = "item,title\ni1,One\ni2,Two\ni3,Three\n"
ENDS = {"": bytes, ".gz": gzip.compress}


def write_table(folder, rows, *, separator=",", end="\n", pack="", encoding="utf-8"):
    """Files of a table and its items, and the options of the source."""
    lines = ["user,item,rating,timestamp,review", *(",".join(row) for row in rows)]
    text = end.join(lines).replace(",", separator) + end
    path = folder / f"r.csv{pack}"
    path.write_bytes(ENDS[pack](text.encode(encoding)))
    (folder / "i.csv").write_text(ITEMS)
    return {"interactions": str(path), "items": str(folder / "i.csv")}


@SMALL
@given(
    table=st.one_of(PLAIN_ROWS, TABLE_ROWS),
    rows=st.integers(1, 8),
    written=st.fixed_dictionaries(
        {
            "separator": st.sampled_from([",", ";", "::"]),
            "end": st.sampled_from(["\n", "\n", "\r\n", "\n\n", "\r"]),
            "pack": st.sampled_from(sorted(ENDS)),
            "encoding": st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16"]),
        }
    ),
    quoting=st.sampled_from([None, "csv", "none"]),
    choices=st.fixed_dictionaries(
        {
            "duplicates": st.sampled_from(["first", "last", "keep", "error"]),
            "similar_ids": st.sampled_from(["error", "keep"]),
            "time": st.sampled_from(["auto", "auto", "s", "%Y%m%d", "none"]),
            "rating_scale": st.sampled_from(["auto", (1, 5), "implicit"]),
        }
    ),
)
def test_tables_of_text(table, rows, written, quoting, choices):
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(quoted_cells, "ROWS_SEEN", 3)
        options = write_table(Path(name), table, **written)
        options |= {"quoting": quoting} if quoting else {}
        check(Path(name), spec_of("table", options=options, **choices), rows)


@SMALL
@given(table=PLAIN_ROWS, rows=st.integers(1, 8), unit=st.sampled_from(["text", "s", "ms", "dates"]))
def test_tables_of_parquet(table, rows, unit):
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder, [])
        frame = pl.DataFrame(
            table, schema=["user", "item", "rating", "timestamp", "review"], orient="row"
        )
        if unit != "text":
            seconds = pl.col("timestamp").str.strip_chars().cast(pl.Float64).cast(pl.Int64)
            times = {"s": seconds, "ms": seconds * 1000, "dates": pl.from_epoch(seconds)}[unit]
            frame = frame.with_columns(times, pl.concat_list("review", "review").alias("review"))
        frame.write_parquet(folder / "r.parquet")
        options = {"interactions": str(folder / "r.parquet"), "items": str(folder / "i.csv")}
        check(folder, spec_of("table", options=options), rows)


def written_rows(count):
    return [
        (f"u{n % 7}", f"i{n % 3 + 1}", str(n % 5 + 1), str(10**9 + n // 2), f'"line 1\nof {n}"')
        for n in range(count)
    ]


@pytest.mark.parametrize("pack", sorted(ENDS))
def test_usual_tables_lie_on_disk_in_many_chunks(tmp_path, monkeypatch, pack):
    read, tables = delimited_blocks.read_delimited_blocks, []
    monkeypatch.setattr(
        table_reader, "read_delimited_blocks", lambda *a: tables.append(read(*a)) or tables[-1]
    )
    monkeypatch.setattr(quoted_cells, "ROWS_SEEN", 5)
    rows = written_rows(60)
    spec = spec_of("table", options=write_table(tmp_path, rows, pack=pack), duplicates="last")
    assert "d" in next(iter(check(tmp_path, spec)))
    ((table, lines),) = tables
    assert len(table) == 60 and len(table.sizes) > 10
    assert len(lines) == 60


def test_a_message_names_the_line_and_counts_rows_of_all_chunks(tmp_path):
    rows = written_rows(40)
    rows[30] = ("", *rows[30][1:])
    rows[35] = ("", *rows[35][1:])
    cause, _ = check(tmp_path, spec_of("table", options=write_table(tmp_path, rows)))
    assert "line 62, column 'user'" in cause and "(2 such rows)" in cause
    rows = written_rows(40)
    rows[30] = (*rows[30][:2], "nine", *rows[30][3:])
    cause, _ = check(tmp_path, spec_of("table", options=write_table(tmp_path, rows)))
    assert "line 62, column 'rating'" in cause


def test_damaged_archives_and_full_disks(tmp_path, monkeypatch):
    options = write_table(tmp_path, written_rows(40), pack=".gz")
    path = Path(options["interactions"])
    path.write_bytes(path.read_bytes()[:-20])
    cause, _ = check(tmp_path, spec_of("table", options=options))
    assert "the archive is damaged" in cause
    options = write_table(tmp_path, written_rows(40))

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_ipc", fail)  # it is not read into memory instead
    cause, _ = prepare(tmp_path, spec_of("table", options=options), "always")
    assert ".columns" in cause and "space" in cause


def test_a_file_goes_to_disk_when_it_outgrows_half_the_memory(tmp_path, monkeypatch):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"x" * 1000)
    packed = tmp_path / "r.jsonl.gz"
    packed.write_bytes(b"x" * 1000)
    monkeypatch.delenv(out_of_core.OUT_OF_CORE, raising=False)
    monkeypatch.setattr(out_of_core, "available_memory", lambda: 2000)
    folder = tmp_path / "columns"
    assert out_of_core.choose_folder(packed) is None  # nobody has said where to
    with out_of_core.use_scratch_folder(folder):
        assert out_of_core.choose_folder(path) is None
        assert out_of_core.choose_folder(packed) == folder  # unpacked it is larger
        with out_of_core.keep_in_memory():
            assert out_of_core.choose_folder(packed) is None
        monkeypatch.setenv(out_of_core.OUT_OF_CORE, "never")
        assert out_of_core.choose_folder(packed) is None
        monkeypatch.setenv(out_of_core.OUT_OF_CORE, "always")
        assert out_of_core.choose_folder(path) == folder
        monkeypatch.setenv(out_of_core.OUT_OF_CORE, "often")
        with pytest.raises(ConfigError, match="often"):
            out_of_core.choose_folder(path)


def test_what_a_killed_process_left_is_removed(tmp_path):
    folder = tmp_path / "columns"
    folder.mkdir()
    (folder / "3-0").write_bytes(b"left")
    with out_of_core.use_scratch_folder(folder):
        assert not folder.exists()
        folder.mkdir()
    assert not folder.exists()
    assert 0 < out_of_core.available_memory() < os.sysconf("SC_PHYS_PAGES") * 2**20
