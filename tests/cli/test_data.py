"""`benchkit data` as a person meets it."""

import json
import random
from pathlib import Path

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from benchkit.cli.data import data_app as data
from benchkit.errors import ConfigError, DataError

SUITE = """
title = "Toy"
[[datasets]]
name = "grocery"
source = "toy"
options = { users = 60, items = 60 }
[[datasets]]
name = "small"
source = "toy"
options = { users = 40, items = 60 }
[[methods]]
method = "random"
"""
PUBLISHED = "paper,domain,method,metric,value\nc-apo,grocery,-,users,11334\n"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Runs a command in a folder of its own and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    (tmp_path / "mine.toml").write_text(SUITE)
    app = typer.Typer()
    app.add_typer(data, name="data")

    def run(*arguments, code=0, raises=None):
        result = CliRunner().invoke(app, ["data", *map(str, arguments)])
        if raises is None:
            assert result.exit_code == code, result.output
            return result.output
        assert isinstance(result.exception, raises)
        return str(result.exception)

    return run


def cases(folder, leaky, name="cases.json"):
    rng, rows = random.Random(0), []
    for _ in range(300):
        target, *others = rng.sample(range(40), 8)
        listed = [f"Item {i}" for i in (*others, target)]
        (random.Random(target) if leaky else rng).shuffle(listed)
        rows.append({"a": listed, "b": f"Item {target}", "c": "Old One::Old Two"})
    (folder / name).write_text(json.dumps(rows))
    return name


def test_describe_prints_every_format_with_published_figures(said, tmp_path):
    (tmp_path / "published.csv").write_text(PUBLISHED)
    arguments = ("describe", "--suite", "mine.toml", "--published", "published.csv")
    assert "11,334" in said(*arguments) and "whole sequences" in said(*arguments)
    assert "| grocery | c-apo | 11,334 |" in said(*arguments, "--format", "md")
    assert r"grocery & c-apo & 11,334 &" in said(*arguments, "--format", "latex")
    lines = said(*arguments, "--format", "csv").splitlines()
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["grocery", "measured", "60"], ["grocery", "c-apo", "11334"], ["small", "measured", "40"],
    ]  # fmt: skip
    # By default those that come with benchkit, wherever it is run.
    default = said("describe", "--suite", "mine.toml", "--format", "md")
    assert "| grocery | c-apo | 11,334 |" in default
    assert "| grocery | rationale-integration | 11,334 |" in default
    said(*arguments[:3], "--published", "none.csv", raises=DataError)


def test_prepare_shows_the_funnel_and_the_folder(said, tmp_path):
    out = said("prepare", "--suite", "mine.toml", "--dataset", "small")
    assert "interactions read" in out and "test cases" in out and "grocery" not in out
    folder = next(line for line in out.splitlines() if line.startswith("in ")).removeprefix("in ")
    assert (tmp_path / folder / "dataset.json").is_file()


def test_audit_of_a_suite_passes(said):
    out = said("audit", "--suite", "mine.toml", "--dataset", "small")
    assert out.count("no leak and no defect") == 2  # test and validation cases
    listed = json.loads(said("audit", "--dataset", "toy", "--json"))
    assert [part["cases"] for part in listed] == ["toy, test cases", "toy, valid cases"]
    assert {finding["severity"] for part in listed for finding in part["findings"]} == {"note"}


def test_audit_of_a_file_finds_the_leak(said, tmp_path):
    fields = ("--fields", "candidates=a,target=b,history=c", "--separator", "::")
    leaky = cases(tmp_path, leaky=True)
    out = said("audit", leaky, *fields, code=1)
    assert "place-given-target" in out and "1 leak or defect" in out
    listed = json.loads(said("audit", leaky, *fields, "--json", code=1))
    leak = listed[0]["findings"][0]
    assert leak["severity"] == "leak" and leak["measures"]["hr@1"] > 0.5
    fair = cases(tmp_path, leaky=False, name="fair.json")
    assert "no leak and no defect" in said("audit", fair, *fields)
    known = said("audit", leaky, *fields, "--known", leaky, "--json", code=1)
    assert json.loads(known)[0]["findings"][0]["measures"]["hr@1"] > leak["measures"]["hr@1"]


SHOP = """
title = "Shop"
[[datasets]]
name = "shop"
source = "table"
options = {{ interactions = "r.csv", items = "i.csv"{options} }}
candidates = {{ count = 3 }}
{settings}
[[methods]]
method = "popularity"
"""
ITEMS = "item,title\n" + "".join(f"i{n},Thing {n}\n" for n in range(1, 8))
# The history of user `a` stands in the file from the latest to the earliest.
TIMED = (
    "user,item,{name}\na,i3,{t}3\na,i2,{t}2\na,i1,{t}1\nb,i3,{t}3\nb,i2,{t}2\nb,i1,{t}1\n"
    "c,i4,{t}1\nc,i5,{t}2\nd,i6,{t}1\nd,i7,{t}2\n"
)


def write_shop(folder, events, options="", settings="", items=ITEMS, encoding="utf-8"):
    (folder / "r.csv").write_text(events, encoding=encoding)
    (folder / "i.csv").write_text(items)
    (folder / "shop.toml").write_text(SHOP.format(options=options, settings=settings))


def first_history(said, folder):
    said("cases", "--suite", "shop.toml", "--out", "c.jsonl")
    case = json.loads((folder / "c.jsonl").read_text().splitlines()[0])
    return [event["item"] for event in case["history"]]


