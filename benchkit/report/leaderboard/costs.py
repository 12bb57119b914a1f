"""What a row cost: training, answering 1,000 users, memory, and where it ran."""

from benchkit.evaluation.lookup import protocol_by_name
from benchkit.report.core.results import ResultRow

COST_TITLES = {
    "fit": "Fit (s)",
    "seconds": "Seconds / 1k users",
    "tokens": "Tokens / 1k users",
    "memory": "Memory (MB)",
    "device": "Device",
}
_USERS = 1000

DisplayedCost = list[str | float]  # [text, value to sort by]


def per_thousand_users(row: ResultRow, what: str) -> float | None:
    """Return seconds or tokens (`what`) of 1,000 users under the row's protocol, where recorded.

    All cases of a user count, where users have several. The ranking by the mean over tokens uses
    the scores of `scored`, and so costs the same.
    """
    protocol = protocol_by_name(row.protocol).name
    users = max((cell.users for cell in row.cells.values()), default=0)
    value = row.cost.get(f"{protocol}_{what}")
    return value * _USERS / users if users and value is not None else None


def row_costs(row: ResultRow) -> dict[str, DisplayedCost]:
    """Return cost column -> [text, value], for the columns that the records of the row have."""
    displayed: dict[str, DisplayedCost] = {}
    if "fit_seconds" in row.cost:
        displayed["fit"] = _display(row.cost["fit_seconds"], 1)
    for what, digits in (("seconds", 1), ("tokens", 0)):
        if (value := per_thousand_users(row, what)) is not None:
            displayed[what] = _display(value, digits)
    if "peak_memory_mb" in row.cost:
        displayed["memory"] = _display(row.cost["peak_memory_mb"], 0)
    if row.device:
        displayed["device"] = [row.device, 0.0]
    return displayed


def _display(value: float, digits: int) -> DisplayedCost:
    """Return a number with three or more digits: '0.25', '12.3', '1,240'.

    >>> _display(0.2468, 1), _display(1240.4, 1), _display(12.34, 1), _display(0.2, 0)
    (['0.25', 0.2468], ['1,240', 1240.4], ['12.3', 12.34], ['0', 0.2])
    """
    if digits and value < 1:
        digits = 2
    elif value >= _USERS:
        digits = 0
    return [f"{value:,.{digits}f}", round(value, 4)]
