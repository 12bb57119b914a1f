"""What planning has to know of a method, found out where its code can do no harm."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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


def describe_method(
    card: Card, config: Mapping[str, Any], hidden: Sequence[Path] = ()
) -> MethodDescription:
    """Construct a method, without fitting it, to see what it can do.

    Code that is not benchkit's is imported and constructed in a process of its own.

    Args:
        card: The method.
        config: Settings beside those of the card.
        hidden: Folders that its code cannot read or change; see `confinement`.

    Raises:
        ConfigError: Settings are wrong, or it cannot be imported or constructed.
        MethodError: Its process ended, or said something else.
    """
    if interactive.is_live(card.target) or (is_shipped(card) and not _names_code(config)):
        description = inspect_method(card, config)
    else:
        description = _inspect_elsewhere(card, config, hidden)
    try:
        identity, capabilities, caveats = description
        is_right = isinstance(identity, Mapping) and all(
            isinstance(text, str) for text in (*capabilities, *caveats)
        )
    except (TypeError, ValueError):
        is_right = False
    if not is_right:
        raise MethodError(
            f"method {card.name!r}: its process described it in a way that makes no sense",
            "capabilities and caveats are texts; leave the messages to benchkit",
        )
    names = cast("list[Capability]", capabilities)
    return MethodDescription(identity, frozenset(names), tuple(caveats))


def _names_code(config: Mapping[str, Any]) -> bool:
    """Return whether settings select an engine or a teacher by the place of its code."""
    return any(":" in kind for kind in find_kinds(config))


def _inspect_elsewhere(card: Card, config: Mapping[str, Any], hidden: Sequence[Path]) -> Any:
    with tempfile.TemporaryDirectory(prefix="benchkit-plan-") as scratch:
        worker = start_worker(threads=1, hidden=hidden, visible=[Path(scratch)])
        try:
            worker.channel.send("inspect", card, dict(config))
            kind, *values = worker.receive()
        except (ChannelClosedError, OSError):
            cause = f"method {card.name!r} cannot be constructed: {describe_exit(worker.close())}"
            raise MethodError(cause, "see what it printed") from None
        finally:
            worker.close()
    if kind == "failed" and len(values) == 4 and all(isinstance(text, str) for text in values):
        raise rebuild_error(*values)
    return values
