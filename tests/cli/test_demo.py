"""benchkit run --demo: it needs no data, and everything that comes of it says SYNTHETIC."""

import json

import pytest

from benchkit.errors import ConfigError, StoreError
from tests.support.command_line import invoked, said
from tests.support.latex import compile_latex, needs_latex

DEMO = ("--suite", "quickstart", "--demo", "--demo-users", 100)
METHODS = ("--method", "random,popularity")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder in which the demo of a suite was run."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "150")
        (folder / "printed.txt").write_text(said("run", *DEMO, *METHODS))
    return folder


@pytest.fixture(autouse=True)
def _there(ran, monkeypatch):
    monkeypatch.chdir(ran)
    monkeypatch.setenv("COLUMNS", "150")


def test_tables_plots_and_page_say_so(ran):
    printed = (ran / "printed.txt").read_text()
    assert "SYNTHETIC: MovieLens 100K" in printed
    assert "SYNTHETIC: generated data stand in" in printed  # the footnote of each row
    board = ran / "leaderboards" / "quickstart@demo100"
    texts = [path for path in board.rglob("*") if path.suffix not in (".png", "")]
    assert {path.suffix for path in texts} >= {".md", ".tex", ".csv", ".svg", ".html"}
    for path in texts:
        assert "SYNTHETIC" in path.read_text(), path
    assert r"\caption{SYNTHETIC: " in (board / "table.tex").read_text()
    assert "<title>SYNTHETIC: " in (board / "index.html").read_text()


@needs_latex
@pytest.mark.parametrize(
    "options",
    [("report",), ("report", "--ranks"), ("report", "--costs"),
     ("report", "--layout", "paper", "--intervals", "--ranks"), ("data", "describe")],
    ids=" ".join,
)  # fmt: skip
def test_its_tables_in_latex_compile(options, tmp_path):
    body = said(*options, "--suite", "quickstart@demo100", "--format", "latex")
    assert r"\caption{SYNTHETIC: " in body
    assert "too large" not in compile_latex(body, tmp_path)


def test_data_and_runs_lie_apart(ran):
    assert [path.name for path in (ran / "data").iterdir()] == ["demo-100"]
    assert [path.name for path in (ran / "leaderboards").iterdir()] == ["quickstart@demo100"]
    manifests = [json.loads(p.read_text()) for p in (ran / "runs").rglob("manifest.json")]
    assert {manifest["suite"] for manifest in manifests} == {"quickstart@demo100"}
    assert all(manifest["caveats"][-1].startswith("SYNTHETIC") for manifest in manifests)
    with pytest.raises(StoreError):
        invoked("report", "--suite", "quickstart")


def test_a_second_run_computes_nothing():
    assert "2 runs, 0 computed now" in said("run", *DEMO, *METHODS)
    plan = said("run", *DEMO, *METHODS, "--dry-run")
    assert plan.count("complete") == 2


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said("run", "--suite", "amazon5", "--demo", *METHODS, "--dry-run").count("to run") == 10
    assert not list(tmp_path.iterdir())


def test_other_commands_take_its_name():
    name = "quickstart@demo100"
    assert "SYNTHETIC: MovieLens 100K" in said("report", "--suite", name)
    assert "SYNTHETIC: Dataset statistics" in said("data", "describe", "--suite", name)
    described = said("data", "describe", "--suite", name, "--format", "csv")
    assert described.splitlines()[1].startswith("ml-100k,SYNTHETIC,100,")
    assert "SYNTHETIC: ml-100k" in said("data", "prepare", "--suite", name)
    assert "SYNTHETIC: ml-100k, test cases" in said("data", "audit", "--suite", name)
    compared = said("compare", "--suite", name)
    assert "SYNTHETIC: MovieLens 100K" in compared


def test_users_of_a_demo_can_be_limited_too():
    printed = said("run", *DEMO, "--method", "random", "--limit-users", 20)
    assert "SYNTHETIC: MovieLens 100K" in printed
    assert "20 users" in said("report", "--suite", "quickstart@demo100@20users")


def test_what_has_no_demo_is_refused(tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[[datasets]]\nname = "a"\nsource = "table"\noptions = { interactions = "a.csv" }\n'
        '[[methods]]\nmethod = "random"\n'
    )
    with pytest.raises(ConfigError, match="no published format"):
        invoked("run", "--suite", tmp_path / "mine.toml", "--demo")
