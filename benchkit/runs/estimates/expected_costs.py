"""The schema of what a run is expected to cost, as it stands in its manifest."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict


class Forecast(BaseModel):
    """A figure that is expected, with the range in which it most likely lies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float
    high: float

    def __add__(self, other: "Forecast") -> "Forecast":
        """Return the sum; its range is that of parts which are off in the same direction."""
        return Forecast(
            value=self.value + other.value, low=self.low + other.low, high=self.high + other.high
        )

    def scale(self, factor: float) -> "Forecast":
        """Return so many times this."""
        return Forecast(value=self.value * factor, low=self.low * factor, high=self.high * factor)


NOTHING = Forecast(value=0.0, low=0.0, high=0.0)


def sum_forecasts(forecasts: Iterable[Forecast]) -> Forecast:
    """Return the sum of forecasts, `NOTHING` of none."""
    return sum(forecasts, NOTHING)


class ExpectedCosts(BaseModel):
    """What a run is expected to cost here; None is what nothing is known of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: Forecast | None = None
    """Without the stages that another run has computed or computes before it."""
    memory_mb: Forecast | None = None
    """Peak of the method's process."""
    gpu_memory_mb: Forecast | None = None
    """Peak on one GPU."""
    tokens: Forecast | None = None
    """That a language model reads, scores and writes."""
    money: Forecast | None = None
    """In the currency of the engine's prices, where it has any."""
    basis: str = ""
    """What it rests on, in words; empty where nothing is known."""

    @property
    def is_known(self) -> bool:
        """Whether anything is known."""
        return bool(self.basis)


UNKNOWN_COSTS = ExpectedCosts()
COMPUTED_BEFORE = ExpectedCosts(
    seconds=NOTHING, memory_mb=NOTHING, tokens=NOTHING, money=NOTHING, basis="computed before"
)


def count_spent_seconds(cost: Mapping[str, float], protocols: Iterable[str]) -> float:
    """Return the seconds that a run took here, without what earlier runs had computed for it.

    Args:
        cost: As its manifest has it.
        protocols: Under which it was asked.
    """
    parts = ("fit_seconds", *(f"{name}_seconds" for name in protocols))
    return sum(cost.get(name, 0.0) for name in parts) - cost.get("reused_seconds", 0.0)
