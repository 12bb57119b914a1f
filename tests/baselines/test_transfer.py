"""Methods that train a language model, asked about another catalogue than they learn from."""

import math

import pytest

from benchkit import cards
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.types import Catalog, Event, Request
from tests.support.tiny_models import tiny_backbone

pytest.importorskip("peft")
pytest.importorskip("accelerate")

TRAIN = {
    "epochs": 1, "batch_size": 4, "micro_batch": 2, "gradient_checkpointing": False, "lora": None,
    "max_length": 4000,
}  # fmt: skip
SETTINGS = {
    "limit_users": 4, "candidates": 5, "validation_cases": 2,
    "train": TRAIN, "rationale_tokens": 8,
}  # fmt: skip
FAST_EXPERT = {"expert": {"name": "popularity"}}
MORE = {
    "rec-saver": {"per_user": 1, "author": "teacher"},
    "rec-explainer": {"expert": {"name": "sasrec", "config": {"epochs": 1, "hidden": 8}}},
    "eapo": FAST_EXPERT, "ea-s-dpo": FAST_EXPERT, "ea-ipo": FAST_EXPERT, "ea-cpo": FAST_EXPERT,
    "rose-po": FAST_EXPERT,
    "twice-rec": {**FAST_EXPERT, "cf": "rank"},
    "cal-rec": {"joint": TRAIN, "per_user": 1},
    "rec-lm": {**FAST_EXPERT, "lists": {"count": 2, "max_tokens": 30}},
    "rec-r1": {**FAST_EXPERT, "cf": "rank"},
    "rec-r1/query": {"template": "compact-query", "query_tokens": 8},
}  # fmt: skip
REWARDS = {"group": 2, "answer_tokens": 12}


def transfers(card):
    """Whether a method of a family that trains language models is asked about other items."""
    if card.family not in ("sft", "preference", "rl", "hybrid"):
        return False
    method = cards.construct_recommender(card, cards.build_config(card, {}))
    return "zero_shot" in method.capabilities


CARDS = {name: card for name, card in cards.list_cards().items() if transfers(card)}
ITEMS = tuple(f"other{code}" for code in range(8))
CATALOG = Catalog(ITEMS, {"title": [f"Other {code}" for code in range(8)]})


def settings_of(name):
    settings = {**SETTINGS, "template": "compact", "backbone": tiny_backbone()}
    if CARDS[name].family in ("preference", "rl"):
        settings["sft"] = TRAIN
    if CARDS[name].family == "rl" and name != "rec-lm":
        settings |= REWARDS
    return settings | MORE.get(name, {})


def fit_elsewhere(method, config, folder):
    """Fit on the generated items; return the answer to a request about others."""
    dataset = toy_dataset(users=40, items=40, length=8)
    scratch = folder / "scratch"
    scratch.mkdir()
    run = run_context(CATALOG, scratch, cache=folder / "cache")
    recommender = cards.construct_recommender(method, cards.build_config(method, config))
    recommender.fit(dataset.train_view(), run)
    request = Request("test:u", "u", (Event(ITEMS[0]), Event(ITEMS[1])), ITEMS[2:])
    (answer,) = recommender.predict([request], run)
    return answer


@pytest.mark.parametrize("name", sorted(CARDS))
def test_training_looks_at_its_own_catalogue(tmp_path, name):
    answer = fit_elsewhere(CARDS[name], settings_of(name), tmp_path)
    assert len(answer.scores) == 6
    assert all(math.isfinite(score) for score in answer.scores)
