"""Input that is wrong ends in an error that says so, before anything is written."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.errors import BenchkitError
from tests.support.command_line import invoked

TOY = """
[[datasets]]
name = "toy"
source = "toy"
options = { users = 40, items = 50 }
candidates = { count = 8 }
[[methods]]
method = "random"
[[methods]]
method = "popularity"
"""
INTERACTIONS = "user,item,rating,timestamp\n" + "".join(
    f"u{u},i{(u * 3 + k * k) % 17},5,{1000 + k}\n" for u in range(12) for k in range(6)
)
ITEMS = "item,title\n" + "".join(f"i{k},Title {k}\n" for k in range(17))
TABLE = """
[[datasets]]
name = "mine"
source = "table"
options = { interactions = "i.csv", items = "t.csv"%s }
candidates = { count = 4 }
[[methods]]
method = "random"
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(TOY)
    Path("i.csv").write_text(INTERACTIONS)
    Path("t.csv").write_text(ITEMS)


def refusal(*arguments):
    """What a person is told; fails where a traceback would be."""
    done = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(done.exception, BenchkitError):
        return str(done.exception)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2, done.output
    return re.sub(r"[\s│]+", " ", done.output)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("seeds = [1, 1]", "seeds: 1 stands twice"),
        ("seeds = []", "seeds: needs 1 or more"),
        ("metrics = []", "metrics: needs 1 or more"),
        ("history_buckets = [[]]", "is no [first, last]"),
        ("seeds = [-1]", "seeds: -1 is no seed"),
        ("seeds = [99999999999999999999]", "seeds"),
        ("decoding = { temperature = inf }", "decoding.temperature: not a finite number"),
        ("decoding = { temperature = nan }", "decoding.temperature: not a finite number"),
        ("decoding = { temperature = -1 }", "greater than or equal to 0"),
        ("decoding = { temperature = 1e300 }", "less than or equal to 100"),
        ("popular_share = nan", "popular_share: not a finite number"),
        ("metrics = [':']", "no name stands behind the colon"),
        ("name = '..'", "begins with a dot"),
        ('name = "a\\u0000b"', "cannot be printed"),
        ("title = 3", "title"),
        ("judging = { judges = [{ judge = ':' }] }", "judge label"),
    ],
)
def test_a_suite_with_a_wrong_value(lines, message):
    Path("x.toml").write_text(lines + TOY)
    assert message in refusal("run", "--suite", "x.toml")
    assert not Path("runs").exists()


@pytest.mark.parametrize("count", ["1000000000", "99999999999999999999", "-1", "nan", "60"])
def test_a_wrong_number_of_candidates(count):
    Path("x.toml").write_text(TOY.replace("count = 8", f"count = {count}"))
    assert "candidates" in refusal("run", "--suite", "x.toml")


@pytest.mark.parametrize("name", [":", "::", "a:", "x.py:", ":x", "/:x", "s.toml:X", "os:getcwd"])
@pytest.mark.parametrize("option", ["--method", "--executor"])
def test_a_wrong_name(option, name):
    assert refusal("run", "--suite", "s.toml", option, name)
    assert not Path("runs").exists()


@pytest.mark.parametrize("time", ["1e300", "-1e300", "9223372036854775808", "nan", "inf", "1e999"])
@pytest.mark.parametrize("setting", ["", 'time = "s"', 'time = "ns"'])
def test_a_time_that_is_none(time, setting):
    Path("i.csv").write_text(INTERACTIONS.replace("1000", time, 1))
    Path("x.toml").write_text(TABLE.replace("candidates", f"{setting}\ncandidates") % "")
    assert "timestamp" in refusal("data", "prepare", "--suite", "x.toml")


@pytest.mark.parametrize(
    "columns",
    ["3", "[]", '"x"', "{ interactions = 3 }", '{ item = "item", user = "item" }', "{ item = 3 }",
     '{ interactions = { user = "user", rating = "user" } }', '{ x = "y" }', '{ item = "" }'],
)  # fmt: skip
def test_columns_that_are_none(columns):
    Path("x.toml").write_text(TABLE % f", columns = {columns}")
    assert refusal("data", "prepare", "--suite", "x.toml")


@pytest.mark.parametrize("power", ["nan", "inf", "-inf", "1e-300", "1e300", "0", "-1", "x"])
def test_a_difference_that_is_none(power):
    assert "--power" in refusal("compare", "--power", power)


@pytest.mark.parametrize("command", ["run", "judge", "data prepare", "data describe", "import"])
@pytest.mark.parametrize("kind", ["folder", "binary", "latin-1", "empty", "long", "absent"])
def test_a_suite_that_cannot_be_read(command, kind):
    path = Path("x.toml" if kind != "long" else "x" * 300 + ".toml")
    if kind == "folder":
        path.mkdir()
    elif kind in ("binary", "latin-1", "empty"):
        content = {"binary": b"\0\xff", "latin-1": 'title = "é"'.encode("latin-1"), "empty": b""}
        path.write_bytes(content[kind])
    more = ("--file", "i.csv") if command == "import" else ()
    assert refusal(*command.split(), "--suite", path, *more)


