"""The shipped suite `rationale`, in small and without a network: from training to the page."""

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

# Python imports this at the start of every process, those of single runs included.
OFFLINE = """
import os
import socket


def guarded(call, host_of):
    def guard(*arguments, **named):
        host = host_of(*arguments, **named)
        if host not in (None, "", "localhost", "127.0.0.1", "::1"):
            with open(os.environ["REFUSED"], "a") as file:
                file.write(f"{host}\\n")
            raise OSError(f"there is no network: {host}")
        return call(*arguments, **named)

    return guard


def of_address(_, address):
    return address[0] if isinstance(address, tuple) else None  # else a socket in the file system


for name in ("connect", "connect_ex"):
    setattr(socket.socket, name, guarded(getattr(socket.socket, name), of_address))
for name in ("getaddrinfo", "gethostbyname"):
    setattr(socket, name, guarded(getattr(socket, name), lambda host, *_, **__: host))
"""
SUITE = "rationale@40users"
JUDGES = {"heuristic", "heuristic, quality"}


def offline(arguments, folder):
    """Runs Python where nothing but this machine can be reached; gives its exit code, what it
    printed, and the hosts that it asked for."""
    (folder / "sitecustomize.py").write_text(OFFLINE)
    refused = folder / "refused"
    refused.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(folder), "REFUSED": str(refused), "COLUMNS": "140"},
    )  # fmt: skip
    hosts = refused.read_text().split() if refused.exists() else []
    return done.returncode, done.stdout + done.stderr, hosts


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80))",
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1')",
        "import socket; socket.socket().connect(('192.0.2.1', 80))",
    ],
)
def test_the_network_is_out_of_reach(tmp_path, code):
    failed, output, hosts = offline(["-c", code], tmp_path)
    assert failed
    assert "there is no network" in output
    assert hosts == ["192.0.2.1"]


@pytest.fixture(scope="module")
def leaderboard(tmp_path_factory):
    """The leaderboard folder of the suite: a method that explains and one that does not."""
    folder = tmp_path_factory.mktemp("rationale")
    command = ["-m", "benchkit", "run", "--suite", "rationale", "--limit-users", "40"]
    failed, output, hosts = offline([*command, "--method", "rationale-sft,random"], folder)
    assert not failed, output
    assert not hosts
    return folder / "leaderboards" / SUITE


@pytest.mark.slow
def test_every_table_of_grades_says_that_the_judge_is_a_heuristic(leaderboard):
    for name, start in (("grades.md", "**"), ("grades.tex", r"\caption{")):
        lines = (leaderboard / name).read_text(encoding="utf-8").splitlines()
        titles = [line for line in lines if line.startswith(start)]
        assert len(titles) == 6  # of each judge: means, shares, by history
        assert all("judge heuristic" in title for title in titles)
    with (leaderboard / "grades.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["judge"] for line in lines} == JUDGES
    assert {line["judge_kind"] for line in lines} == {"heuristic"}
    statuses = {(line["method"], line["status"]) for line in lines}
    assert statuses == {("rationale-sft", "complete"), ("random", "gives no rationales")}
    means = {
        line["statistic"]: float(line["value"])
        for line in lines
        if line["judge"] == "heuristic" and line["value"]
    }
    assert 0 <= means["mean rating"] <= 3
    assert means["share right"] <= means["share valid"] == 1  # constrained to the candidates
    assert {path.name for path in (leaderboard / "plots").glob("grades-*.svg")}


class Page(HTMLParser):
    """Addresses that a page would load, and its code and data."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.texts, self.inside = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.inside = attributes.get("type") or tag
        names = {"src", "srcset", "data", "poster", "action"} | ({"href"} - {tag == "a" and "href"})
        self.loaded += [attributes[name] for name in names if attributes.get(name)]

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        self.texts.append((self.inside, data))


@pytest.mark.slow
def test_the_page_loads_nothing_and_says_whose_grades_it_shows(leaderboard):
    page = Page((leaderboard / "index.html").read_text(encoding="utf-8"))
    assert not [address for address in page.loaded if not address.startswith(("data:", "#"))]
    code = "".join(text for kind, text in page.texts if kind in ("script", "style"))
    assert len(code) > 10_000
    for way in ("@import", "url(", "fetch(", "XMLHttpRequest", "import("):
        assert way not in code
    assert set(re.findall(r"https?://[^\s\"']+", code)) <= {"http://www.w3.org/2000/svg"}  # a name
    blocks = [json.loads(text) for kind, text in page.texts if kind == "application/json"]
    judges = [judge for block in blocks for judge in block.get("judges", ())]
    assert {judge["judge"] for judge in judges} == JUDGES
    for judge in judges:
        assert judge["kind"] == "heuristic"
        assert any(remark.startswith("a heuristic") for remark in judge["remarks"])
