"""Where the engines of judges and teachers run: in this process, or wherever a block says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from benchkit.lm.backbones import make_engine_from_settings
from benchkit.lm.types import Engine
from benchkit.types import RunContext, TrainView


class EngineFactory(Protocol):
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


_factory: ContextVar[EngineFactory | None] = ContextVar("factory", default=None)


@contextmanager
def use_engine_factory(factory: EngineFactory | None) -> Iterator[None]:
    """Let `make_chosen_engine` use other processes in the block, which end with it.

    Args:
        factory: Makes the engines; None leaves them in this process.
    """
    token = _factory.set(factory)
    try:
        yield
    finally:
        _factory.reset(token)
        if factory is not None:
            factory.close()


def make_chosen_engine(
    settings: Mapping[str, Any], data: TrainView | None, run: RunContext, owner: str
) -> Engine:
    """Build an engine where the block of `use_engine_factory` says, by default in this process.

    Args:
        settings: Settings of the engine; see `parse_engine_settings`.
        data: What nano is trained on, and whose titles are checked; None where there is nothing.
        run: Device, cache and progress.
        owner: Whose engine it is, for messages.
    """
    factory = _factory.get()
    if factory is None:
        return make_engine_from_settings(settings, data, run, owner)
    return factory.make(settings, data, run, owner)


def scale_batch(settings: Mapping[str, Any], batch: int) -> int:
    """Return how many prompts go to an engine of `make_chosen_engine` at once."""
    factory = _factory.get()
    return batch if factory is None else factory.scale_batch(settings, batch)
