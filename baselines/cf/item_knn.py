"""Item-based nearest neighbours with cosine similarity.

Deshpande and Karypis, Item-based top-N recommendation algorithms, ACM TOIS 2004. Shrinkage as in
Ferrari Dacrema et al., Are we really making much progress?, RecSys 2019.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt
from scipy import sparse

from baselines.cf.matrices import history_matrix, training_matrix
from baselines.cf.scoring import predict_candidates
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView

_CELLS = 2**23  # of the similarity matrix that are dense at a time (64 MiB)


class ItemKNN:
    """score(j) = sum over the items i of the history of decay^age(i) * similarity(i, j).

    With U(i) the users who have item i in training,

        similarity(i, j) = |U(i) & U(j)| / (sqrt(|U(i)| |U(j)|) + shrinkage)

    if j is one of the k items most similar to i and not i itself, else 0. age is 0 for the newest
    item. Users need not be known from training; an empty history scores every item 0.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"scores", "cold_users"})

    class Config(BaseModel):
        """Settings of item-based nearest neighbours."""

        model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

        neighbours: PositiveInt = 100
        """Similar items per item, k."""
        shrinkage: NonNegativeFloat = 5.0
        """Pulls the similarity of items with few users towards 0."""
        decay: float = Field(default=0.8, gt=0, le=1)
        """Weight of an item of the history relative to the next; 1 ignores the order (paper)."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.index = data.catalog.index
        self.similarity = nearest_neighbours(
            training_matrix(data), self.config.neighbours, self.config.shrinkage
        )

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return predict_candidates(requests, self.index, self.score_items)

    def score_items(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """Score the catalogue, [b, n_items]."""
        history = history_matrix(requests, self.index, self.config.decay)
        scores: NDArray[np.float64] = (history @ self.similarity).toarray()
        return scores


def nearest_neighbours(matrix: sparse.csr_array, k: int, shrinkage: float) -> sparse.csr_array:
    """Compute shrunk cosine similarities of a 0/1 matrix [n_users, n_items].

    Returns:
        [n_items, n_items] the k largest of each row, the rest 0.
    """
    columns = matrix.tocsc()
    by_item = columns.T.tocsr()
    n_items = matrix.shape[1]
    norm = np.sqrt(np.diff(columns.indptr))
    size = max(1, _CELLS // n_items)
    blocks = []
    for start in range(0, n_items, size):
        items = np.arange(start, min(start + size, n_items))
        both = (by_item[items] @ matrix).toarray()
        both[np.arange(len(items)), items] = 0.0
        # Items without users have nothing in common with any: 0 / 1 rather than 0 / 0.
        scale = norm[items, None] * norm + shrinkage
        similarity = both / np.where(scale > 0, scale, 1.0)
        blocks.append(_largest(similarity, k))
    similarities: sparse.csr_array = sparse.vstack(blocks, format="csr")
    return similarities


def _largest(rows: NDArray[np.float64], k: int) -> sparse.csr_array:
    """Keep the k largest entries of each row; of equal ones at the border, any."""
    if k < rows.shape[1]:
        border = np.argpartition(rows, -k, axis=1)[:, :-k]
        np.put_along_axis(rows, border, 0.0, axis=1)
    return sparse.csr_array(rows)
