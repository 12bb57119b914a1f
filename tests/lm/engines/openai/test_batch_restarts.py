"""A thousand requests in batches, with a client that is killed: none is lost, none paid twice."""

import json
import signal
import subprocess
import sys

import pytest

from benchkit.lm.generation_cache import GenerationCache
from tests.support.batch_server import BatchServer
from tests.support.openai_engine import GREEDY, make, prompts, texts
from tests.support.openai_server import Cut, Status
from tests.support.server_backends import EchoBackend

pytestmark = pytest.mark.usefixtures("environment")

N = 1000
# Asks for everything; killed by itself at its n-th stored answer, if n is not 0.
CLIENT = """
import json, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from benchkit.lm.generation_cache import GenerationCache
from tests.support.openai_engine import GREEDY, make, prompts, texts

url, folder, count, kill_at = sys.argv[1:]
put, n_stored = GenerationCache.put, 0

def counting_put(self, key, answer):
    global n_stored
    stored = put(self, key, answer)
    n_stored += 1
    if n_stored == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)
    return stored

GenerationCache.put = counting_put
engine = make(SimpleNamespace(url=url), Path(folder), batch_api=True, batch_lines=250)
answers = list(engine.generate(prompts(int(count)), GREEDY))
print(json.dumps([texts(answers), [a.usage["cached"] for a in answers]]))
"""


def start(server, folder, kill_at=0):
    arguments = [server.url, str(folder), str(N), str(kill_at)]
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def line_fault(key, sent, body):
    """Of the lines that are sent for the first time, one in ten fails and one in thirty is lost."""
    number = int(body["messages"][0]["content"].rpartition("w")[2])
    if sent or number % 10:
        return None
    return "drop" if number % 30 == 0 else Status((500, 429)[number % 20 == 0])


def test_a_killed_client_loses_nothing_and_pays_nothing_twice(tmp_path):
    with BatchServer(EchoBackend()) as server:
        server.line_fault = line_fault
        server.endings.extend(["completed", "expired"])
        # Killed while the third of four batches is created: the server has it, the client's record
        # has no id.
        first = None

        def kill(n_batches):
            if n_batches == 3:
                first.kill()
                first.wait()

        server.on_create = kill
        first = start(server, tmp_path)
        first.communicate(timeout=60)
        assert first.returncode == -signal.SIGKILL and len(server.batches) == 3
        records = [json.loads(p.read_text()) for p in (tmp_path / "cache/batches").glob("*.json")]
        assert sorted(r["batch"] is None for r in records) == [False, False, True]
        # Killed while the second batch is read, and then while the lines that failed are.
        for kill_at in (300, 450):
            second = start(server, tmp_path, kill_at)
            _, errors = second.communicate(timeout=60)
            assert second.returncode == -signal.SIGKILL, errors
        # The last one does not get the answer to one of its calls, either.
        server.create_faults.append(Cut(0))
        last = start(server, tmp_path)
        out, errors = last.communicate(timeout=60)
        assert last.returncode == 0, errors
        answers, cached = json.loads(out)
        assert answers == [[f"w{i}-0-None"] for i in range(N)]
        assert 0 < sum(cached) < N
        assert len(server.paid) == N and set(server.paid.values()) == {1}
        assert len(GenerationCache(tmp_path / "cache")) == N
        assert not list((tmp_path / "cache/batches").glob("*.json"))
        # Live calls find them all.
        live = make(server, tmp_path)
        assert texts(live.generate(prompts(N), GREEDY)) == answers
        assert not server.seen


def test_two_clients_at_once_share_their_batches(tmp_path):
    with BatchServer(EchoBackend(), looks=6) as server:
        server.line_fault = line_fault
        clients = [start(server, tmp_path) for _ in range(2)]
        outputs = [client.communicate(timeout=60) for client in clients]
        assert [client.returncode for client in clients] == [0, 0], outputs
        assert [len(json.loads(out)[0]) for out, _ in outputs] == [N, N]
        assert len(server.paid) == N and set(server.paid.values()) == {1}