@pytest.mark.parametrize(
    ("time", "settings", "earliest"),
    [
        ("0.", "", "2"), ("160000000000000000", "", "2"), ("1000000000000000", "", "2"),
        ("2020-01-0", "", "2"), ("2020-01-01T00:00:00.00000000", "", "2"),
        ("2020-01-01 00:0", 'time = "%Y-%m-%d %H:%M"', "2"), ("7", 'time = "none"', "3"),
    ],
)  # fmt: skip
def test_histories_are_in_the_order_of_time(said, tmp_path, time, settings, earliest):
    write_shop(tmp_path, TIMED.format(name="timestamp", t=time), settings=settings)
    assert first_history(said, tmp_path) == (["i1", "i2"] if earliest == "2" else ["i3", "i2"])


def test_prepare_says_from_when_to_when(said, tmp_path):
    write_shop(tmp_path, TIMED.format(name="timestamp", t="2020-01-0"))
    assert "2020-01-01 00:00 to 2020-01-03 00:00 UTC" in said("prepare", "--suite", "shop.toml")
    write_shop(tmp_path, TIMED.format(name="price", t=""))
    assert "none: the rows are taken to be" in said("prepare", "--suite", "shop.toml")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("unix_time", ', columns = { timestamp = "unixtime" }', "no column 'unixtime'"),
        ("Timestamp", "", "no column 'timestamp', but 'Timestamp' may hold the time; the columns"),
        ("unix_time", "", "no column 'timestamp', but 'unix_time' may hold the time"),
    ],
)
def test_a_time_column_that_is_not_found_is_an_error(said, tmp_path, name, options, message):
    write_shop(tmp_path, TIMED.format(name=name, t=""), options)
    error = said("prepare", "--suite", "shop.toml", raises=DataError)
    assert message in error and f"'{name}'" in error


def test_stray_quotes_swallow_no_rows(said, tmp_path):
    events = TIMED.format(name="timestamp", t="").replace("timestamp", "timestamp,review")
    events = "".join(
        line + end
        for line, end in zip(
            events.splitlines(),
            ["\n", ',"great\n', ",ok\n", ',fits 12"\n', *[",x\n"] * 7],
            strict=True,
        )
    )
    write_shop(tmp_path, events)
    error = said("prepare", "--suite", "shop.toml", raises=DataError)
    assert "line 2: a quote swallows line ends: lines 2 to 4" in error
    write_shop(tmp_path, events, ', quoting = "none"')
    assert "interactions read 10" in " ".join(said("prepare", "--suite", "shop.toml").split())


def test_an_encoding_is_named(said, tmp_path):
    events = TIMED.format(name="timestamp", t="") + "é,i1,9\n"
    write_shop(tmp_path, events, encoding="latin-1")
    error = said("prepare", "--suite", "shop.toml", raises=DataError)
    assert "line 12: not UTF-8" in error and 'encoding = "latin-1"' in error
    write_shop(tmp_path, events, ', encoding = { interactions = "latin-1" }', encoding="latin-1")
    assert first_history(said, tmp_path) == ["i1", "i2"]


def test_a_name_that_two_columns_would_have_is_an_error_with_a_way_out(said, tmp_path):
    lines = TIMED.format(name="timestamp", t="").splitlines()
    events = "".join(f"{n or 'id'},{line}\n" for n, line in enumerate(lines))
    items = ITEMS.replace("item", "id")
    write_shop(tmp_path, events, ', columns = { item = "id" }', items=items)
    error = said("prepare", "--suite", "shop.toml", raises=DataError)
    way_out = 'columns = { items = { item = "id" } }'
    assert "two columns would be called 'item'" in error and way_out in error
    write_shop(tmp_path, events, f", {way_out}", items=items)
    assert first_history(said, tmp_path) == ["i1", "i2"]


def test_lists_in_parquet_are_joined(said, tmp_path):
    write_shop(tmp_path, TIMED.format(name="timestamp", t=""))
    items = [f"i{n}" for n in range(1, 8)]
    lists = {"item": items, "title": [["Thing", item] for item in items], "tags": [["a", "b"]] * 7}
    pl.DataFrame(lists).write_parquet(tmp_path / "i.parquet")
    suite = (tmp_path / "shop.toml").read_text().replace("i.csv", "i.parquet")
    (tmp_path / "shop.toml").write_text(suite)
    assert first_history(said, tmp_path) == ["i1", "i2"]
    assert '"title": "Thing, i1"' in (tmp_path / "c.jsonl").read_text()


def test_wrong_usage_is_explained(said, tmp_path):
    assert "FILE" in said("audit", code=2)
    assert "FILE" in said("audit", cases(tmp_path, leaky=False), "--dataset", "toy", code=2)
    assert "did you mean 'toy'" in said("audit", "--dataset", "toyy", raises=ConfigError)
    assert "no such file" in said("audit", "none.json", raises=DataError)
    assert "did you mean 'small'" in said(
        "prepare", "--suite", "mine.toml", "--dataset", "smal", raises=ConfigError
    )


def test_fetch_passes_on_what_was_asked_for(said, monkeypatch):
    from benchkit.data.sources import fetch
    from benchkit.data.sources.remote_files import remote_files

    calls = []

    def fetch_files(files, folder, source=None, progress=None):
        calls.append((tuple(files), folder, source))
        return [folder / "ratings.csv"]

    monkeypatch.setattr(fetch, "fetch_files", fetch_files)
    out = said("fetch", "movielens/ml-1m", "--to", "here", "--from", "there")
    assert calls == [(remote_files("movielens/ml-1m"), Path("here"), Path("there"))]
    assert Path(out.strip()) == Path("here/ratings.csv")