def test_a_suite_that_nobody_may_read(monkeypatch):
    def refuse(path, *_args, **_more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    assert "Permission denied" in refusal("run", "--suite", "s.toml")


def test_a_lock_that_belongs_to_somebody_else(monkeypatch):
    def refuse(lock, *_args, **_more):
        raise PermissionError(13, "Permission denied", "runs/.locks/x.lock")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    text = refusal("run", "--suite", "s.toml")
    assert "Permission denied" in text and "hint" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--suite", "s.toml", "--seed", "0,0,0"), "0 is named twice, and counts once"),
        (("run", "--suite", "s.toml", "--method", "popularity, popularity"), "popularity is named"),
        (("run", "--suite", "s.toml", "--dataset", "toy,toy"), "toy is named twice"),
    ],
)
def test_what_stands_twice_counts_once(arguments, message):
    done = invoked(*arguments, "--dry-run")
    assert message in done.output
    runs = [line for line in done.stdout.splitlines() if line.startswith("to run")]
    assert len(runs) == (1 if "--method" in arguments else 2)


def test_a_file_of_grades_counts_once():
    Path("g.csv").write_text("item,rater,grade\na,x,1\nb,x,0\na,y,1\nb,y,1\n")
    assert "stands twice" in refusal("agree", "g.csv", "./g.csv")


@pytest.mark.parametrize("scale", ["0-1000000000", "3-0", "nan", "0,0,1", "a-b", "0-9" + "9" * 400])
def test_a_scale_that_is_none(scale):
    Path("g.csv").write_text("item,rater,grade\na,x,1\nb,x,0\na,y,1\nb,y,1\n")
    assert refusal("agree", "g.csv", "--scale", scale)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--device", "gpu"), ("--device", ""), ("--device", "cpu:"), ("--threads", "99999999999"),
     ("--method", ","), ("--dataset", " , "), ("--seed", ","), ("--seed", "1e3"),
     ("--seed", "99999999999999999999"), ("--jobs", "0"), ("--limit-users", "-1")],
)  # fmt: skip
def test_an_option_of_a_run_that_makes_no_sense(option, value):
    assert refusal("run", "--suite", "s.toml", option, value)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--lift", "1e-300"), ("--lift", "0"), ("--alpha", "0"), ("--alpha", "-0.5"),
     ("--alpha", "nan"), ("--power", "1"), ("--baseline", "inf"), ("--lift", "1e300")],
)  # fmt: skip
def test_a_sample_size_that_is_none(option, value):
    values = {"--baseline": "0.1", "--lift": "0.1", option: value}
    assert refusal("abtest", "--plan", *(part for pair in values.items() for part in pair))


@pytest.mark.parametrize("gap", ["nan", "inf", "-1"])
def test_a_gap_that_is_none(gap):
    Path("g.csv").write_text("item,rater,grade\na,x,1\nb,x,0\na,y,1\nb,y,1\n")
    assert "--gap" in refusal("agree", "g.csv", "--gap", gap)


def test_a_folder_that_is_no_store_is_not_called_valid():
    Path("folder").mkdir()
    assert "is no run store" in invoked("validate", "folder", code=1).output


def test_more_candidates_than_items_make_no_table(tmp_path):
    command = ("rationales", "--suite", "s.toml", "--out", "r.jsonl", "--candidates", 1_000_000_000)
    assert "cannot be drawn from 50 items" in refusal(*command)


@pytest.mark.parametrize("option", ["users", "items", "clusters", "length", "seed"])
@pytest.mark.parametrize("value", ["2.5", "1e9", '"x"', "[]", "true", "-1", "0", "10000000000"])
def test_options_of_a_source_that_make_no_sense(option, value):
    if option == "seed" and value in ("-1", "0", "10000000000"):
        return
    Path("x.toml").write_text(
        TOY.replace("{ users = 40, items = 50 }", f"{{ {option} = {value} }}")
    )
    assert option in refusal("run", "--suite", "x.toml")


@pytest.mark.parametrize("value", ["3", "[]", '["i.csv"]', '"\\u0000"', "true", '""', '"folder"'])
def test_a_file_of_a_source_that_is_none(value):
    Path("folder").mkdir()
    Path("x.toml").write_text((TABLE % "").replace('"i.csv"', value))
    assert refusal("data", "prepare", "--suite", "x.toml")


@pytest.mark.parametrize("setting", ["rating_scale = [1e300, 1e301]", "unrated = 1e300"])
def test_ratings_that_no_data_have(setting):
    Path("x.toml").write_text(TABLE.replace("candidates", f"{setting}\ncandidates") % "")
    assert refusal("data", "prepare", "--suite", "x.toml")
