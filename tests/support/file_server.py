"""A server of files on loopback that drops connections, and remembers what it was asked for."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

BODY = np.random.default_rng(0).bytes(300_000)
SHA = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


@dataclass
class Behaviour:
    """What the server does.

    body: what every address has that is not in `files`. files: path of an address -> content; an
    empty one is not there. cuts: bytes after which the next responses are cut off. codes: statuses
    of the next responses. asked: ranges of the GETs so far, None for a whole file. says_length:
    whether answers to HEAD say how long a file is.
    """

    body: bytes = BODY
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    ranges: bool = True
    tag: str = '"one"'
    asked: list[str | None] = field(default_factory=list)
    heads: int = 0
    says_length: bool = True
    base: str = ""

    @property
    def url(self) -> str:
        return f"{self.base}/file.bin"


@contextmanager
def serve_files() -> Iterator[Behaviour]:
    """Serve on a free port until the block ends."""
    behaviour = Behaviour()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            behaviour.heads += 1
            content = behaviour.files.get(self.path, behaviour.body)
            self.send_response(200 if content else 404)
            if behaviour.says_length:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()

        def do_GET(self):
            wanted = self.headers.get("Range")
            behaviour.asked.append(wanted)
            content = behaviour.files.get(self.path, behaviour.body)
            if behaviour.codes or not content:
                self.send_response(behaviour.codes.pop(0) if behaviour.codes else 404)
                self.send_header("Retry-After", "0")
                self.end_headers()
                return
            start, total = 0, len(content)
            fresh = self.headers.get("If-Range") in (None, behaviour.tag)
            if wanted and behaviour.ranges and fresh:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= total:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{total}")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            else:
                self.send_response(200)
            self.send_header("ETag", behaviour.tag)
            if behaviour.says_length:
                self.send_header("Content-Length", str(total - start))
            self.end_headers()
            stop = start + behaviour.cuts.pop(0) if behaviour.cuts else total
            self.wfile.write(content[start:stop])
            self.close_connection = True

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    behaviour.base = f"http://127.0.0.1:{httpd.server_port}"
    try:
        yield behaviour
    finally:
        httpd.shutdown()
        httpd.server_close()
