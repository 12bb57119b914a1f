"""What a format of demo data is: where its files lie, and what is in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

LEAST_USERS = 100  # fewer leave too few interactions for a catalogue that lists can be drawn from


@dataclass(frozen=True)
class DemoFormat:
    """One published format, as a generator writes it."""

    source: str
    """The data source that reads it."""
    generate: Callable[..., Mapping[str, bytes]]
    """Takes the number of users and the source's options, and returns path -> content. Paths are
    those of the options, below the folder of raw files; equal arguments give equal bytes."""
    options: Mapping[str, str]
    """Options that say where the files lie, where a suite does not."""
