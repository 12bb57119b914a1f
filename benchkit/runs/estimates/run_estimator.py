"""What one run is expected to cost, from the earlier runs that are most like it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.cards import Card
from benchkit.growth import growth_ratio
from benchkit.lm.cached_generator import price_calls
from benchkit.runs.estimates.expected_costs import (
    UNKNOWN_COSTS,
    ExpectedCosts,
    Forecast,
    sum_forecasts,
)
from benchkit.runs.estimates.history import PastRun, RunFeatures, RunHistory
from benchkit.runs.estimates.prediction import SizedValue, predict_value
from benchkit.runs.estimates.shared_stages import SharedStages

_LANGUAGE_MODEL = "transformers"  # a package of methods whose memory is that of a model
_OTHER_MACHINE = 1.5  # a range is wider by this for records of other processors
_MOST_RECORDS = 50  # the newest; more say nothing new


@dataclass(frozen=True)
class _Likeness:
    """How alike a run is to the one that is planned, and how far off figures from it may be.

    time, memory: factor of the range of one record.
    """

    words: str
    time: float
    memory: float
    matches: Callable[[RunFeatures, RunFeatures], bool]


_LEVELS = (
    _Likeness("", 1.5, 1.2, lambda a, b: (a.row, a.threads) == (b.row, b.threads)),
    _Likeness(" with other settings", 3.0, 1.6, lambda a, b: a.method == b.method),
    # Of the families, some have methods that train a network and others that count.
    _Likeness(
        " of the family", 6.0, 2.5, lambda a, b: (a.family, a.packages) == (b.family, b.packages)
    ),
)


class RunEstimator:
    """Predicts the costs of one run.

    Args:
        card: The method, with its orders of growth.
        features: What is known of the run.
        history: The complete runs of the store.
    """

    def __init__(self, card: Card, features: RunFeatures, history: RunHistory) -> None:
        self._features = features
        self._orders = card.growth
        grows = "parameters" if _LANGUAGE_MODEL in card.packages else "interactions"
        self._memory_order = card.growth.memory or grows
        self._floor = history.find_floor(features.device)
        self._level, self._runs = self._choose_runs(history.find_relatives(features))
        factor = self._level.time
        if not any(run.features.processor == features.processor for run in self._runs):
            factor *= _OTHER_MACHINE
        self._time_factor = factor

    def estimate(self, stages: SharedStages, settings: Mapping[str, Any]) -> ExpectedCosts:
        """Return what the run is expected to cost; its stages count as computed from then on.

        Args:
            stages: The stages that are there before it.
            settings: Settings of the method, in which an engine may have prices.
        """
        if not self._runs:
            return UNKNOWN_COSTS
        return ExpectedCosts(
            seconds=self._seconds(stages),
            memory_mb=self._memory("peak_memory_mb", self._floor),
            gpu_memory_mb=self._memory("peak_gpu_memory_mb", 0.0),
            tokens=self._tokens("tokens"),
            money=self._money(settings),
            basis=self._basis(),
        )

    def _choose_runs(self, relatives: Sequence[PastRun]) -> tuple[_Likeness, list[PastRun]]:
        """Return the runs that are most alike, of those whose size can be compared."""
        for level in _LEVELS:
            alike = [run for run in relatives if level.matches(run.features, self._features)]
            runs = [run for run in alike if self._relative_size(self._orders.fit, run)]
            for name in ("processor", "code"):  # no older code where there are records of this one
                mine = getattr(self._features, name)
                runs = [run for run in runs if getattr(run.features, name) == mine] or runs
            if runs:
                return level, runs[-_MOST_RECORDS:]
        return _LEVELS[-1], []

    def _basis(self) -> str:
        count = len(self._runs)
        like = self._level.words
        if not like and not any(run.features.train == self._features.train for run in self._runs):
            like = " on other data"
        return f"{count} run{'s' * (count > 1)}{like}"

    def _relative_size(self, order: str, run: PastRun, protocol: str = "") -> float | None:
        """Return the size of an earlier run, where that of the planned one is 1."""
        here, there = self._features, run.features
        if protocol:
            sizes = here.answers_size(protocol), there.answers_size(protocol)
            ratio = growth_ratio(order, *sizes, here.asks_like(there))
        else:
            ratio = growth_ratio(order, here.size, there.size, here.train == there.train)
        return None if ratio is None else 1 / ratio

    def _predict(
        self, order: str, values: Iterable[tuple[PastRun, float | None]], factor: float,
        protocol: str = "",
    ) -> Forecast | None:  # fmt: skip
        """Return a figure from its values in earlier runs; None where none has it."""
        records = []
        for run, value in values:
            size = self._relative_size(order, run, protocol)
            if value is not None and size is not None:
                records.append(SizedValue(size, value))
        return predict_value(records, 1.0, factor) if records else None

    def _seconds(self, stages: SharedStages) -> Forecast | None:
        fits = ((run, run.fit_seconds) for run in self._runs)
        parts = [self._predict(self._orders.fit, fits, self._time_factor)]
        model = self._runs[-1]  # the newest: its stages are those that the run is expected to have
        row = model.features.row
        for name in model.stages:
            if not stages.is_computed(self._features, row, name):
                values = ((run, run.stages.get(name)) for run in self._runs)
                parts.append(self._predict(self._orders.fit, values, self._time_factor))
        stages.add(self._features, row, model.stages)
        parts += [self._answers(name, "seconds") for name in self._features.protocols]
        known = [part for part in parts if part is not None]
        return sum_forecasts(known) if len(known) == len(parts) else None

    def _answers(self, protocol: str, what: str) -> Forecast | None:
        values = ((run, run.cost.get(f"{protocol}_{what}")) for run in self._runs)
        return self._predict(self._orders.answers, values, self._time_factor, protocol)

    def _tokens(self, what: str) -> Forecast | None:
        parts = [self._answers(name, what) for name in self._features.protocols]
        known = [part for part in parts if part is not None]
        return sum_forecasts(known) if known else None

    def _memory(self, name: str, floor: float) -> Forecast | None:
        """Return a peak that is a constant and a part that grows."""
        peaks = [(run, run.cost[name]) for run in self._runs if run.cost.get(name)]
        if not peaks:
            return None
        newest = peaks[-1][1]
        # So that the range of one record is `memory` times the whole peak, not times this part.
        factor = 1 + (self._level.memory - 1) * newest / (newest - floor)
        parts = ((run, peak - floor) for run, peak in peaks)
        part = self._predict(self._memory_order, parts, factor)
        return None if part is None else part + Forecast(value=floor, low=floor, high=floor)

    def _money(self, settings: Mapping[str, Any]) -> Forecast | None:
        """Return the price of the answers, where an engine has prices and records have the split
        of prompts and completions that they need."""
        engine = _find_priced_engine(settings)
        prompt, completion = self._tokens("prompt_tokens"), self._tokens("completion_tokens")
        if engine is None or prompt is None:
            return None

        def price(end: str) -> float:
            counts = [getattr(part, end) if part else 0.0 for part in (prompt, completion)]
            return price_calls(engine, 0, *map(round, counts)).cost or 0.0

        return Forecast(value=price("value"), low=price("low"), high=price("high"))


def _find_priced_engine(settings: Any) -> Mapping[str, Any] | None:
    """Return the settings of the engine that has prices, None where there is none."""
    if not isinstance(settings, Mapping):
        return None
    if settings.get("price_prompt") or settings.get("price_completion"):
        return settings
    engines = (_find_priced_engine(value) for value in settings.values())
    return next((engine for engine in engines if engine is not None), None)
