"""Where the engines of judges and teachers run: in this process, or wherever a block says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from benchkit.lm.backbones import make_engine_from_settings
from benchkit.lm.types import Engine
from benchkit.types import RunContext, TrainView


class EngineSpread(Protocol):
    """Makes engines whose requests go to other processes."""

    def make(
        self, settings: Mapping[str, Any], data: TrainView | None, run: RunContext, owner: str
    ) -> Engine:
        """Build an engine; see `make_chosen_engine`. Nothing is started before it is asked."""

    def scale_batch(self, settings: Mapping[str, Any], batch: int) -> int:
        """Return how many prompts to hand over at once, so that all processes have enough.

        Args:
            settings: Settings of the engine.
            batch: Prompts for one process.
        """

    def close(self) -> None:
        """End all processes; they start again where an engine is asked again."""


_spread: ContextVar[EngineSpread | None] = ContextVar("spread", default=None)


@contextmanager
def use_spread(spread: EngineSpread | None) -> Iterator[None]:
    """Let `make_chosen_engine` use other processes in the block, which end with it.

    Args:
        spread: Makes the engines; None leaves them in this process.
    """
    token = _spread.set(spread)
    try:
        yield
    finally:
        _spread.reset(token)
        if spread is not None:
            spread.close()


def make_chosen_engine(
    settings: Mapping[str, Any], data: TrainView | None, run: RunContext, owner: str
) -> Engine:
    """Build an engine where the block of `use_spread` says, by default in this process.

    Args:
        settings: Settings of the engine; see `parse_engine_settings`.
        data: What nano is trained on, and whose titles are checked; None where there is nothing.
        run: Device, cache and progress.
        owner: Whose engine it is, for messages.
    """
    spread = _spread.get()
    if spread is None:
        return make_engine_from_settings(settings, data, run, owner)
    return spread.make(settings, data, run, owner)


def scale_batch(settings: Mapping[str, Any], batch: int) -> int:
    """Return how many prompts go to an engine of `make_chosen_engine` at once."""
    spread = _spread.get()
    return batch if spread is None else spread.scale_batch(settings, batch)
