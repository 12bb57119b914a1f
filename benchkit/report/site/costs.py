"""What a row cost: training, answering 1,000 users, memory, and where it ran."""

import json
from collections import Counter
from collections.abc import Sequence

import polars as pl

from benchkit.records import PER_TOKEN, Manifest
from benchkit.report.model import Row

TITLES = {
    "fit": "Fit (s)",
    "seconds": "Seconds / 1k users",
    "tokens": "Tokens / 1k users",
    "memory": "Memory (MB)",
    "device": "Device",
}
_USERS = 1000

Tokens = dict[str, float]  # protocol -> tokens of all cases
Shown = list[str | float]  # [text, value to sort by]


def tokens(predictions: pl.DataFrame) -> Tokens:
    """Tokens of a run by protocol, over all its cases: every usage whose name ends in `_tokens`
    (prompt, completion, and candidates that were scored).

    >>> tokens(pl.DataFrame({"usage": ['{"scored": {"prompt_tokens": 8, "seconds": 0.1}}', None]}))
    {'scored': 8}
    """
    total: Counter[str] = Counter()
    for usage in predictions["usage"].drop_nulls():
        for protocol, counted in json.loads(usage).items():
            for name, value in counted.items():
                if name.endswith("_tokens"):
                    total[protocol] += value
    return dict(total)


def of_row(row: Row, manifests: Sequence[Manifest], used: Sequence[Tokens]) -> dict[str, Shown]:
    """Cost column -> [text, value], for those that the records of its seeds have.

    Seconds and tokens are of the row's protocol; the ranking by tokens' mean is read off the
    scores of `scored` and costs the same.
    """
    protocol = "scored" if row.protocol == PER_TOKEN else row.protocol
    users = max((cell.n for cell in row.cells.values()), default=0)
    found: dict[str, Shown] = {}
    if "fit_seconds" in row.cost:
        found["fit"] = _shown(row.cost["fit_seconds"], 1)
    if users and f"{protocol}_seconds" in row.cost:
        found["seconds"] = _shown(row.cost[f"{protocol}_seconds"] * _USERS / users, 1)
    counted = [run[protocol] for run in used if run.get(protocol)]
    if users and counted:
        found["tokens"] = _shown(sum(counted) / len(counted) * _USERS / users, 0)
    if "peak_memory_mb" in row.cost:
        found["memory"] = _shown(row.cost["peak_memory_mb"], 0)
    devices = dict.fromkeys(str(m.identity.get("device", "")) for m in manifests)
    if any(devices):
        found["device"] = [", ".join(devices), 0.0]
    return found


def _shown(value: float, digits: int) -> Shown:
    """Three or more digits: '0.25', '12.3', '1,240'.

    >>> _shown(0.2468, 1), _shown(1240.4, 1), _shown(12.34, 1), _shown(0.2, 0)
    (['0.25', 0.2468], ['1,240', 1240.4], ['12.3', 12.34], ['0', 0.2])
    """
    if digits and value < 1:
        digits = 2
    elif value >= _USERS:
        digits = 0
    return [f"{value:,.{digits}f}", round(value, 4)]
