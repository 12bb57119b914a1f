"""Preferences between rationales, by how well a score predictor recommends after them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baselines.preference.score_predictor import (
    ScorePredictor,
    best_and_worst,
    fit_score_predictor,
)
from benchkit.training.preference.examples import Choice, Preference
from benchkit.training.preference.loss_spec import PreferenceExample
from benchkit.types import Catalog


def fit_on_rationales(
    rows: Sequence[tuple[Preference, Sequence[str]]],
    catalog: Catalog,
    rng: np.random.Generator,
    epochs: int,
) -> ScorePredictor:
    """Fit a predictor on preferences, each with the first of its rationales."""
    width = min(len(preference.candidates) for preference, _ in rows)
    candidates = []
    for preference, _ in rows:
        chosen = preference.chosen.item
        others = [item for item in preference.candidates if item != chosen]
        candidates.append([chosen, *others[: width - 1]])
    return fit_score_predictor(
        catalog,
        [preference.history for preference, _ in rows],
        [rationales[0] for _, rationales in rows],
        candidates,
        [preference.chosen.item for preference, _ in rows],
        rng,
        epochs,
    )


def rationale_preferences(
    preference: Preference, texts: Sequence[str], predictor: ScorePredictor
) -> list[Preference]:
    """Return preferences between texts, one for each item of a preference.

    A pair has the same item on both sides. Items that all texts score alike have none.
    """
    items = [choice.item for choice in preference.choices]
    rows = [predictor.scores(preference.history, text, items).tolist() for text in texts]
    pairs = []
    for index, item in enumerate(items):
        indices = best_and_worst([row[index] for row in rows], liked=index == 0)
        if indices is not None:
            best, worst = (Choice(item, texts[at]) for at in indices)
            key = f"{preference.key}#{index}"
            pairs.append(replace(preference, key=key, chosen=best, rejected=(worst,)))
    return pairs


def without_items(example: PreferenceExample) -> PreferenceExample:
    """Remove the item from the end of each response: it is not what is preferred."""
    pairs = zip(example.responses, example.item_tokens, strict=True)
    return replace(example, responses=tuple(tokens[:-last] for tokens, last in pairs))
