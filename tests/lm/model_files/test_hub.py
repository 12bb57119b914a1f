"""Models by their id on the hub: which commit a run is of, and what the hub says."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchkit.errors import ConfigError
from benchkit.files import hub_cache
from benchkit.files.hub_cache import cached_commit, find_commit
from benchkit.fingerprint import canonical_settings
from benchkit.lm.cached_generator import identify_engine
from benchkit.lm.config import LMConfig
from benchkit.lm.engines import vllm
from tests.support.tiny_chat_model import tiny_model, tiny_tokenizer

FIRST, SECOND = "0123456789abcdef" * 2 + "01234567", "89abcdef" * 5
NAME = "owner/tiny"


def publish(hub, commit, weights=None, ref="main"):
    """Put a snapshot into a hub cache, as downloading does."""
    folder = hub / "models--owner--tiny"
    snapshot = folder / "snapshots" / commit
    if weights is None:
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text("{}")
    else:
        shutil.copytree(weights, snapshot)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / ref).write_text(commit)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    folder = tmp_path / "home" / "hub"
    folder.mkdir(parents=True)
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(folder.parent))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub_cache._find_commit.cache_clear()
    yield folder
    hub_cache._find_commit.cache_clear()


def identity(**values):
    hub_cache._find_commit.cache_clear()  # each as in a process of its own
    return canonical_settings(LMConfig(**values))


def test_the_commit_of_a_local_copy(hub):
    assert cached_commit(NAME) is None and find_commit(NAME) is None
    publish(hub, FIRST)
    publish(hub, SECOND, ref="v2")
    hub_cache._find_commit.cache_clear()
    assert cached_commit(NAME) == find_commit(NAME) == FIRST
    assert cached_commit(NAME, "v2") == cached_commit(NAME, SECOND) == SECOND
    assert cached_commit(NAME, "v3") is None and cached_commit(NAME, "f" * 40) is None
    assert find_commit(NAME, "f" * 40) == "f" * 40
    shutil.rmtree(hub / "models--owner--tiny" / "snapshots" / FIRST)
    assert cached_commit(NAME) is None  # a ref to nothing
    assert find_commit(NAME) == FIRST  # which does not change while a process runs


def test_a_hub_that_does_not_answer_stops_no_planning(hub, monkeypatch):
    import huggingface_hub

    done = threading.Event()
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(hub_cache, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: done.wait(60))
    assert find_commit(NAME) is None
    done.set()

    def fail(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    assert find_commit("owner/other") is None
    assert find_commit("owner/other", FIRST) == FIRST


@pytest.mark.parametrize("name", ["./tiny", "/a/b", "a/b/c", "~/x", "", "..", "a b", "../x"])
def test_what_can_be_no_id_has_no_commit(hub, name):
    assert cached_commit(name) is None and find_commit(name) is None


def test_the_commit_is_part_of_a_runs_identity(hub):
    before = identity(backbone=NAME)
    assert before["backbone"] == NAME
    publish(hub, FIRST)
    first = identity(backbone=NAME)
    assert first["backbone"] == f"{NAME}@{FIRST}"
    assert identity(backbone=NAME, revision=SECOND)["backbone"] == f"{NAME}@{SECOND}"
    publish(hub, SECOND)
    assert identity(backbone=NAME) != first
    assert identity(backbone=NAME, adapter=NAME)["adapter"] == f"{NAME}@{SECOND}"
    assert identity()["backbone"] == "nano"


def test_the_commit_of_what_an_engine_names(hub):
    publish(hub, FIRST)
    pinned = f"{NAME}@{FIRST}"
    served = {"kind": "openai", "model": NAME, "tokenizer": NAME}
    found = identity(backbone=NAME, engine=served)
    assert found["backbone"] == found["engine"]["model"] == NAME  # names of the server's
    assert found["engine"]["tokenizer"] == pinned
    found = identity(backbone=NAME, engine={"kind": "vllm", "model": NAME, "lora": NAME})
    assert (found["engine"]["model"], found["engine"]["lora"]) == (pinned, pinned)


def test_answers_of_a_replaced_model_are_not_used_again(hub, tmp_path):
    publish(hub, FIRST)
    first = identify_engine({"kind": "hf", "backbone": NAME})
    assert first["backbone"] == f"{NAME}@{FIRST}"
    folder = tmp_path / "m"
    folder.mkdir()
    keys = []
    for text in ("{}", '{"a": 1}'):
        (folder / "config.json").write_text(text)
        keys.append(identify_engine({"kind": "hf", "backbone": str(folder)}))
    assert keys[0] != keys[1]


def test_vllm_gets_the_commit_and_says_what_it_lacks(hub, monkeypatch):
    publish(hub, FIRST)
    seen = {}

    class LLM:
        def __init__(self, **options):
            seen.update(options)
            raise self.error

    fake = type("vllm", (), {"LLM": LLM})
    engine = vllm.VLLMEngine(vllm.VLLMConfig(model=NAME))
    engine.__dict__["_vllm"] = fake
    LLM.error = ValueError("Bfloat16 is only supported on GPUs with compute capability 8.0")
    with pytest.raises(ConfigError, match="model 'owner/tiny' cannot be loaded: Bfloat16"):
        engine.count_tokens("x")
    assert seen["revision"] == FIRST
    LLM.error = RuntimeError("Engine core initialization failed.")
    with pytest.raises(vllm.EngineError, match="vLLM cannot load model 'owner/tiny'") as raised:
        engine.count_tokens("x")
    assert "gpu_memory_utilization" in raised.value.hint


# A hub on loopback, asked by another process, as its library reads its address once

CLIENT = """
import json, sys
from pathlib import Path
from benchkit.errors import BenchkitError
from benchkit.files.hub_cache import find_commit
from benchkit.lm.backbones import load_backbone
from benchkit.lm.config import LMConfig
from benchkit.testing.fixtures import run_context, toy_dataset

