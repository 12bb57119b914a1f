"""SumRec's score predictor, small: how well an item goes with a history and a text on the user.

f(h, r, i) = sigmoid(b + v . i + a1 (h . i) + a2 (r . i) + sum_j i_j (p_j h_j + q_j r_j)), with the
hashed words of the history's titles (h), of the rationale (r) and of the item (i) as vectors.
Trained by a squared error in which positives weigh ten times (Tajiri and Inaba, 2025).
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

VECTOR_SIZE = 256  # of a vector
POSITIVE_WEIGHT = 10.0  # weight of a chosen item in the loss
_HISTORY = 20  # events that are read, the newest
_WORD = re.compile(r"\w+")
_BATCH = 32  # prompts a step
_RATE = 0.05


@dataclass(frozen=True)
class ScorePredictor:
    """items: [n_items, d]. by_history, by_rationale, by_item: [d], weights p, q and v.
    overlaps: [2] a1 and a2. bias: b."""

    catalog: Catalog
    items: NDArray[np.float32]
    by_history: NDArray[np.float32]
    by_rationale: NDArray[np.float32]
    by_item: NDArray[np.float32]
    overlaps: NDArray[np.float32]
    bias: float

    def scores(
        self, history: Sequence[Event], rationale: str, candidates: Sequence[str]
    ) -> NDArray[np.float64]:
        """[c] predicted scores of the candidates, between 0 and 1."""
        h = self.history(history)
        r = hash_words([rationale])[0]
        of_item = self.by_item + (self.by_history + self.overlaps[0]) * h
        of_item = of_item + (self.by_rationale + self.overlaps[1]) * r
        rows = self.items[[self.catalog.index[item] for item in candidates]]
        logits = rows.astype(np.float64) @ of_item + self.bias
        values: NDArray[np.float64] = 1 / (1 + np.exp(-logits))
        return values

    def with_catalog(self, catalog: Catalog) -> "ScorePredictor":
        """The same predictor for the items of `catalog`, which need not be those of training."""
        if catalog is self.catalog:
            return self
        return replace(self, catalog=catalog, items=item_vectors(catalog))

    def history(self, events: Sequence[Event]) -> NDArray[np.float32]:
        """[d] vector of a history."""
        return history_vector(events, self.items, self.catalog)


def hash_words(texts: Sequence[str], size: int = VECTOR_SIZE) -> NDArray[np.float32]:
    """[n, size] signed counts of hashed words, of length 1; zero where there is no word.

    >>> float((hashed(["Blue Moon"])[0] @ hashed(["blue, moon!"])[0]).round(6))
    1.0
    """
    table = np.zeros((len(texts), size), dtype=np.float32)
    for row, text in zip(table, texts, strict=True):
        for word in _WORD.findall(text.casefold()):
            code = zlib.crc32(word.encode())
            row[(code >> 1) % size] += 1 if code & 1 else -1
    return _unit(table)


def item_vectors(catalog: Catalog) -> NDArray[np.float32]:
    """[n_items, d] of title and the columns that name an item's kind."""
    return hash_words(item_embedding_texts(catalog))


def history_vector(
    events: Sequence[Event], items: NDArray[np.float32], catalog: Catalog
) -> NDArray[np.float32]:
    """[d] the sum of the newest events' vectors, of length 1; zero without events."""
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
    """A predictor trained on n prompts: the chosen candidate is 1, the others are 0.

    candidates: of each prompt, the same number. rng: draws the order.
    """
    import torch

    items = item_vectors(catalog)
    index = catalog.index
    h = torch.from_numpy(np.stack([history_vector(own, items, catalog) for own in histories]))
    r = torch.from_numpy(hash_words(rationales))
    code = torch.tensor([[index[item] for item in own] for own in candidates])
    label = (code == torch.tensor([[index[item]] for item in chosen])).float()
    table = torch.from_numpy(items)
    p, q, v = (torch.zeros(items.shape[1], requires_grad=True) for _ in range(3))
    a, b = torch.zeros(2, requires_grad=True), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([p, q, v, a, b], lr=_RATE)
    for _ in range(epochs):
        for rows in torch.split(torch.from_numpy(rng.permutation(len(h))), _BATCH):
            of_item = v + (p + a[0]) * h[rows] + (q + a[1]) * r[rows]
            logits = (table[code[rows]] @ of_item[..., None])[..., 0] + b
            loss = weighted_mse(torch.sigmoid(logits), label[rows]).mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    history, rationale, item, overlaps, bias = (w.detach().numpy() for w in (p, q, v, a, b))
    return ScorePredictor(catalog, items, history, rationale, item, overlaps, float(bias))


def weighted_mse(predicted: "Tensor", label: "Tensor") -> "Tensor":
    """Squared errors, of the same shape; those of positives (label 1) weigh ten times."""
    return (1 + (POSITIVE_WEIGHT - 1) * label) * (predicted - label) ** 2


def best_and_worst(scores: Sequence[float], liked: bool) -> tuple[int, int] | None:
    """Places of the chosen and of the rejected text, by the scores they give to an item.

    The text with the highest score is chosen for an item that was liked, the one with the lowest
    for another. None where all scores are the same.

    >>> pair([0.2, 0.9, 0.5], liked=True)
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
