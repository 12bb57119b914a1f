"""A test server that has the Batch endpoint, too: files, batches, and what can go wrong in them."""

import json
import re
import time
from collections import Counter, deque
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.openai_server import Cut, Status, TestServer, _Handler


class BatchServer(TestServer):
    """`with BatchServer(backend) as server:`; a batch ends at its `looks`-th look.

    create_faults: of the next calls that create a batch: `Status` before it is created, `Cut` after
    it. line_fault: by custom_id, how often it was sent before, and body; None, a status with a
    body, "drop" for a line that comes out nowhere, or "junk" for an answer that is unusable.
    on_create: called with the number of batches before a creation is answered.
    endings: statuses of the next batches to end other than "completed". An expired or cancelled
    batch carries out every second request. paid: how often each custom_id was carried out.
    """

    __test__ = False

    def __init__(self, backend: Any, model: str = "tiny", looks: int = 2, page: int = 100) -> None:
        super().__init__(backend, model)
        self.RequestHandlerClass = _BatchHandler
        self.looks, self.page = looks, page
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.create_faults: deque[Any] = deque()
        self.endings: deque[str] = deque()
        self.line_fault = lambda key, sent, body: None
        self.paid: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.can_list = self.has_batches = True
        self.keeps_metadata = True
        self.most_lines: int | None = None
        self.on_create = lambda n_batches: None

    def requests(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def upload(self, content: bytes) -> dict[str, Any]:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "purpose": "batch"}

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        batch = {
            "id": f"batch_{len(self.batches)}", "object": "batch", "status": "validating",
            "input_file_id": body["input_file_id"], "endpoint": body["endpoint"],
            "created_at": int(time.time()), "looks": 0,
            "metadata": body.get("metadata") if self.keeps_metadata else None,
            "completion_window": body["completion_window"],
        }  # fmt: skip
        self.batches[batch["id"]] = batch
        return batch

    def look(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        if batch["status"] in ("validating", "in_progress"):
            batch["looks"] += 1
            n_lines = len(self.requests(batch))
            batch["status"] = "in_progress"
            batch["request_counts"] = {"total": n_lines, "completed": 0, "failed": 0}
            if self.most_lines is not None and n_lines > self.most_lines:
                error = {"code": "token_limit_exceeded", "message": "Enqueued limit reached"}
                batch |= {"status": "failed", "errors": {"object": "list", "data": [error]}}
            elif batch["looks"] >= self.looks:
                self.finish(batch)
        return batch

    def finish(self, batch: dict[str, Any]) -> None:
        status = self.endings.popleft() if self.endings else "completed"
        batch["status"] = status
        if status == "failed":
            error = {"code": "model_not_found", "message": "no such model", "line": 1}
            batch["errors"] = {"object": "list", "data": [error]}
            return
        out, err = [], []
        for number, line in enumerate(self.requests(batch)):
            key, body = line["custom_id"], line["body"]
            entry: dict[str, Any] = {"id": f"r{number}", "custom_id": key, "error": None}
            if status != "completed" and number % 2:
                error = {"code": f"batch_{status}", "message": f"This batch {status}."}
                err.append(entry | {"response": None, "error": error})
                continue
            fault = self.line_fault(key, self.sent[key], body)
            self.sent[key] += 1
            if fault == "drop":
                continue
            if isinstance(fault, Status):
                err.append(entry | {"response": {"status_code": fault.code, "body": fault.body}})
                continue
            self.paid[key] += 1
            reply = {"choices": []} if fault == "junk" else self.reply(line["url"], body)
            out.append(entry | {"response": {"status_code": 200, "body": reply}})
        counts = {"total": len(out) + len(err), "completed": len(out), "failed": len(err)}
        batch["request_counts"] = counts
        for name, lines in (("output_file_id", out[::-1]), ("error_file_id", err)):
            if lines:
                text = "\n".join(json.dumps(line) for line in lines)
                batch[name] = self.upload(text.encode())["id"]


class _BatchHandler(_Handler):
    server: BatchServer

    def do_GET(self) -> None:
        server, url = self.server, urlsplit(self.path)
        parts = url.path.split("/")[2:]
        with server.lock:
            if parts[0] == "files" and parts[2:] == ["content"] and parts[1] in server.files:
                return self._send(200, server.files[parts[1]])
            if parts == ["batches"] and server.can_list:
                query = parse_qs(url.query)
                newest = list(server.batches.values())[::-1]
                if after := query.get("after"):
                    place = [batch["id"] for batch in newest].index(after[0])
                    newest = newest[place + 1 :]
                page = newest[: server.page]
                more = len(newest) > len(page)
                return self._send(200, {"object": "list", "data": page, "has_more": more})
            if parts[0] == "batches" and len(parts) == 2 and parts[1] in server.batches:
                return self._send(200, server.look(parts[1]))
        return super().do_GET()

    def do_POST(self) -> None:
        server = self.server
        if self.path in ("/v1/files", "/v1/batches") and not server.has_batches:
            self.rfile.read(int(self.headers["Content-Length"]))
            return self._send(404, {"error": {"message": f"no {self.path}"}})
        if self.path == "/v1/files":
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            boundary = re.search("boundary=([^;]+)", self.headers["Content-Type"])[1].strip('"')
            parts = raw.split(f"--{boundary}".encode())
            (content,) = [p.partition(b"\r\n\r\n")[2][:-2] for p in parts if b"filename=" in p]
            with server.lock:
                return self._send(200, server.upload(content))
        if self.path == "/v1/batches":
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                fault = server.create_faults.popleft() if server.create_faults else None
                if isinstance(fault, Status):
                    return self._send(fault.code, fault.body)
                batch = server.create(body)
                server.on_create(len(server.batches))
                return self._send(200, batch, cut=fault.share if isinstance(fault, Cut) else None)
        return super().do_POST()
