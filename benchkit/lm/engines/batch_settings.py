"""Let settings of judges and teachers ask by the Batch endpoint."""

from collections.abc import Mapping
from typing import Any

from benchkit.errors import ConfigError
from benchkit.lm.cost_estimate import BATCH_PRICE


def ask_by_batches(settings: Any, owner: str) -> Any:
    """Return settings whose engines that ask a server do so by batches.

    Args:
        settings: Of a judge, a panel or a teacher, as in TOML.
        owner: Whose they are, for the message.

    Raises:
        ConfigError: No engine asks a server.

    >>> ask_by_batches({"engine": {"kind": "openai", "model": "m"}}, "the judge")
    {'engine': {'kind': 'openai', 'model': 'm', 'batch_api': True}}
    """
    changed = _change(settings)
    if changed == settings and not batch_shares(settings):
        raise ConfigError(
            f"{owner} has no engine that asks a server, so that nothing can go in batches",
            'leave --batch out, or give it engine = { kind = "openai", ... }',
        )
    return changed


def batch_shares(settings: Any) -> set[float]:
    """Return the shares of the live prices that engines pay which ask by batches."""
    if isinstance(settings, Mapping):
        shares: set[float] = set().union(*map(batch_shares, settings.values()))
        if settings.get("batch_api"):
            shares.add(float(settings.get("batch_price", BATCH_PRICE)))
        return shares
    if isinstance(settings, list | tuple):
        return set().union(*map(batch_shares, settings))
    return set()


def _change(settings: Any) -> Any:
    if isinstance(settings, Mapping):
        changed = {name: _change(value) for name, value in settings.items()}
        return changed | ({"batch_api": True} if settings.get("kind") == "openai" else {})
    if isinstance(settings, list | tuple):
        return type(settings)(_change(value) for value in settings)
    return settings
