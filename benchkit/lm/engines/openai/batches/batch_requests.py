"""Requests that are to be answered by batches, and what has become of them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.openai.batches.journal import BatchRecord
from benchkit.lm.engines.openai.replies import ReplyReader


class BatchRequest(NamedTuple):
    """A request that is to be answered by a batch."""

    key: str
    body: dict[str, Any]
    read: ReplyReader
    max_usage: TokenUsage


class Failure(NamedTuple):
    """Why a request has no answer. rejected: the server does not take it."""

    cause: str
    rejected: bool


@dataclass
class BatchWork:
    """What is to be done in one call."""

    todo: dict[str, BatchRequest]
    open: dict[str, BatchRecord] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Failure] = field(default_factory=dict)
    is_blocked: bool = False
    """Whether the account has as much at the server as it may."""

    def rest(self) -> list[BatchRequest]:
        """Return the requests that no open batch holds."""
        waiting = {key for record in self.open.values() for key in record.keys}
        return [request for key, request in self.todo.items() if key not in waiting]
