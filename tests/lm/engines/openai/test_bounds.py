"""The openai engine against servers that drip, flood, point elsewhere, or shift their numbers."""

import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.lm.cached_generator import semantic_settings
from benchkit.lm.engines.openai import bounded_http
from benchkit.lm.engines.openai.bounded_http import DeadlineError, call_within
from benchkit.lm.engines.openai.config import OpenAIConfig
from tests.support.openai_engine import GREEDY, KEY, edit, make, prompts, texts
from tests.support.openai_server import Edit, Raw, Status

pytestmark = pytest.mark.usefixtures("environment")

ANSWER = json.dumps(
    {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "well"}}],
     "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
).encode()  # fmt: skip


class Server(ThreadingHTTPServer):
    """Answers by `script(handler)`; counts requests, with their headers."""

    daemon_threads = True

    def __init__(self, script):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.seen, self.closing = script, [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        """Clients that give up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_):
        """Quiet."""

    def do_POST(self):
        self.rfile.read(min(int(self.headers["Content-Length"]), 1 << 20))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.path, headers))
        self.server.script(self)

    do_GET = do_POST

    def reply(self, content, code=200, **headers):
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)


def drip_body(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        if handler.server.closing.wait(0.05):
            return


def drip_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        handler.wfile.write(b"x")
        if handler.server.closing.wait(0.05):
            return


@pytest.mark.parametrize("script", [drip_body, drip_headers])
def test_a_drip_ends_at_the_deadline(tmp_path, script):
    with Server(script) as server:
        engine = make(server, tmp_path, retries=1, timeout_s=5, deadline_s=0.4)
        begin = time.monotonic()
        with pytest.raises(EngineError, match=r"no whole answer within 0\.4 s"):
            list(engine.generate(prompts(1), GREEDY))
        assert time.monotonic() - begin < 4
        assert len(server.seen) == 2


def test_the_deadline_follows_the_timeout_and_is_no_part_of_an_answer():
    config = OpenAIConfig(model="m", timeout_s=10)
    assert config.request_deadline_s == 40
    assert OpenAIConfig(model="m", deadline_s=3).request_deadline_s == 3
    assert "deadline_s" not in semantic_settings(config.model_dump())
    with pytest.raises(ValueError, match="deadline_s"):
        OpenAIConfig(model="m", deadline_s=0)


def flood(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 30))
    handler.end_headers()
    for _ in range(400):
        handler.wfile.write(b" " * 100_000)


def flood_in_chunks(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(400):
        handler.wfile.write(b"186a0\r\n" + b" " * 100_000 + b"\r\n")


def flood_packed(handler):
    handler.reply(gzip.compress(b" " * 40_000_000), Content_Encoding="gzip")


def flood_error(handler):
    handler.reply(b"x" * 3_000_000, code=400)


@pytest.mark.parametrize("script", [flood, flood_in_chunks, flood_packed, flood_error])
def test_a_flood_is_cut_off(tmp_path, monkeypatch, script):
    real = bounded_http.make_http_client
    monkeypatch.setattr(
        "benchkit.lm.engines.openai.client.make_http_client",
        lambda deadline_s, _: real(deadline_s, 1_000_000),
    )
    with (
        Server(script) as server,
        pytest.raises(EngineError, match=r"too long \(more than 1,000,000 bytes"),
    ):
        list(make(server, tmp_path, retries=0).generate(prompts(1), GREEDY))


def test_a_packed_answer_is_read(tmp_path):
    with Server(lambda h: h.reply(gzip.compress(ANSWER), Content_Encoding="gzip")) as server:
        assert texts(make(server, tmp_path).generate(prompts(1), GREEDY)) == [["well"]]


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"choices":' + b"[" * 200_000, b'{"a":' * 100_000, b"9" * 10_000, b"\xff"],
    ids=["lists", "choices", "objects", "digits", "bytes"],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_json_that_no_parser_takes_is_a_fault(tmp_path, echo, body, status):
    echo.always = Raw(body) if status == 200 else Status(status, body=body)
    engine = make(echo, tmp_path, retries=1)
    if status == 400:  # of this request alone
        (answer,) = engine.generate(prompts(1), GREEDY)
        assert answer.completions[0].finish == "error"
        assert "HTTP 400" in answer.completions[0].fault
        return
    with pytest.raises(EngineError, match="could not be asked"):
        list(engine.generate(prompts(1), GREEDY))


def test_an_answer_nested_to_the_limit_is_a_fault_of_its_case(tmp_path, echo):
    deep = json.loads("[" * 900 + "]" * 900)
    for name in ("detail", "error"):
        echo.always = Edit(lambda reply, name=name: {name: deep})
        (answer,) = make(echo, tmp_path / name, retries=1).generate(prompts(1), GREEDY)
        assert answer.completions[0].finish == "error"


@pytest.mark.parametrize("count", [10**30, -1, 1.5, True, "7", 1e308])
def test_a_count_of_tokens_that_is_none_is_not_counted(tmp_path, echo, count):
    echo.always = Edit(lambda reply: reply | {"usage": {"prompt_tokens": count}})
    engine = make(echo, tmp_path, max_cost=1e9, price_prompt=1.0)
    assert len(list(engine.generate(prompts(2), GREEDY))) == 2
    assert engine.budget.price(engine.budget.spent) < 1


def test_an_error_code_may_be_anything(tmp_path, echo):
    echo.always = Status(400, body={"error": {"message": "no", "code": ["x"], "param": {}}})
    (answer,) = make(echo, tmp_path).generate(prompts(1), GREEDY)
    assert answer.completions[0].finish == "error"


# Redirects


def redirect_to(place, code=307):
    return lambda handler: handler.reply(b"", code=code, Location=place)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused(tmp_path, code):
    with (
        Server(lambda handler: handler.reply(ANSWER)) as other,
        Server(redirect_to(f"{other.url}/chat/completions", code)) as server,
    ):
        with pytest.raises(ConfigError, match=f"redirects to {other.url}") as caught:
            list(make(server, tmp_path).generate(prompts(1), GREEDY))
        assert "set base_url" in caught.value.hint and KEY not in str(caught.value)
        assert not other.seen and len(server.seen) == 1


@pytest.mark.parametrize(
    "place",
    ["http://localhost:{port}/v1", "https://127.0.0.1:{port}/v1", "//evil.example/v1",
     "http://127.0.0.1:{port}@evil.example/", "http://127.0.0.1.evil.example:{port}/"],
)  # fmt: skip
def test_another_name_or_port_is_another_host(tmp_path, place):
    with Server(lambda h: redirect_to(place.format(port=h.server.server_port))(h)) as server:
        with pytest.raises(ConfigError, match="which is not followed"):
            list(make(server, tmp_path).generate(prompts(1), GREEDY))
        assert len(server.seen) == 1


def test_a_redirect_within_the_server_is_followed(tmp_path):
    def script(handler):
        if handler.path.startswith("/v2"):
            handler.reply(ANSWER)
        else:
            redirect_to("/v2/chat/completions", 308)(handler)

    with Server(script) as server:
        assert texts(make(server, tmp_path).generate(prompts(1), GREEDY)) == [["well"]]
        (_, first), (path, second) = server.seen
        assert path == "/v2/chat/completions"
        assert second["authorization"] == first["authorization"] == f"Bearer {KEY}"


def test_a_redirect_in_a_circle_ends(tmp_path):
    with Server(redirect_to("/v1/chat/completions")) as server:
        with pytest.raises(ConfigError, match="which is not followed"):
            list(make(server, tmp_path).generate(prompts(1), GREEDY))
        assert len(server.seen) <= 6


# Log-probabilities beside the wrong token


def shift_left(choice):
    values = choice["logprobs"]["token_logprobs"]
    choice["logprobs"]["token_logprobs"] = [*values[1:], -1.0]


def shift_right(choice):
    values = choice["logprobs"]["token_logprobs"]
    choice["logprobs"]["token_logprobs"] = [-1.0, *values[:-1]]


def shift_behind_null(choice):
    log = choice["logprobs"]
    values = log["token_logprobs"]
    log["top_logprobs"] = [None, *({"x": v + 1e-4} for v in values[1:])]
    log["token_logprobs"] = [None, *values[2:], -0.001]


def shift_tokens(choice):
    log = choice["logprobs"]
    log["tokens"] = [*log["tokens"][1:], "x"]


def shift_rows(choice):
    choice["prompt_logprobs"] = [*choice["prompt_logprobs"][1:], None]


def number_first(choice):
    choice["prompt_logprobs"][0] = {"0": {"logprob": -1.0}}


ECHO = {"scoring": "echo"}
VLLM = {"scoring": "prompt_logprobs"}


@pytest.mark.parametrize(
    ("change", "settings", "cause"),
    [(shift_left, ECHO, "shifted"), (shift_right, ECHO, "shifted"),
     (shift_behind_null, ECHO, "shifted"), (shift_tokens, ECHO, "it scored"),
     (shift_rows, VLLM, "log-probability"), (number_first, VLLM, "shifted")],
)  # fmt: skip
def test_log_probabilities_of_other_tokens_are_no_scores(
    tmp_path, echo, folder, change, settings, cause
):
    echo.always = edit(change)
    engine = make(echo, tmp_path, tokenizer=str(folder), retries=1, **settings)
    (scores,) = engine.score(prompts(1), [["w3 w4", "w5"]])
    assert scores.finish == "error" and cause in scores.fault


def test_a_zero_for_the_first_token_is_taken(tmp_path, echo, folder):
    def zero(choice):
        choice["logprobs"]["token_logprobs"][0] = 0.0

    engine = make(echo, tmp_path / "a", tokenizer=str(folder), **ECHO)
    (expected,) = engine.score(prompts(1), [["w3 w4"]])
    echo.always = edit(zero)
    (scores,) = make(echo, tmp_path / "b", tokenizer=str(folder), **ECHO).score(
        prompts(1), [["w3 w4"]]
    )
    assert scores.logprobs.tolist() == expected.logprobs.tolist()


def test_a_function_may_raise_return_or_be_late():
    assert call_within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        call_within(5, lambda: 1 / 0)
    with pytest.raises(DeadlineError):
        call_within(0.05, lambda: time.sleep(0.5))
