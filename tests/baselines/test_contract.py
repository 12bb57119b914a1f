"""Every method of the catalog keeps the contract; a method without a test class fails here."""

import sys
from pathlib import Path

import pytest

from benchkit import cards
from benchkit.testing.recommenders import RecommenderContract
from tests.support.contracts import collect_contracts, untested_methods
from tests.support.small_settings import LANGUAGE_MODELS, small_settings

# One of each kind of model that others vary; the contracts of those are slow tests.
FAST_RECBOLE = {"recbole/SASRec", "recbole/FPMC"}
FAST_LANGUAGE_MODELS = {
    "zero-shot", "chat-rec", "sft", "rationale-sft", "s-dpo", "c-apo", "twice-rec", "gram", "llara",
}  # fmt: skip
ORDER_SENSITIVE = {"chat-rec", "chat-rec+cf"}


def _contract(name: str, card: cards.Card) -> type:
    def make(self):
        if card.missing_packages:
            pytest.skip(f"not installed: {', '.join(card.missing_packages)}")
        return cards.construct_recommender(
            card, cards.build_config(card, small_settings(name, card))
        )

    if card.family in LANGUAGE_MODELS:
        slow = name not in FAST_LANGUAGE_MODELS
    else:
        slow = name.startswith("recbole/") and name not in FAST_RECBOLE
    members = {
        "make": make,
        "order_sensitive": name in ORDER_SENSITIVE,
        "tolerance": 1e-4 if card.family in LANGUAGE_MODELS else 1e-5,
        "decoding": {"n": 2, "max_tokens": 12, "temperature": 0.7},
        "pytestmark": [pytest.mark.slow] if slow else [],
        "__doc__": f"The contract of {name}.",
    }
    return type(f"Test_{name}", (RecommenderContract,), members)


CONCRETE = {name: card for name, card in cards.list_cards().items() if "*" not in name}
for _name, _card in CONCRETE.items():
    setattr(sys.modules[__name__], f"Test_{_name}", _contract(_name, _card))


def test_every_method_has_its_contract(request):
    contracts = collect_contracts(request.session, Path(__file__).parent, RecommenderContract)
    assert not untested_methods(contracts)
    without = [c for c in contracts if c.__name__ != "Test_popularity"]
    assert untested_methods(without) == ["popularity"]
    patterns = [name for name in cards.list_cards() if "*" in name]
    for pattern in patterns:
        assert any(name.startswith(pattern.rstrip("*")) for name in CONCRETE)


@pytest.mark.parametrize("name", CONCRETE)
def test_every_card_is_complete(name):
    card = CONCRETE[name]
    assert card.paper
    assert card.summary
    assert card.fidelity != "unknown"
    assert card.fidelity == "reproduced" or card.deviations
    (file,) = cards.find_source_files(card)
    assert file.name != "catalog.toml"


def test_any_other_model_of_recbole_is_found_by_its_name():
    card = cards.find_card("recbole/NARM")
    assert card.config["model"] == "NARM"
