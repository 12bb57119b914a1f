"""A small server with OpenAI's interface on loopback, and a script of what it does wrong.

It serves /v1/models, /v1/completions (text or token ids, echo, logprobs, vLLM's prompt_logprobs)
and /v1/chat/completions. Each POST takes the next fault from `faults`; without one it is answered.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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
    most: the largest number of requests at once so far.
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
        if self.path not in ("/v1/completions", "/v1/chat/completions"):
            return self._send(404, {"error": {"message": f"no {self.path}"}})
        if body["model"] != self.server.model:
            said = {"message": f"The model `{body['model']}` does not exist.", "code": None}
            return self._send(404, {"error": said})
        reply: Any = self.server.reply(self.path, body)
        if isinstance(fault, Edit):
            reply = fault.change(reply)
        return self._send(200, reply, cut=fault.share if isinstance(fault, Cut) else None)

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
