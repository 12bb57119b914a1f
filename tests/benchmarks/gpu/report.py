"""What the lines of all measurements come to: beside the usual way, and whether the ways agree."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.gpu.plan import BASES, Measurement

RULE = (
    "error: mean difference a token to float32, in nats (TRL reports sums alone: of those), at most"
    " twice that of the usual way + 0.01; gradient_norm: within 10 % of the usual way; gap: how far"
    " greedily sampled tokens are below the likeliest, at most twice that of the usual way + 0.05"
)
_LIMITS = {
    "error": lambda base: (0.0, 2 * base + 0.01),
    "gap": lambda base: (0.0, 2 * base + 0.05),
    "gradient_norm": lambda base: (0.9 * base, 1.1 * base),
}

Row = dict[str, Any]


def add_comparisons(rows: Sequence[Row]) -> None:
    """Add to each row its ratio to the usual way of its task, and whether both agree.

    `agrees` is None where there is nothing to compare with.
    """
    measured = {(r["model"], r["task"], r["way"]): r for r in rows if r["status"] == "measured"}
    for row in measured.values():
        base = measured.get((row["model"], row["task"], BASES[row["task"]]))
        row["agrees"], row["differences"] = None, []
        if base is None:
            continue
        if "tokens" in row:  # an answer may end early
            row["speedup"] = round(row["tokens_per_second"] / base["tokens_per_second"], 2)
        else:
            row["speedup"] = round(base["seconds"] / row["seconds"], 2)
        checks = [n for n in _LIMITS if row.get(n) is not None and base.get(n) is not None]
        row["differences"] = [n for n in checks if not _within(n, row[n], base[n])]
        row["agrees"] = not row["differences"] if checks else None


def _within(name: str, value: float, base: float) -> bool:
    low, high = _LIMITS[name](base)
    return low <= value <= high  # not so for what is no number


def training_ratios(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Seconds of TRL over those of each of our ways, by model."""
    seconds: dict[str, dict[str, float]] = {}
    for row in rows:
        if row["task"] == "preference" and row["status"] == "measured":
            seconds.setdefault(row["model"], {})[row["way"]] = row["seconds"]
    return {
        model: {
            f"trl / {way}": round(ways["trl"] / ways[way], 2)
            for way in ("padded", "grouped", "flex")
            if way in ways
        }
        for model, ways in seconds.items()
        if "trl" in ways
    }


def disagreements(rows: Sequence[Row]) -> list[str]:
    """Name the measurements that give other numbers than the usual way."""
    return [
        f"{'/'.join((row['model'], row['task'], row['way']))}: {', '.join(row['differences'])}"
        for row in rows
        if row.get("differences")
    ]


def as_row(measurement: Measurement, line: Mapping[str, Any]) -> Row:
    """The row of a measurement."""
    figures = {name: value for name, value in line.items() if name != "name"}
    return {
        "model": measurement.kind, "task": measurement.task, "way": measurement.way, **figures,
    }  # fmt: skip


def text_line(row: Row) -> str:
    """One line for the terminal."""
    what = f"{row['model']:7} {row['task']:11} {row['way']:27}"
    if row["status"] != "measured":
        return f"{what} {row['status']}: {row['reason']}"
    parts = [f"{row['seconds']:10.4f} s"]
    if "peak_memory_mb" in row:
        parts.append(f"{row['peak_memory_mb']:10.0f} MB")
    if "tokens_per_second" in row:
        parts.append(f"{row['tokens_per_second']:10.0f} tokens/s")
    if "speedup" in row:
        parts.append(f"{row['speedup']:6.2f} x")
    if row.get("differences"):
        parts.append(f"DIFFERS: {', '.join(row['differences'])}")
    return f"{what} {' '.join(parts)}"
