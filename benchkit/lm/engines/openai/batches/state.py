"""What a server says of a batch, and the lines of its files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchkit.lm.engines.openai.replies import describe_error
from benchkit.lm.engines.retry import TransientError

_ENDED = {"completed", "failed", "expired", "cancelled"}
_ENQUEUED_LIMIT = {"token_limit_exceeded", "request_limit_exceeded"}


@dataclass(frozen=True)
class BatchState:
    """A batch as its server describes it."""

    id: str
    status: str
    input_file: str = ""
    name: str = ""
    """In its metadata; empty where a server drops that."""
    created: float | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    files: tuple[str, ...] = ()
    """Ids of what came out: answers, then errors."""
    problem: str = ""
    """Why it failed as a whole."""
    over_limit: bool = False
    """Whether it failed since too much of the account's is waiting already."""

    @property
    def has_ended(self) -> bool:
        return self.status in _ENDED

    def __str__(self) -> str:
        failures = f", {self.failed:,} failed" if self.failed else ""
        return f"batch {self.id}: {self.status}, {self.completed:,} of {self.total:,}{failures}"


class BatchLine(NamedTuple):
    """One line of a file that came out of a batch.

    status: of the request, None where it was not carried out (a batch that expired).
    body: what the server answered to the request.
    """

    key: str
    status: int | None
    body: Any
    problem: str = ""


def read_state(reply: Any) -> BatchState:
    """Read the JSON of a batch. Raises TransientError if it is none."""
    if not isinstance(reply, dict) or not reply.get("id") or not reply.get("status"):
        raise TransientError(f"an answer that is no batch: {json.dumps(reply)[:200]}")
    counts = _object(reply.get("request_counts"))
    data = _object(reply.get("errors")).get("data")
    errors = [e for e in data if isinstance(e, dict)] if isinstance(data, list) else []
    created = reply.get("created_at")
    return BatchState(
        id=str(reply["id"]),
        status=str(reply["status"]),
        input_file=str(reply.get("input_file_id") or ""),
        name=str(_object(reply.get("metadata")).get("benchkit") or ""),
        created=float(created) if isinstance(created, int | float) else None,
        total=_count(counts.get("total")),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        files=tuple(
            str(reply[name]) for name in ("output_file_id", "error_file_id") if reply.get(name)
        ),
        problem="; ".join(dict.fromkeys(describe_error(e) for e in errors[:3])),
        over_limit=any(e.get("code") in _ENQUEUED_LIMIT for e in errors),
    )


def parse_lines(content: bytes) -> Iterator[BatchLine]:
    """Yield the lines of a file; those that cannot be read, or name no request, are left out."""
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str):
            continue
        response, error = _object(line.get("response")), line.get("error")
        status = response.get("status_code")
        yield BatchLine(
            line["custom_id"],
            status if isinstance(status, int) else None,
            response.get("body"),
            describe_error(error) if error else "",
        )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
