"""A small version of SumRec's score predictor of an item, given a history and a user text.

f(h, r, i) = sigmoid(b + v . i + a1 (h . i) + a2 (r . i) + sum_j i_j (p_j h_j + q_j r_j)), with
vectors of the hashed words of the history's titles (h), of the rationale (r) and of the item (i).
It is trained by a squared error in which positives weigh ten times (Tajiri and Inaba, 2025).
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.teachers.encoder import item_embedding_texts
from benchkit.types import Catalog, Event

if TYPE_CHECKING:
    from torch import Tensor

VECTOR_SIZE = 256
POSITIVE_WEIGHT = 10.0  # weight of a chosen item in the loss
_HISTORY = 20  # newest events that are read
_WORD = re.compile(r"\w+")
_BATCH = 32  # prompts per step
_LEARNING_RATE = 0.05


@dataclass(frozen=True)
class ScorePredictor:
    """The fitted predictor."""

    catalog: Catalog
    items: NDArray[np.float32]
    """[n_items, d] item vectors."""
    by_history: NDArray[np.float32]
    """[d] weights p."""
    by_rationale: NDArray[np.float32]
    """[d] weights q."""
    by_item: NDArray[np.float32]
    """[d] weights v."""
    overlaps: NDArray[np.float32]
    """[2] weights a1 and a2."""
    bias: float
    """Bias b."""

    def scores(
        self, history: Sequence[Event], rationale: str, candidates: Sequence[str]
    ) -> NDArray[np.float64]:
        """Return [c] predicted scores of the candidates, between 0 and 1."""
        h = history_vector(history, self.items, self.catalog)
        r = hash_words([rationale])[0]
        of_item = self.by_item + (self.by_history + self.overlaps[0]) * h
        of_item = of_item + (self.by_rationale + self.overlaps[1]) * r
        rows = self.items[[self.catalog.index[item] for item in candidates]]
        logits = rows.astype(np.float64) @ of_item + self.bias
        values: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
        return values

    def with_catalog(self, catalog: Catalog) -> "ScorePredictor":
        """Return the predictor for the items of `catalog`, which may differ from training's."""
        if catalog is self.catalog:
            return self
        return replace(self, catalog=catalog, items=item_vectors(catalog))


def hash_words(texts: Sequence[str], size: int = VECTOR_SIZE) -> NDArray[np.float32]:
    """Return [n, size] signed counts of hashed words, of length 1; zero for a text without words.

    >>> float((hash_words(["Blue Moon"])[0] @ hash_words(["blue, moon!"])[0]).round(6))
    1.0
    """
    table = np.zeros((len(texts), size), dtype=np.float32)
    for row, text in zip(table, texts, strict=True):
        for word in _WORD.findall(text.casefold()):
            code = zlib.crc32(word.encode())
            row[(code >> 1) % size] += 1 if code & 1 else -1
    return _unit(table)


def item_vectors(catalog: Catalog) -> NDArray[np.float32]:
    """Return [n_items, d] vectors of titles and the columns that name an item's kind."""
    return hash_words(item_embedding_texts(catalog))


def history_vector(
    events: Sequence[Event], items: NDArray[np.float32], catalog: Catalog
) -> NDArray[np.float32]:
    """Return [d], the sum of the newest events' vectors, of length 1; zero without events."""
    rows = items[[catalog.index[event.item] for event in events[-_HISTORY:]]]
    unit: NDArray[np.float32] = _unit(rows.sum(axis=0, keepdims=True))[0]
    return unit


def fit_score_predictor(
    catalog: Catalog,
    histories: Sequence[Sequence[Event]],
    rationales: Sequence[str],
    candidates: Sequence[Sequence[str]],
    chosen: Sequence[str],
    rng: np.random.Generator,
    epochs: int = 20,
) -> ScorePredictor:
    """Fit a predictor on n prompts: the chosen candidate has label 1, the others 0.

    Args:
        catalog: The items.
        histories: [n] events before each prompt.
        rationales: [n] texts on the users.
        candidates: [n] items of each prompt, equally many.
        chosen: [n] the chosen items.
        rng: Draws the order.
        epochs: Passes over the prompts.
    """
    import torch

    items = item_vectors(catalog)
    index = catalog.index
    h = torch.from_numpy(np.stack([history_vector(events, items, catalog) for events in histories]))
    r = torch.from_numpy(hash_words(rationales))
    code = torch.tensor([[index[item] for item in row] for row in candidates])
    label = (code == torch.tensor([[index[item]] for item in chosen])).float()
    table = torch.from_numpy(items)
    p, q, v = (torch.zeros(items.shape[1], requires_grad=True) for _ in range(3))
    a, b = torch.zeros(2, requires_grad=True), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([p, q, v, a, b], lr=_LEARNING_RATE)
    for _ in range(epochs):
        for rows in torch.split(torch.from_numpy(rng.permutation(len(h))), _BATCH):
            of_item = v + (p + a[0]) * h[rows] + (q + a[1]) * r[rows]
            logits = (table[code[rows]] @ of_item[..., None])[..., 0] + b
            loss = label_weighted_mse(torch.sigmoid(logits), label[rows]).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    history, rationale, item, overlaps, bias = (w.detach().numpy() for w in (p, q, v, a, b))
    return ScorePredictor(catalog, items, history, rationale, item, overlaps, float(bias))


def label_weighted_mse(predicted: "Tensor", label: "Tensor") -> "Tensor":
    """Return squared errors, of the same shape; those of positives (label 1) weigh ten times."""
    return (1 + (POSITIVE_WEIGHT - 1) * label) * (predicted - label) ** 2


def best_and_worst(scores: Sequence[float], liked: bool) -> tuple[int, int] | None:
    """Return the indices of the chosen and the rejected text, by their scores of one item.

    The text with the highest score is chosen for a liked item, the one with the lowest for
    another. None if all scores are equal.

    >>> best_and_worst([0.2, 0.9, 0.5], liked=True)
    (1, 0)
    """
    values = np.asarray(scores)
    if values.min() == values.max():
        return None
    best, worst = int(values.argmax()), int(values.argmin())
    return (best, worst) if liked else (worst, best)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = (rows / np.where(length > 0, length, 1)).astype(np.float32)
    return unit
