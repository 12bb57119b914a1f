"""A small server with OpenAI's interface on loopback, and a script of what it does wrong.

It serves /v1/models, /v1/completions (text or token ids, echo, logprobs, vLLM's prompt_logprobs and
logprob_token_ids), /v1/chat/completions and, where it `generates`, vLLM's /inference/v1/generate.
Each POST takes the next fault from `faults`; without one it is answered.
"""

import base64
import io
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import numpy as np

LIMIT = 8 << 20  # bytes of a request


@dataclass(frozen=True)
class Status:
    """An error status."""

    code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = field(default_factory=lambda: {"error": {"message": "made up"}})


@dataclass(frozen=True)
class Hang:
    """No answer for so many seconds, then none at all."""

    seconds: float


@dataclass(frozen=True)
class Slow:
    """A right answer, late."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection ends in the middle of a right answer, or before it."""

    share: float = 0.5


@dataclass(frozen=True)
class Raw:
    """Status 200 with this body."""

    body: bytes


@dataclass(frozen=True)
class Edit:
    """A right answer, changed: takes the reply as a dict and returns what is sent."""

    change: Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; the names of headers in lower case."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float


class TestServer(ThreadingHTTPServer):
    """`with TestServer(backend) as server:` serves at `server.url`.

    choices: how many a request gets at most; None as many as it wants. always: a fault for every
    request, after `faults` are used up. judge: a fault, or None, by the body.
    most: the largest number of requests at once so far. generates: which of vLLM's model runners
    answers /inference/v1/generate. cache: what there is in a prefix cache of blocks of four tokens.
    computed: tokens that were not in it.
    """

    __test__ = False
    daemon_threads = True

    def __init__(self, backend: Any, model: str = "tiny", choices: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend, self.model, self.choices = backend, model, choices
        self.faults: deque[Any] = deque()
        self.always: Any = None
        self.judge: Callable[[dict[str, Any]], Any] = lambda body: None
        self.seen: list[Seen] = []
        self.generates: Literal["", "rows", "passages"] = ""
        self.takes_token_ids = self.says_cached = True
        self.cache: set[tuple[int, ...]] = set()
        self.computed = 0
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def __enter__(self) -> "TestServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join(5)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are part of the tests."""

    def reply(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The right answer to a request."""
        if path.endswith("/generate"):
            return self._generated(body)
        if isinstance(body.get("prompt"), list) and isinstance(body["prompt"][0], list):
            replies = [self.reply(path, body | {"prompt": prompt}) for prompt in body["prompt"]]
            first = replies[0]
            first["choices"] = [reply["choices"][0] for reply in replies]
            return first
        chat = path.endswith("/chat/completions")
        backend = self.backend
        prompt = backend.chat_ids(body) if chat else body["prompt"]
        if isinstance(prompt, str) and not chat:
            prompt = backend.text_ids(prompt)
        n = min(body.get("n", 1), self.choices or 10**9)
        drawn = [backend.draw(prompt, i, body) for i in range(n)]
        choices: list[dict[str, Any]] = []
        for index, one in enumerate(drawn):
            choice: dict[str, Any] = {"index": index, "finish_reason": one.finish}
            if chat:
                choice["message"] = {"role": "assistant", "content": one.text, "refusal": None}
            else:
                choice |= {"text": one.text, "logprobs": self._logprobs(prompt, one, body)}
            if "logprob_token_ids" in body and self.takes_token_ids:
                self._read_cache(prompt)
                tokens = body["logprob_token_ids"]
                row = {f"token_id:{i}": backend.logprobs([*prompt, i])[-1] for i in tokens}
                choice["logprobs"]["top_logprobs"] = [row]
            if body.get("return_token_ids"):
                choice["token_ids"] = one.ids
            if "prompt_logprobs" in body:
                values = backend.logprobs(prompt)
                rows = zip(prompt[1:], values[1:], strict=True)
                choice["prompt_logprobs"] = [None, *({str(i): {"logprob": v}} for i, v in rows)]
            choices.append(choice)
        spent = sum(len(one.ids) for one in drawn)
        usage = {"prompt_tokens": len(prompt), "completion_tokens": spent}
        return {
            "id": "1",
            "object": "chat.completion" if chat else "text_completion",
            "created": 0,
            "model": self.model,
            "choices": choices,
            "usage": usage | {"total_tokens": len(prompt) + spent},
        }

    def _read_cache(self, ids: list[int]) -> int:
        """How many tokens are in the prefix cache; the others are put into it."""
        ends = range(4, len(ids), 4)
        with self.lock:
            cached = max((e for e in ends if tuple(ids[:e]) in self.cache), default=0)
            self.cache.update(tuple(ids[:e]) for e in (*ends, len(ids) // 4 * 4))
            self.computed += len(ids) - cached
        return cached

    def _generated(self, body: dict[str, Any]) -> dict[str, Any]:
        ids, how = body["token_ids"], body["sampling_params"]
        cached = 0 if how.get("skip_reading_prefix_cache", True) else self._read_cache(ids)
        values = self.backend.logprobs(ids)
        usage: dict[str, Any] = {"prompt_tokens": len(ids), "completion_tokens": 1}
        if self.says_cached:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        reply: dict[str, Any] = {"choices": [{"index": 0, "token_ids": [7]}], "usage": usage}
        if "prompt_logprobs" in how:
            rows = [{str(i): {"logprob": v}} for i, v in zip(ids[1:], values[1:], strict=True)]
            rows[:cached] = [{"123456": {"logprob": 9.0}}] * cached  # whatever was in memory
            reply["prompt_logprobs"] = [None, *rows]
        elif cached <= (start := how["prompt_logprob_start"]):
            table = how["prompt_logprob_token_ids"]
            assert [row[0] for row in table] == ids[start + 1 :]
            with io.BytesIO() as buffer:
                np.save(buffer, np.array(values[start + 1 :], dtype=np.float32)[:, None])
                text = base64.b64encode(buffer.getvalue()).decode()
            reply["prompt_token_id_logprobs"] = text
        return reply

    def _logprobs(self, prompt: Any, one: Any, body: dict[str, Any]) -> dict[str, Any] | None:
        if body.get("logprobs") is None:
            return None
        decode = self.backend.tokenizer.decode
        echoed = prompt if body.get("echo") else []
        values = self.backend.logprobs(prompt) if body.get("echo") else []
        return {
            "tokens": [decode([i]) for i in [*echoed, *one.ids]],
            "token_logprobs": [*values, *one.logprobs],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement
    server: TestServer

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": self.server.model}]})
        else:
            self._send(404, {"error": {"message": "no such page"}})

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(min(int(self.headers["Content-Length"]), LIMIT)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with server.lock:
            server.seen.append(Seen(self.path, body, headers, time.monotonic()))
            fault = server.faults.popleft() if server.faults else server.always
            fault = fault or server.judge(body)
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            self._answer(body, fault)
        finally:
            with server.lock:
                server.now -= 1

    def _answer(self, body: dict[str, Any], fault: Any) -> None:
        if isinstance(fault, Status):
            return self._send(fault.code, fault.body, fault.headers)
        if isinstance(fault, Raw):
            return self._send(200, fault.body)
        if isinstance(fault, Hang | Slow):
            self.server.closing.wait(fault.seconds)
        if isinstance(fault, Hang):
            self.close_connection = True
            return None
        if self.path == "/inference/v1/generate":
            cause = self._refuse(body["sampling_params"])
            if cause is not None:
                return self._send(cause.code, cause.body)
        elif self.path not in ("/v1/completions", "/v1/chat/completions"):
            return self._send(404, {"error": {"message": f"no {self.path}"}})
        if body["model"] != self.server.model:
            said = {"message": f"The model `{body['model']}` does not exist.", "code": None}
            return self._send(404, {"error": said})
        reply: Any = self.server.reply(self.path, body)
        if isinstance(fault, Edit):
            reply = fault.change(reply)
        return self._send(200, reply, cut=fault.share if isinstance(fault, Cut) else None)

    def _refuse(self, how: dict[str, Any]) -> Status | None:
        """What vLLM says to a request that it was not started for."""
        if not self.server.generates:
            return Status(403, body={"error": {"message": "Restart with --enable-scale-out."}})
        if self.server.generates == "rows" and "prompt_logprob_token_ids" in how:
            return Status(400, body={"error": {"message": "requires the V2 model runner"}})
        return None

    def _send(self, code: int, body: Any, headers: Any = (), cut: float | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if cut is not None:
            self.close_connection = True
            if not cut:
                return
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if cut is None else data[: int(len(data) * cut)])
