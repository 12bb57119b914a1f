"""What a run costs: seconds, tokens, memory."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchkit.evaluation.protocols.base import ProtocolResult
from benchkit.types import StageCost

_PRICED = ("prompt_tokens", "completion_tokens")


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
    peaks: Mapping[str, float],
) -> dict[str, float]:
    """Return the costs that a manifest records, rounded to thousandths (see `Manifest.cost`).

    Args:
        seconds: Of `fit` and of each protocol, as measured.
        stages: Of `fit`; what a stage took in another run counts as if it had been computed here.
        results: Of each protocol, with the tokens of each answer.
        peaks: Most memory of the process of the method, by name.
    """
    cost = dict(seconds)
    if stages:
        cost |= {f"{name}_stage_seconds": stage.cost for name, stage in stages.items()}
        cost["reused_seconds"] = sum(stage.cost - stage.seconds_here for stage in stages.values())
        cost["fit_seconds"] += cost["reused_seconds"]
    cost |= _count_tokens(results)
    cost |= peaks
    return {name: round(value, 3) for name, value in cost.items()}


def _count_tokens(results: Sequence[ProtocolResult]) -> dict[str, float]:
    """Sum up every usage called `..._tokens` (prompt, completion, scored candidates).

    Those that a server's prices are for are summed up by themselves, too.
    """
    tokens = defaultdict[str, float](float)
    for result in results:
        for prediction in result.predictions or ():
            for name, value in prediction.usage.items():
                if name.endswith("_tokens"):
                    tokens[f"{result.protocol}_tokens"] += value
                if name in _PRICED:
                    tokens[f"{result.protocol}_{name}"] += value
    return tokens
