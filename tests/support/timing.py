"""Timing several ways of doing the same, turn by turn."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def in_turns(
    ways: Mapping[str, Callable[[], Any]], rounds: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds of each way, and what each gave in a first round that does not count.

    A slower moment of the machine so strikes all ways alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {name: way() for name, way in ways.items()}
    for _ in range(rounds):
        for name, way in ways.items():
            _wait()
            start = time.perf_counter()
            way()
            _wait()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}, results


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
