"""Judging against a server that fails one request in five, by a process that is killed midway."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.judge_inputs import fake_reply, grade_of, many_inputs
from tests.support.openai_engine import KEY, edit
from tests.support.openai_server import Edit, Hang, Raw, Status, TestServer
from tests.support.server_backends import EchoBackend

ATTEMPTS = 16  # requests at once
ROOT = Path(__file__).parents[2]

CHILD = """
import json, sys
from pathlib import Path
from tests.support.judge_inputs import judging_run, many_inputs
from judges.llm_judge import LLMJudge, LLMJudgeConfig

url, folder, out, count, at_once = sys.argv[1:]
engine = {"kind": "openai", "base_url": url, "model": "tiny", "timeout_s": 1.0, "max_retries": 12,
          "concurrency": int(at_once)}
judge = LLMJudge(LLMJudgeConfig(engine=engine, batch=max(20, int(count) // 10)))
with open(out, "w") as file:
    for verdict in judge.judge(many_inputs(int(count)), judging_run(Path(folder))):
        row = verdict.key, verdict.status, dict(verdict.grades), verdict.reason, verdict.text
        print(json.dumps(row), file=file, flush=True)
"""


def says(text):
    return edit(lambda choice: choice["message"].update(content=text))


FAILURES = [
    Status(429, {"Retry-After": "0"}),
    Status(429),
    Status(500),
    Status(503, body=b"<html>"),
    Hang(10),
    Raw(b'{"choices": [{'),
    Raw(b'{"error": {"message": "upstream"}}'),
    Edit(lambda reply: reply | {"choices": []}),
]
# Whole answers, paid for, in which no verdict can be read.
GARBAGE = [
    says("It is good."),
    says("<eval>RATING-9</eval>"),
    says("<eval>RATING-1</eval><eval>RATING-2</eval>"),
    says("<eval>RATING-"),
]


def faults(count):
    """A fault for one request in five, None for the others."""
    rng = random.Random(count)
    drawn = []
    for _ in range(count):
        chosen = rng.choice([FAILURES, FAILURES, FAILURES, GARBAGE])
        drawn.append(rng.choice(chosen) if rng.random() < 0.2 else None)
    return drawn


def begun(server, folder, out, count):
    """A process that judges."""
    environment = os.environ | {
        "OPENAI_API_KEY": KEY,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, server.url, str(folder), str(out), str(count), str(ATTEMPTS)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines(path):
    """The whole lines of a file that may have been cut off."""
    whole = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in whole]


def reason_of(body):
    return re.search(r"Reason (\d+),", body["messages"][-1]["content"])[1]


@pytest.mark.parametrize("count", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_no_judgement_is_lost_and_none_is_paid_for_twice(tmp_path, count):
    planned = faults(4 * count)
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    with TestServer(EchoBackend(reply=fake_reply)) as server:
        server.faults.extend(planned)
        process = begun(server, tmp_path / "cache", first, count)
        try:
            end = time.monotonic() + 120
            while len(lines(first)) < count // 2 and process.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.02)
        finally:
            process.kill()  # SIGKILL
        process.communicate(timeout=20)
        assert process.returncode == -signal.SIGKILL
        done = lines(first)
        assert count // 2 <= len(done) < count
        time.sleep(0.2)  # requests under way reach the server
        before = len(server.seen)
        process = begun(server, tmp_path / "cache", second, count)
        try:
            output, _ = process.communicate(timeout=240)
        finally:
            process.kill()
        assert process.returncode == 0, output
        seen = list(server.seen)
    assert len(seen) < len(planned)

    result = lines(second)
    assert [row[0] for row in result] == [f"e{n}" for n in range(count)]
    assert [row[:4] for row in result[: len(done)]] == [row[:4] for row in done]
    right = {e.key: {"rating": float(grade_of(e.rationale))} for e in many_inputs(count)}
    for key, status, grades, why, text in result:
        if status == "scored":
            assert (grades, why) == (right[key], "")
        else:
            assert (status, grades) == ("unscored", {})
            assert why and text
    unscored = sum(row[1] == "unscored" for row in result)
    assert unscored <= 1 + count // 50  # both answers were garbage

    # What was answered is asked again only if it was under way when the process was killed.
    answered = Counter(
        json.dumps(request.body, sort_keys=True)
        for request, fault in zip(seen, planned, strict=False)
        if fault is None or fault in GARBAGE
    )
    assert sum(answered.values()) - len(answered) <= ATTEMPTS
    assert len(answered) >= count
    keys = {key.removeprefix("e") for key, *_ in done}
    assert not keys & {reason_of(request.body) for request in seen[before:]}
    assert sum(fault is not None for fault in planned[: len(seen)]) > 0.1 * len(seen)

    assert KEY not in output
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) >= 3
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
