"""Code that a suite names runs where the user works, or with --trust; never to look at a suite."""

import os

import pytest

import benchkit as bk
from benchkit.config.suite import load_suite
from benchkit.config.suite_code import find_code
from benchkit.errors import ConfigError
from tests.support.command_line import invoked, said

MARK = "import os; open(os.path.join(os.path.dirname(__file__), 'ran'), 'w').close()\n"
CODE = (
    MARK
    + """
import polars as pl
from benchkit.data.raw import RawData
from benchkit.data.sources.base import DataSource
from benchkit.data.splits.base import Splitter
from benchkit.evaluation.metrics.base import Metric
from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.protocols.scored import Scored
from benchkit.types import Prediction

class Mine:
    capabilities = frozenset({"scores"})
    def fit(self, data, run):
        pass
    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, [float(len(i)) for i in request.candidates])

class Gain(NDCG):
    kind = "gain"
"""
)
TOY = '[[datasets]]\nname = "toy"\nsource = "toy"\noptions = { users = 12, items = 60 }\n'
TOY += "candidates = { count = 4 }\n"
POPULAR = '[[methods]]\nmethod = "popularity"\n'


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder of somebody else's, beside the one that the user works in."""
    foreign, here = tmp_path / "foreign", tmp_path / "here"
    for folder in (foreign, here):
        folder.mkdir()
        (folder / "code.py").write_text(CODE)
    monkeypatch.chdir(here)
    return foreign, here


def method_suite(folder, name="Mine"):
    path = folder / "s.toml"
    path.write_text(f'{TOY}{POPULAR}[[methods]]\nmethod = "{folder}/code.py:{name}"\n')
    return path


def ran(folder):
    return (folder / "ran").exists()


@pytest.mark.parametrize("command", ["run", "data prepare", "data cases", "judge", "rationales"])
def test_somebody_elses_code_is_refused_before_it_runs(places, command):
    foreign, _ = places
    suite = method_suite(foreign)
    more = ("--out", "c.jsonl") if command in ("data cases", "rationales") else ()
    with pytest.raises(ConfigError, match=r"methods\.1\.method: .*code\.py:Mine[\s\S]*--trust"):
        invoked(*command.split(), "--suite", suite, *more)
    assert not ran(foreign)


def test_with_trust_it_runs(places):
    foreign, _ = places
    assert "2 runs, 2 computed" in said("run", "--suite", method_suite(foreign), "--trust")
    assert ran(foreign)


def test_code_in_the_folder_that_one_works_in_runs(places):
    _, here = places
    method_suite(here)
    assert "2 runs, 2 computed" in said("run", "--suite", "s.toml")
    assert "2 runs, 0 computed" in said("run", "--suite", str(here / "s.toml"))


def test_a_method_of_the_command_line_runs_with_somebody_elses_suite(places):
    foreign, here = places
    (foreign / "s.toml").write_text(TOY + POPULAR)
    assert "1 run, 1 computed" in said(
        "run", "--suite", foreign / "s.toml", "--method", "code.py:Mine"
    )
    assert ran(here) and not ran(foreign)


@pytest.mark.parametrize("whose", ["own suite, foreign code", "foreign suite, own code", "link"])
def test_suite_and_code_must_both_be_own(places, whose):
    foreign, here = places
    code = (foreign if whose.startswith("own") else here) / "code.py"
    suite = (here if whose.startswith("own") else foreign) / "s.toml"
    suite.write_text(f'{TOY}[[methods]]\nmethod = "{code}:Mine"\n')
    if whose == "link":
        (here / "s.toml").symlink_to(suite)
        suite = "s.toml"
    with pytest.raises(ConfigError, match="names code"):
        load_suite(str(suite))
    assert load_suite(str(suite), trust=True).methods[0].name == "Mine"


def test_the_home_folder_and_what_belongs_to_others_is_not_own(places, monkeypatch):
    _, here = places
    suite = method_suite(here)
    monkeypatch.setenv("HOME", str(here / "me"))
    with pytest.raises(ConfigError, match="names code"):  # a parent of home
        load_suite(str(suite))
    monkeypatch.setenv("HOME", str(here))
    with pytest.raises(ConfigError, match="names code"):
        load_suite(str(suite))
    monkeypatch.undo()
    monkeypatch.chdir(here)
    if os.getuid() == 0:
        os.chown(here / "code.py", 12345, -1)
        with pytest.raises(ConfigError, match="names code"):
            load_suite(str(suite))


