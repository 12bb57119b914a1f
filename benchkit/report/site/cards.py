"""The catalogue card of a row's method, even where the row has another name."""

from collections.abc import Mapping
from typing import Any

from benchkit import cards
from benchkit.cards import Card
from benchkit.errors import ConfigError


def match_card(label: str, family: str, identity: Mapping[str, Any] | None) -> Card | None:
    """Return the card of a row's method, or None where it is not certain.

    Rows are named after their method unless the suite names them otherwise; then the card is the
    one of the same class and family with the run's settings, if there is exactly one.

    identity: From a run's manifest; None where the row has no run.
    """
    named = _named(label)
    if identity is None:
        return named
    if named is not None and _fits(named, identity):
        return named
    fitting = [
        card
        for name, card in cards.list_cards().items()
        if "*" not in name and card.family == family and _fits(card, identity)
    ]
    most = max((len(card.config) for card in fitting), default=0)
    closest = [card for card in fitting if len(card.config) == most]
    return closest[0] if len(closest) == 1 else None


def card_summary(card: Card | None) -> dict[str, Any] | None:
    """Return what the page shows of a card."""
    if card is None:
        return None
    return {
        "name": card.name,
        "summary": card.summary,
        "paper": card.paper,
        "fidelity": card.fidelity,
        "deviations": list(card.deviations),
    }


def _named(label: str) -> Card | None:
    if ":" in label:  # a file of the user, which has no card
        return None
    try:
        return cards.find_card(label)
    except ConfigError:
        return None


def _fits(card: Card, identity: Mapping[str, Any]) -> bool:
    return card.target.rpartition(":")[2] == identity.get("method") and _within(
        card.config, identity.get("config", {})
    )


def _within(part: Any, whole: Any) -> bool:
    """Return whether `whole` has all settings of `part`."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and _within(value, whole[key]) for key, value in part.items()
        )
    return bool(part == whole)
