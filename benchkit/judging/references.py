"""What the user wrote of the item taken, beside which a rationale is described in numbers.

A review says why the user liked the item, if at all; a rationale may be good and share no word with
it. The numbers are shown as statistics of texts and enter no grade.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec

import numpy as np

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.lm.teachers.token_vectors import PACKAGES, encode_tokens
from benchkit.stats.text_statistics import greedy_match

_CHARACTERS = 2000  # of a text: the model reads 256 tokens


def target_reviews(dataset: PreparedDataset, cases: Cases) -> list[str | None]:
    """Return [n] the review of each case's target by its user; None where there is none."""
    data = dataset.interactions
    if data.review is None:
        return [None] * len(cases)
    reviews: list[str | None] = []
    for user, stop, target in zip(
        cases.user.tolist(), cases.stop.tolist(), cases.target.tolist(), strict=True
    ):
        # The target comes after the history, where it may stand, too.
        rows = np.flatnonzero(data.item[stop : data.offsets[user + 1]] == target)
        review = data.review[stop + int(rows[0])] if len(rows) else None
        reviews.append((review or "").strip() or None)
    return reviews


def measure_similarity(
    texts: Sequence[str | None], references: Sequence[str | None]
) -> list[float | None]:
    """Return [n] the F1 of greedy matching between the tokens of MiniLM in each pair of texts.

    BERTScore with a sentence encoder for its model, without weights and rescaling: its values are
    not those of BERTScore. None where either text is missing, and everywhere without the encoder.
    """
    pairs = {
        place: (text[:_CHARACTERS], reference[:_CHARACTERS])
        for place, (text, reference) in enumerate(zip(texts, references, strict=True))
        if text and reference
    }
    similarity: list[float | None] = [None] * len(texts)
    if not pairs or not _has_encoder():
        return similarity
    vectors = encode_tokens([text for pair in pairs.values() for text in pair])
    for number, place in enumerate(pairs):
        first, second = vectors[2 * number], vectors[2 * number + 1]
        if len(first) and len(second):
            similarity[place] = round(greedy_match(first, second), 4)
    return similarity


@lru_cache(maxsize=1)
def _has_encoder() -> bool:
    return all(find_spec(name) for name in PACKAGES)
