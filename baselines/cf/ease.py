"""EASE: a linear autoencoder of the items, in closed form.

Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from scipy import linalg, sparse

from baselines.cf.matrices import history_matrix, training_matrix
from baselines.cf.scoring import predict_candidates
from benchkit.errors import ConfigError
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView


class EASE:
    """score(u, j) = x_u B[:, j], with x_u the items of the history.

    B minimises |X - X B|^2 + l2 |B|^2 with a zero diagonal: with P the inverse of
    X'X + l2 I, B[i, j] = -P[i, j] / P[j, j] off the diagonal (eq. 8). Users need not be known from
    training; an empty history scores every item 0.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"scores", "cold_users"})

    class Config(BaseModel):
        """Settings of EASE."""

        model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

        l2: PositiveFloat = 500.0
        """Regularisation lambda."""
        decay: float = Field(default=1.0, gt=0, le=1)
        """Weight of an item of the history relative to the next; 1 ignores the order (paper)."""
        max_items: PositiveInt = 20_000
        """Largest catalogue; the inverse takes 16 n_items^2 bytes and time in n_items^3."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Solve for B; raise ConfigError for a catalogue of more than `max_items` items."""
        n_items = len(data.catalog)
        if n_items > self.config.max_items:
            raise ConfigError(
                f"ease inverts a matrix of {n_items} x {n_items} for dataset {data.name!r}, and"
                f" max_items is {self.config.max_items}",
                f"raise max_items (it takes {16 * n_items**2 / 2**30:.1f} GiB), raise k_core, or"
                " use item-knn",
            )
        self.index = data.catalog.index
        self.weights = solve_ease(training_matrix(data), self.config.l2)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return predict_candidates(requests, self.index, self.score_items)

    def score_items(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """Score the catalogue, [b, n_items]."""
        return history_matrix(requests, self.index, self.config.decay) @ self.weights


def solve_ease(matrix: sparse.csr_array, l2: float) -> NDArray[np.float64]:
    """Return the weights B, [n_items, n_items], of a matrix [n_users, n_items] (eq. 8)."""
    gram = (matrix.T @ matrix).toarray()
    gram[np.diag_indices_from(gram)] += l2
    factor = linalg.cho_factor(gram, overwrite_a=True, check_finite=False)
    inverse = linalg.cho_solve(factor, np.eye(len(gram)), overwrite_b=True, check_finite=False)
    inverse /= -np.diag(inverse).copy()
    np.fill_diagonal(inverse, 0.0)
    return inverse
