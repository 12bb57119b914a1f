"""The openai engine against a server that cannot be reached, or breaks off."""

import time
from email.utils import formatdate

import pytest

from benchkit.errors import EngineError
from tests.support.openai_engine import GREEDY, make, prompts, texts
from tests.support.openai_server import Cut, Hang, Raw, Status, TestServer
from tests.support.server_backends import EchoBackend

pytestmark = pytest.mark.usefixtures("environment")

TRANSPORT = [
    Status(429, {"Retry-After": "2"}),
    Status(500),
    Status(503, body=b"<html>"),
    Status(408),
    Cut(0),
    Cut(0.5),
    Raw(b'{"choices": [{'),
    Raw(b""),
]


@pytest.mark.parametrize("fault", TRANSPORT, ids=repr)
def test_a_request_that_fails_on_the_way_is_asked_again(echo, tmp_path, fault):
    echo.faults.extend([None, fault, fault])
    waits = []
    answers = list(make(echo, tmp_path, waits).generate(prompts(6), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(6)]
    assert (len(echo.seen), len(waits)) == (8, 2)
    assert all(0 <= wait <= 2.5 for wait in waits)


@pytest.mark.parametrize("fault", TRANSPORT, ids=repr)
def test_a_server_that_stays_away_ends_the_run_and_a_second_one_goes_on(echo, tmp_path, fault):
    echo.faults.extend([None] * 7)
    echo.always = fault
    got = []
    with pytest.raises(EngineError) as raised:
        for answer in make(echo, tmp_path, retries=2).generate(prompts(20), GREEDY):
            got.append(answer)
    said = str(raised.value)
    assert echo.url in said and "run again: what was answered is cached" in said
    assert texts(got) == [[f"w{i}-0-None"] for i in range(len(got))]
    assert len(got) <= 7
    assert len(echo.seen) <= 7 + 3 * 4  # nothing new is begun once one has failed for good
    echo.always = None
    echo.seen.clear()
    answers = list(make(echo, tmp_path).generate(prompts(20), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(20)]
    assert len(echo.seen) == 13
    assert sum(a.usage["cached"] for a in answers) == 7


def test_a_hanging_server_is_left(echo, tmp_path):
    echo.faults.append(Hang(30))
    start = time.monotonic()
    answers = list(make(echo, tmp_path, timeout_s=0.3).generate(prompts(3), GREEDY))
    assert texts(answers) == [[f"w{i}-0-None"] for i in range(3)]
    assert time.monotonic() - start < 5
    assert len(echo.seen) == 4


def test_no_server_at_all(tmp_path):
    with TestServer(EchoBackend()) as server:
        pass
    with pytest.raises(EngineError, match=r"127\.0\.0\.1.*no connection"):
        list(make(server, tmp_path).generate(prompts(1), GREEDY))


@pytest.mark.parametrize("date", [False, True])
def test_retry_after_is_honoured(echo, tmp_path, date):
    now = 1_700_000_000.0
    value = formatdate(now + 40, usegmt=True) if date else "40"
    echo.faults.append(Status(429, {"Retry-After": value}))
    waits = []
    list(make(echo, tmp_path, waits, now=lambda: now).generate(prompts(1), GREEDY))
    assert len(waits) == 1
    assert 40 <= waits[0] <= 41


def test_a_used_up_account_is_not_asked_again(echo, tmp_path):
    said = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    echo.always = Status(429, body=said)
    with pytest.raises(EngineError, match="used up"):
        list(make(echo, tmp_path, concurrency=1).generate(prompts(1), GREEDY))
    assert len(echo.seen) == 1
