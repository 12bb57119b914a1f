"""What a tracker gets of a run, and what it must be able to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from benchkit.runs.records import MetricSummary

Curve = Sequence[tuple[int, float]]
"""(step, value), steps ascending."""


@dataclass(frozen=True)
class TrackedRun:
    """The records of one run that has ended, complete or failed."""

    run_id: str
    suite: str
    task: str
    label: str
    family: str
    seed: int
    status: str
    """`complete` or `failed`."""
    manifest: Path
    """The file that everything here follows from."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What decides its numbers, nested settings joined by dots: texts, numbers, true or false."""
    metrics: Sequence[MetricSummary] = ()
    """Final figures, with 95 % intervals and levels of chance."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Seconds, tokens, memory."""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """What training recorded step by step, by name."""
    error: str = ""
    """Why it failed."""
    caveats: Sequence[str] = ()
    """What a reader must know of it."""

    @property
    def name(self) -> str:
        """Its task, label and seed."""
        return f"{self.task}/{self.label}#{self.seed}"

    def scalars(self) -> dict[str, float]:
        """Return the final figures and costs as numbers by name.

        A figure is `PROTOCOL/METRIC`, its interval `....low` and `....high`, its level of chance
        `....chance`; a cost is `cost/NAME`.
        """
        values: dict[str, float] = {}
        for line in self.metrics:
            name = f"{line.protocol}/{line.metric}"
            values[name] = line.mean
            for end in ("low", "high", "chance"):
                if (number := getattr(line, end)) is not None:
                    values[f"{name}.{end}"] = number
        return values | {f"cost/{name}": value for name, value in self.costs.items()}


@runtime_checkable
class Tracker(Protocol):
    """Another tool that runs are copied to.

    It is constructed with a folder of its own, in which it may write, once for a call of `run`.
    What it raises ends neither the run nor the call: benchkit says it, and goes on without.

    Example:
        >>> class Printer:
        ...     def __init__(self, folder):
        ...         self.names = []
        ...     def log(self, run):
        ...         self.names.append(run.name)
        ...         return "nowhere"
        ...     def close(self):
        ...         pass
        >>> isinstance(Printer(None), Tracker)
        True
    """

    def log(self, run: TrackedRun) -> str:
        """Copy one run, and return where it can be seen."""
        ...

    def close(self) -> None:
        """Write what is left; nothing is logged afterwards."""
        ...
