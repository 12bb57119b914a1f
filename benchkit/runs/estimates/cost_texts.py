"""Expected costs in words that fit a terminal of 80 columns."""

from collections.abc import Callable

from benchkit.runs.estimates.expected_costs import ExpectedCosts, Forecast

_SECONDS = (("d", 86_400, 129_600), ("h", 3600, 5400), ("min", 60, 100))  # unit, from when on
_COUNTS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0))


def format_seconds(seconds: float, like: float | None = None) -> str:
    """Return a duration with two or three digits, in the unit of a duration like another one.

    >>> [format_seconds(s) for s in (0, 0.04, 5.44, 75, 130, 5400, 200_000)]
    ['0 s', '0.04 s', '5.4 s', '75 s', '2.2 min', '1.5 h', '2.3 d']
    >>> format_seconds(130, like=75)
    '130 s'
    """
    units = ((name, unit) for name, unit, least in _SECONDS if (like or seconds) >= least)
    name, unit = next(units, ("s", 1))
    return f"{_format(seconds / unit)} {name}"


def format_megabytes(megabytes: float, like: float | None = None) -> str:
    """Return an amount of memory, in the unit of an amount like another one.

    >>> [format_megabytes(mb) for mb in (3.2, 812.4, 12_800)]
    ['3.2 MB', '812 MB', '12.5 GB']
    """
    if (like or megabytes) < 10_000:
        return f"{_format(megabytes)} MB"
    return f"{megabytes / 1024:,.1f} GB"


def format_count(count: float, like: float | None = None) -> str:
    """Return a number of tokens, in the unit of a number like another one.

    >>> [format_count(n) for n in (0, 950, 275_063, 1_820_000)]
    ['0', '950', '275k', '1.8M']
    """
    name, unit = next((n, u) for n, u in _COUNTS if (like or count) >= u or not n)
    return f"{_format(count / unit)}{name}"


def format_money(amount: float, like: float | None = None) -> str:  # noqa: ARG001
    """Return an amount of money, in whatever currency prices are; it has no units to choose.

    >>> [format_money(amount) for amount in (0.0034, 0.5, 12.345)]
    ['0.0034', '0.50', '12.35']
    """
    return f"{amount:.2f}" if amount >= 0.1 or not amount else f"{amount:.2g}"


def format_forecast(forecast: Forecast | None, form: Callable[..., str]) -> str:
    """Return a figure with its range, "?" for one that is unknown.

    >>> format_forecast(Forecast(value=45, low=30, high=67.5), format_seconds)
    '45 s (30-68)'
    """
    if forecast is None:
        return "?"
    if forecast.low == forecast.high:
        return form(forecast.value)
    low, high = (form(end, forecast.value).split()[0] for end in (forecast.low, forecast.high))
    return f"{form(forecast.value)} ({low}-{high})"


def describe_expected(cost: ExpectedCosts) -> str:
    """Return the expected costs of a run in a line: "45 s (30-68), 812 MB (677-974)"."""
    if not cost.is_known:
        return "unknown: no earlier run is like it"
    parts = [
        format_forecast(cost.seconds, format_seconds),
        format_forecast(cost.memory_mb, format_megabytes),
    ]
    if cost.gpu_memory_mb is not None:
        parts.append(f"GPU {format_forecast(cost.gpu_memory_mb, format_megabytes)}")
    if cost.tokens is not None and cost.tokens.value:
        parts.append(f"{format_count(cost.tokens.value)} tokens")
    if cost.money is not None:
        parts.append(f"money {format_forecast(cost.money, format_money)}")
    return ", ".join(part for part in parts if part != "?")


def _format(value: float) -> str:
    """Return a number with two digits, or all of a larger whole one."""
    if value >= 10:
        return f"{value:,.0f}"
    if value >= 0.995:
        return f"{value:.1f}"
    return f"{value:.2g}"
