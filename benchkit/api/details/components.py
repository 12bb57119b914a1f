"""A method or a judge with its settings, capabilities and reference."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from benchkit.cards import Card, find_card, load_class
from benchkit.config.setting_texts import (
    Setting,
    describe_setting_value,
    list_settings,
    nested_models,
    unlabelled_text,
)
from benchkit.errors import BenchkitError
from benchkit.processes.inspection import describe_method


def describe_component(kind: Literal["method", "judge"], name: str) -> dict[str, Any]:
    """Return the card of a method or judge with its settings and capabilities.

    Args:
        kind: "method" or "judge".
        name: Its name, one that a pattern of the catalog covers (`recbole/STAMP`), or
            `FILE.py:Class`.

    Returns:
        The card's fields, and `missing` (packages), `capabilities` (of a method; None where they
        depend on settings that have no default), `settings`: what `config` takes, as name, type,
        default (the card's before the class's) and text; and `tables`: the settings within
        settings, by the name of their model. `problem` says why a class could not be loaded.

    Raises:
        ConfigError: There is no such method or judge.
    """
    card = find_card(name, kind)
    details: dict[str, Any] = {**card.model_dump(), "missing": card.missing_packages}
    try:
        config = getattr(load_class(card), "Config", None)
    except BenchkitError as error:
        return {
            **details,
            "capabilities": None,
            "settings": [],
            "tables": {},
            "problem": str(error),
        }
    if kind == "method":
        details["capabilities"] = _find_capabilities(card)
    if config is None:
        return {**details, "settings": [], "tables": {}, "problem": ""}
    tables = {
        model.__qualname__: {
            "text": unlabelled_text(model.__doc__ or "", model.model_fields),
            "settings": _as_records(list_settings(model, {}), {}),
        }
        for model in nested_models(config)
    }
    settings = _as_records(list_settings(config, {}), card.config)
    return {**details, "settings": settings, "tables": tables, "problem": ""}


def _find_capabilities(card: Card) -> list[str] | None:
    """Return what a method with its card's settings can do, None where settings must be given."""
    try:
        return sorted(describe_method(card, {}).capabilities)
    except BenchkitError:
        declared = getattr(load_class(card), "capabilities", None)
        return sorted(declared) if isinstance(declared, Iterable) else None


def _as_records(settings: Iterable[Setting], fixed: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return settings as records, with the values that a card fixes as their defaults."""
    return [
        {
            "name": setting.name,
            "type": setting.type.replace("`", ""),
            "default": (
                describe_setting_value(fixed[setting.name])
                if setting.name in fixed
                else setting.default
            ).strip("`"),
            "text": setting.text,
        }
        for setting in settings
    ]
