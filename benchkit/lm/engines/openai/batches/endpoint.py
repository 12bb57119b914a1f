"""The calls of the Batch endpoint, by the openai package."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchkit.errors import BenchkitError, ConfigError, EngineError
from benchkit.lm.engines.openai.batches.journal import BatchRecord
from benchkit.lm.engines.openai.batches.state import BatchLine, BatchState, parse_lines, read_state
from benchkit.lm.engines.openai.client import OpenAIClient
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.requests import RejectedRequestError
from benchkit.lm.engines.retry import Backoff, TransientError

MAX_FILE_BYTES = 4 * 2**30
_PAGE = 100  # batches listed at once, the most that OpenAI allows
_CLOCKS_APART_S = 86400.0  # at most, ours and the server's


class BatchEndpoint:
    """One server's batches. Calls that do not come through are repeated where that is safe."""

    def __init__(self, config: OpenAIConfig, backoff: Backoff) -> None:
        self._config, self._backoff = config, backoff
        self.client = OpenAIClient(
            config.base_url, config.model, config.api_key_env, config.timeout_s,
            config.request_deadline_s, MAX_FILE_BYTES,
        )  # fmt: skip

    def upload(self, content: bytes) -> str:
        """Store requests at the server; return the file's id. This costs nothing."""
        file = ("requests.jsonl", content, "application/jsonl")
        reply = self._repeat(
            lambda c: c.files.with_raw_response.create(file=file, purpose="batch"), self._no_batches
        )
        if not isinstance(reply, dict) or not isinstance(reply.get("id"), str):
            raise EngineError(
                f"{self._config.base_url} gave the uploaded requests no id", "ask it live instead"
            )
        return str(reply["id"])

    def create(self, record: BatchRecord) -> BatchState:
        """Create the batch of a record by one call.

        Raises:
            TransientError: There may be a batch now, or not: `find` it before another call.
            ConfigError: The server does not take it.
        """

        def send(client: Any) -> Any:
            return client.batches.with_raw_response.create(
                input_file_id=record.input_file,
                endpoint=f"/v1/{record.endpoint}",
                completion_window="24h",
                metadata={"benchkit": record.name},
                extra_headers={"Idempotency-Key": record.name},
            )

        try:
            return read_state(self._call(send, self._no_batches))
        except RejectedRequestError as error:
            problem = ConfigError(
                f"{self._config.base_url} does not take the batch: {error}",
                "ask it live instead: batch_api = false in the engine",
            )
        raise problem

    def find(self, record: BatchRecord) -> BatchState | None:
        """Return the batch of a record among those of the server, None if there is none."""
        unknown = EngineError(
            f"it is not known whether {self._config.base_url} has begun a batch of"
            f" {len(record.keys):,} requests (file {record.input_file}), and it lists no batches",
            f"look there; if it has none, delete the record {record.name}.json and run again",
        )
        after = None
        while True:
            query = {"limit": _PAGE} | ({"after": after} if after else {})
            reply = self._repeat(partial(_list_batches, query), unknown)
            data = reply.get("data") if isinstance(reply, dict) else None
            if not isinstance(data, list):
                raise unknown
            states = [read_state(one) for one in data]
            for state in states:
                if state.name == record.name or state.input_file == record.input_file:
                    return state
            oldest = min((s.created for s in states if s.created is not None), default=None)
            is_past = oldest is not None and oldest < record.created - _CLOCKS_APART_S
            if not states or not reply.get("has_more") or is_past or states[-1].id == after:
                return None
            after = states[-1].id

    def retrieve(self, batch: str) -> BatchState:
        """Return how a batch stands."""
        gone = EngineError(
            f"{self._config.base_url} no longer knows the batch {batch}",
            "check base_url and the key; if its answers are lost, delete its record (the folder"
            " batches beside the cache of answers) and run again: its requests are sent again",
        )
        reply = self._repeat(lambda c: c.batches.with_raw_response.retrieve(batch), gone)
        return read_state(reply)

    def read(self, state: BatchState) -> Iterator[BatchLine]:
        """Yield the lines of what came out of a batch."""
        for file in state.files:
            gone = EngineError(
                f"{self._config.base_url} no longer has the file {file} of batch {state.id}",
                "if its answers are lost, delete its record (the folder batches beside the cache"
                " of answers) and run again: its requests are sent again",
            )
            content = self._repeat(partial(_read_file, file), gone, is_json=False)
            yield from parse_lines(content)

    def _repeat(
        self, send: Callable[[Any], Any], missing: BenchkitError, is_json: bool = True
    ) -> Any:
        """Call until an answer comes; the call changes nothing that costs."""
        try:
            return self._backoff.call(lambda: self._call(send, missing, is_json))
        except TransientError as error:
            problem: BenchkitError = EngineError(
                f"{self._config.base_url} could not be asked: {error}",
                "run again later: batches go on at the server, and what was answered is cached",
            )
        except RejectedRequestError as error:
            problem = EngineError(f"{self._config.base_url}: {error}", "see what it says")
        raise problem

    def _call(
        self, send: Callable[[Any], Any], missing: BenchkitError, is_json: bool = True
    ) -> Any:
        content = self.client.call(send, self._backoff.now(), missing=missing)
        return self.client.parse_json(content) if is_json else content

    @property
    def _no_batches(self) -> ConfigError:
        return ConfigError(
            f"{self._config.base_url} has no Batch endpoint",
            "ask it live: batch_api = false in the engine, without --batch",
        )


def _list_batches(query: dict[str, Any], client: Any) -> Any:
    return client.batches.with_raw_response.list(**query)


def _read_file(file: str, client: Any) -> Any:
    return client.files.with_raw_response.content(file)


def write_line(key: str, endpoint: str, body: dict[str, Any]) -> bytes:
    """Return a request as a line of the file that is uploaded."""
    line = {"custom_id": key, "method": "POST", "url": f"/v1/{endpoint}", "body": body}
    return json.dumps(line, allow_nan=False).encode() + b"\n"