def test_validate_and_dry_run_run_nothing(places):
    _, here = places
    method_suite(here)
    text = said("validate", "s.toml")
    assert "ok" in text and "not run: methods.1.method" in text
    lines = said("run", "--suite", "s.toml", "--dry-run").splitlines()
    assert lines[0].startswith("to run") and "popularity" in lines[0]
    assert lines[1].startswith("unknown") and "Mine" in lines[1] and "--trust" in lines[1]
    assert [row.state for row in bk.plan(str(here / "s.toml"))] == ["to run", "unknown"]
    assert not ran(here)
    assert said("run", "--suite", "s.toml", "--dry-run", "--trust").count("to run") == 2
    assert ran(here)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f'{TOY}{POPULAR}[[methods]]\nmethod = "code.py:Nobody"\n', "has no Nobody"),
        (f'{TOY}{POPULAR}[[methods]]\nmethod = "nofile.py:Mine"\n', "No such file"),
        (f'{TOY}{POPULAR}[[methods]]\nmethod = "binary.py:Mine"\n', "is not Python"),
        (f'metrics = ["code.py:Gain@5"]\nprimary = "gain@5"\n{TOY}{POPULAR}', ""),
        (f'metrics = ["hr@1", "code.py:Gain@5"]\nprimary = "gain@5"\n{TOY}{POPULAR}', ""),
        (f'protocols = ["scored", "code.py:Scored"]\n{TOY}{POPULAR}', ""),
        (f'[[datasets]]\nname = "mine"\nsource = "code.py:SOURCE"\n{POPULAR}', "has no SOURCE"),
        (f'{TOY}split = "code.py:Splitter"\n{POPULAR}', ""),
        (f'{TOY}{POPULAR}[judging]\njudges = [{{ judge = "code.py:Mine" }}]\n', ""),
        (f'{TOY}[[methods]]\nmethod = "zero-shot"\nconfig.engine.kind = "code.py:Mine"\n', ""),
    ],
)
def test_every_place_of_code_is_looked_at_without_running_it(places, text, problem):
    _, here = places
    (here / "binary.py").write_bytes(b"\0\1\2")
    (here / "s.toml").write_text(text)
    output = invoked("validate", "s.toml", code=1 if problem else 0).output
    assert problem in output and "not run: " in output
    assert "unknown" in said("run", "--suite", "s.toml", "--dry-run") or "judging" in text
    assert not ran(here)


def test_a_catalog_is_validated_without_running_it(places):
    _, here = places
    (here / "catalog.toml").write_text('[methods.mine]\nclass = "code.py:Mine"\n')
    assert "its code is not run" in said("validate", "catalog.toml")
    assert not ran(here)


@pytest.mark.parametrize(
    ("values", "targets"),
    [
        ({"methods": [{"method": "pkg.mod:Class"}]}, ["pkg.mod:Class"]),
        ({"methods": [{"method": "baselines.cf.ease:EASE"}]}, []),
        ({"methods": [{"method": "x", "label": "a:b"}], "title": "x.py:Y"}, []),
        ({"datasets": [{"split": {"name": "pkg:Split"}}]}, ["pkg:Split"]),
        ({"datasets": [{"time": "%H:%M", "name": "a"}], "name": "a:b"}, []),
        ({"methods": [{"config": {"expert": {"name": "m.py:M"}}}]}, ["m.py:M"]),
        ({"methods": [{"config": {"judges": [{"judge": "m:J"}]}}]}, ["m:J"]),
        ({"methods": [{"config": {"engine": {"base_url": "http://h:1/v1"}}}]}, []),
        ({"methods": [{"config": {"trust_remote_code": False}}]}, []),
        ({"config": {"trust_remote_code": True}}, ["the code that comes with a model"]),
        ({"engine": {"kind": "vllm", "options": {"seed": 1}}}, []),
        ({"engine": {"kind": "vllm", "options": {"worker_cls": "m.W"}}}, ["vLLM's worker_cls"]),
    ],
)
def test_code_is_found_wherever_it_stands(values, targets):
    assert [reference.target for reference in find_code(values)] == targets
