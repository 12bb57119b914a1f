"""What a run costs: seconds, tokens, memory."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchkit.evaluation.protocols.base import ProtocolResult
from benchkit.types import StageCost


@contextmanager
def measure_seconds(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add to `name` how long the block took."""
    start = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start


def summarize_costs(
    seconds: Mapping[str, float],
    stages: Mapping[str, StageCost],
    results: Sequence[ProtocolResult],
    peak_memory_mb: float,
) -> dict[str, float]:
    """Return the costs that a manifest records, rounded to thousandths (see `Manifest.cost`).

    Args:
        seconds: Of `fit` and of each protocol, as measured.
        stages: Of `fit`; what a stage took in another run counts as if it had been computed here.
        results: Of each protocol, with the tokens of each answer.
        peak_memory_mb: Of the process of the method.
    """
    cost = dict(seconds)
    if stages:
        cost |= {f"{name}_stage_seconds": stage.cost for name, stage in stages.items()}
        cost["reused_seconds"] = sum(stage.cost - stage.seconds_here for stage in stages.values())
        cost["fit_seconds"] += cost["reused_seconds"]
    cost |= _count_tokens(results)
    cost["peak_memory_mb"] = peak_memory_mb
    return {name: round(value, 3) for name, value in cost.items()}


def _count_tokens(results: Sequence[ProtocolResult]) -> dict[str, float]:
    """Sum up every usage called `..._tokens` (prompt, completion, scored candidates)."""
    tokens = defaultdict[str, float](float)
    for result in results:
        for prediction in result.predictions or ():
            for name, value in prediction.usage.items():
                if name.endswith("_tokens"):
                    tokens[f"{result.protocol}_tokens"] += value
    return tokens
