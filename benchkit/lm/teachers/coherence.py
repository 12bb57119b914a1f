"""How well an item goes with a history, from sentence vectors: a number between 1 and 7.

A history is the mean of its items' vectors, the last ones weighing most; the similarity of an item
is its cosine with that mean. Cosines have no scale of their own: the items of one catalogue are all
alike to some degree, and a wide history is near to nothing. So the score says where the item stands
among the items that the customer has not had: 1 + 6 q, where a share q of them is less similar. 4
is the middle of the catalogue, 7 its most fitting item, and uniformly drawn items are spread evenly
over 1 to 7. For one history the score never falls when the similarity grows, and it depends on
nothing but history, item and catalogue.

All vectors are centred on the catalogue's mean first. Without that, items of an ordinary kind are
similar to every history: on MovieLens 100K, 68 % of the items are less similar to the training
history than the last training item; centred, 76 % are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds

_HALF_LIFE = 10  # steps back at which an event counts half as much
_REFERENCE = 2_000  # items that others are compared with: as exact as a score needs


@dataclass(frozen=True)
class CoherenceScale:
    """What the scores of one history are read from.

    profile: [d] mean vector. reference: [r] ascending similarities of other items.
    """

    profile: NDArray[np.float32]
    reference: NDArray[np.float32]


class CoherenceScorer:
    """Scores over the items of one catalogue.

    vectors: [n_items, d] of length 1.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors = _unit(vectors - vectors.mean(axis=0)) if len(vectors) > 1 else vectors
        n = len(vectors)
        self._reference = np.arange(n)
        if n > _REFERENCE:
            rng = seeds.generator("coherence", n)
            self._reference = np.sort(rng.choice(n, _REFERENCE, replace=False))
        self._reference_vectors = self.vectors[self._reference]

    def scale(self, history: Sequence[int]) -> CoherenceScale:
        """Return the scale of a history of item codes, oldest first; at least one."""
        codes = np.asarray(history)
        weights = 0.5 ** (np.arange(len(codes))[::-1] / _HALF_LIFE)
        profile = _unit((weights @ self.vectors[codes])[None])[0].astype(np.float32)
        similarities = self._reference_vectors @ profile
        return CoherenceScale(profile, np.sort(similarities[~np.isin(self._reference, codes)]))

    def similarity(self, scale: CoherenceScale, item: int) -> float:
        """Return the cosine of an item with the history, -1 to 1."""
        return float(self.vectors[item] @ scale.profile)

    def score(self, scale: CoherenceScale, item: int) -> float:
        """Return a number from 1 to 7; see the module."""
        similarity, reference = self.similarity(scale, item), scale.reference
        if len(reference) < 2:
            return 4 + 3 * min(max(similarity, -1.0), 1.0)
        quantiles = np.linspace(0, 1, len(reference))
        return 1 + 6 * float(np.interp(similarity, reference, quantiles))


def _unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return np.asarray(units, dtype=np.float32)
