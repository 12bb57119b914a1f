"""What planning has to know of a method, found out where its code can do no harm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from benchkit import interactive
from benchkit.cards import Card
from benchkit.errors import MethodError
from benchkit.processes.launcher import start_worker
from benchkit.processes.recommender import (
    describe_exit,
    is_shipped,
    rebuild_error,
)
from benchkit.processes.wire import ChannelClosedError
from benchkit.processes.worker import inspect_method
from benchkit.source_hash import find_kinds
from benchkit.types import Capability


@dataclass(frozen=True)
class MethodDescription:
    """A method as it is once it is constructed."""

    identity: Mapping[str, Any]
    """What can change its numbers; see `cards.identify_component`."""
    capabilities: frozenset[Capability]
    caveats: tuple[str, ...]


def describe_method(card: Card, config: Mapping[str, Any]) -> MethodDescription:
    """Construct a method, without fitting it, to see what it can do.

    Code that is not benchkit's is imported and constructed in a process of its own.

    Raises:
        ConfigError: Settings are wrong, or it cannot be imported or constructed.
    """
    if interactive.is_live(card.target) or (is_shipped(card) and not _names_code(config)):
        description = inspect_method(card, config)
    else:
        description = _inspect_elsewhere(card, config)
    identity, capabilities, caveats = description
    names = cast("list[Capability]", capabilities)
    return MethodDescription(identity, frozenset(names), tuple(caveats))


def _names_code(config: Mapping[str, Any]) -> bool:
    """Return whether settings select an engine or a teacher by the place of its code."""
    return any(":" in kind for kind in find_kinds(config))


def _inspect_elsewhere(card: Card, config: Mapping[str, Any]) -> Any:
    worker = start_worker(threads=1)
    try:
        worker.channel.send("inspect", card, dict(config))
        kind, *values = worker.channel.receive()
    except (ChannelClosedError, OSError):
        raise MethodError(describe_exit(worker.close()), "see what it printed") from None
    worker.close()
    if kind == "failed":
        raise rebuild_error(*values)
    return values
