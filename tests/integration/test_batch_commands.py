"""`benchkit judge --batch` and `benchkit rationales --batch`, by a server with batches."""

import os
import re
import signal
import subprocess
import sys

import pytest

from benchkit.errors import ConfigError
from tests.support.batch_server import BatchServer
from tests.support.command_line import said
from tests.support.explained_suite import run_explained_suite, write_explained_suite
from tests.support.judge_inputs import grade_of
from tests.support.server_backends import EchoBackend

JUDGING = """
[judging]
cases = 20
judges = [{ judge = "heuristic" }]
"""
CRITERIA = ("grounding", "specificity", "faithfulness", "persuasiveness")
JUDGE = ("judge", "--suite", "small.toml", "--by", "llm", "--config", "judge.toml")
TEACHER = ("rationales", "--suite", "small.toml", "--config", "teacher.toml", "--out", "r.jsonl")


def answer(text, number, seed):
    """A teacher's answer, or a judge's."""
    if "<rating>" in text:
        return "<rationale>It fits.</rationale><rating>5</rating>"
    return f"<eval>{' '.join(f'{name}-{1 + grade_of(text)}' for name in CRITERIA)}</eval>"


@pytest.fixture
def server(methods, tmp_path, monkeypatch):
    """Beside it a suite that was run, a judge and a teacher."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    write_explained_suite(methods, tmp_path, JUDGING)
    with BatchServer(EchoBackend(reply=answer)) as running:
        engine = (
            f'engine = {{ kind = "openai", base_url = "{running.url}", model = "tiny",'
            " batch_poll_s = 0.05, price_prompt = 10, price_completion = 20 }\n"
        )
        (tmp_path / "judge.toml").write_text(f'rubric = "rationale-quality"\n{engine}')
        (tmp_path / "teacher.toml").write_text(f'kind = "llm"\n{engine}')
        yield running


@pytest.fixture
def ran(server, tmp_path):
    run_explained_suite(tmp_path)
    return server


def interrupt_when(server, looks, *command):
    """Ctrl-C after a batch was looked at so often; returns what the command wrote."""
    server.looks = looks + 10**6
    started = subprocess.Popen(
        [sys.executable, "-m", "benchkit", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    while not any(b["looks"] >= looks for b in list(server.batches.values())):
        assert started.poll() is None, started.communicate()
    started.send_signal(signal.SIGINT)
    out, errors = started.communicate(timeout=60)
    assert started.returncode == 130, (out, errors)
    return " ".join(errors.split())


def costs(text):
    return [float(cost) for cost in re.findall(r"cost ([\d.]+)", text)]


@pytest.mark.slow
def test_judging_by_batches(ran, tmp_path):
    live, half = said(*JUDGE, "--estimate"), said(*JUDGE, "--batch", "--estimate")
    assert costs(half) == pytest.approx([cost / 2 for cost in costs(live)], abs=0.01)
    assert "by the Batch endpoint, at 50% of the prices" in half and "Batch" not in live
    words = interrupt_when(ran, 3, *JUDGE, "--batch")
    assert "interrupted: 2 batches with" in words and "run the same command again" in words
    assert len(ran.batches) == 2  # those of both runs at once
    ran.looks = 1
    table = said(*JUDGE, "--batch")
    assert "ExplainsMore" in table and len(ran.batches) == 2 and not ran.seen
    assert ran.paid and set(ran.paid.values()) == {1}
    # What batches answered, live calls need not ask.
    said(*JUDGE, "--label", "again")
    assert not ran.seen
    assert "judged already" in said(*JUDGE, "--estimate")


@pytest.mark.slow
def test_rationales_by_batches(server):
    half, live = said(*TEACHER, "--batch", "--estimate"), said(*TEACHER, "--estimate")
    assert costs(half) == pytest.approx([cost / 2 for cost in costs(live)], abs=0.01)
    assert "by the Batch endpoint, at 50% of the prices" in half
    words = interrupt_when(server, 3, *TEACHER, "--batch")
    assert "requests sent" in words and "in_progress, 0 of" in words
    assert "interrupted: 1 batch with" in words
    server.looks = 1
    assert " ok; wrote r.jsonl" in said(*TEACHER, "--batch")
    assert len(server.batches) == 1 and set(server.paid.values()) == {1}
    assert " ok; wrote r.jsonl" in said(*TEACHER)
    assert not server.seen


@pytest.mark.parametrize(
    "command", [("judge", "--suite", "small.toml"), ("rationales", "--suite", "small.toml")]
)
def test_without_a_server_there_is_nothing_to_batch(ran, command):
    more = ("--out", "r.jsonl") * (command[0] == "rationales")
    with pytest.raises(ConfigError, match="no engine that asks a server"):
        said(*command, *more, "--batch")
