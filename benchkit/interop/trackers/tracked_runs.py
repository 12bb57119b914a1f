"""The records of a run as trackers get them."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchkit.interop.trackers.base import Curve, TrackedRun
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run

_LEFT_OUT = ("code", "harness")  # hashes, which the manifest has


def make_tracked_run(run: Run, manifest: Manifest) -> TrackedRun:
    """Return what trackers get of a run that has ended."""
    settings = {k: v for k, v in manifest.identity.items() if k not in _LEFT_OUT}
    return TrackedRun(
        run_id=manifest.run_id,
        suite=manifest.suite,
        task=manifest.task,
        label=manifest.label,
        family=manifest.family,
        seed=manifest.seed,
        status=manifest.status,
        manifest=run.path / "manifest.json",
        config=dict(_flatten("", settings)),
        metrics=tuple(manifest.summary),
        costs={name: float(value) for name, value in manifest.cost.items()},
        curves=read_curves(run.artifacts),
        error=manifest.error or "",
        caveats=manifest.caveats,
    )


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of nested settings; lists are JSON.

    >>> dict(_flatten("", {"a": {"b": 1}, "c": [1, 2], "d": None}))
    {'a.b': 1, 'c': '[1, 2]', 'd': 'none'}
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(f"{prefix}.{name}" if prefix else str(name), inner)
    elif value is None:
        yield prefix, "none"
    elif isinstance(value, bool | int | float | str):
        yield prefix, value
    else:
        yield prefix, json.dumps(value, default=str)


def read_curves(artifacts: Path) -> dict[str, Curve]:
    """Return what training recorded step by step: numbers of JSON lines that name a `step`.

    Lines of one step are averaged, and so are the numbers of a list. Where the step falls, training
    was resumed, and what had gone beyond counts no more. A file or line that is none is passed
    over: trackers get a copy, and reports say what is damaged.

    Args:
        artifacts: The folder of a run's artifacts.

    Returns:
        FILE/FIELD -> its curve.
    """
    curves: dict[str, Curve] = {}
    for path in sorted(artifacts.rglob("*.jsonl")) if artifacts.is_dir() else ():
        stem = path.relative_to(artifacts).with_suffix("").as_posix()
        for field, values in _read_steps(path).items():
            points = [(step, sum(v) / len(v)) for step, v in sorted(values.items())]
            curves[f"{stem}/{field}"] = points
    return curves


def _read_steps(path: Path) -> dict[str, dict[int, list[float]]]:
    """Return field -> step -> the numbers of its lines."""
    fields: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    previous = -1
    for line in _read_lines(path):
        step = line.get("step")
        if not isinstance(step, int) or isinstance(step, bool):
            continue
        if step < previous:
            for values in fields.values():
                for beyond in [number for number in values if number >= step]:
                    del values[beyond]
        previous = step
        for name, value in line.items():
            number = _mean(value)
            if name != "step" and number is not None:
                fields[name][step].append(number)
    return {name: dict(values) for name, values in fields.items() if values}


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    for line in text.split("\n"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _mean(value: Any) -> float | None:
    """Return a number, or the mean of a list of numbers; None for anything else."""
    values = value if isinstance(value, list) else [value]
    numbers = [
        float(v)
        for v in values
        if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
    ]
    return sum(numbers) / len(numbers) if numbers else None