run = run_context(toy_dataset(users=20, items=60).catalog)
for values in json.loads(sys.argv[1]):
    try:
        commit = find_commit(values["backbone"], values.get("revision"))
        load_backbone(LMConfig(**values), None, run)
        print(json.dumps([commit, "", ""]))
    except BenchkitError as error:
        print(json.dumps([commit, error.cause, error.hint]))
"""


class Hub(ThreadingHTTPServer):
    """Serves one model's files as owner/tiny; owner/gated and others are refused."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _HubHandler)
        self.folder, self.seen = folder, []


class _HubHandler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Quiet."""

    def do_GET(self):
        path = self.path.removeprefix("/api/models")
        _, name, _, revision, *path = path.partition("?")[0].split("/")[1:] + [""] * 4
        self.server.seen.append(self.path)
        fault = {"gated": (401, "GatedRepo"), "missing": (401, "RepoNotFound")}.get(name)
        if fault is None and revision not in ("main", FIRST):
            fault = (404, "RevisionNotFound")
        file = self.server.folder / "/".join(part for part in path if part)
        if fault is None and not file.is_file():
            fault = (404, "EntryNotFound")
        code, error = fault or (200, "")
        body = file.read_bytes() if fault is None else b""
        self.send_response(code)
        headers = {"X-Error-Code": error, "X-Error-Message": "made up"} if fault else {
            "X-Repo-Commit": FIRST, "ETag": f'"{file.name}"'
        }  # fmt: skip
        for header, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET


def ask_hub(tmp_path, url, *settings, offline=False):
    environment = {
        **os.environ, "HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*",
        "HF_HUB_OFFLINE": str(int(offline)), "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, json.dumps(settings)],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


@pytest.mark.slow
def test_what_the_hub_says(tmp_path):
    folder = Path(tmp_path / "m")
    tokenizer = tiny_tokenizer()
    tiny_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with Hub(folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        gated, missing, revision, whole = ask_hub(
            tmp_path, url, {"backbone": "owner/gated"}, {"backbone": "owner/missing"},
            {"backbone": NAME, "revision": "v9"}, {"backbone": NAME},
        )  # fmt: skip
        assert "it is gated" in gated[1] and "hf auth login" in gated[2]
        assert "no such model, or it is private" in missing[1] and "check the id" in missing[2]
        assert "not this revision" in revision[1] and "check revision" in revision[2]
        # Known before it is downloaded, and the same afterwards, without a network.
        assert whole == [FIRST, "", ""], server.seen
        server.shutdown()
    here, away = ask_hub(
        tmp_path, url, {"backbone": NAME}, {"backbone": "owner/other"}, offline=True
    )
    assert here == [FIRST, "", ""]
    assert away[0] is None and "HF_HUB_OFFLINE" in away[1] + away[2]
