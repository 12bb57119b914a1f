"""A Markov chain over items, smoothed by absolute discounting.

Shani, Heckerman and Brafman, An MDP-Based Recommender System, JMLR 2005 (the chain and skipping);
Ney, Essen and Kneser, On structuring probabilistic dependences in stochastic language modelling,
Computer Speech and Language 1994 (absolute discounting, interpolated with the lower order).
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from scipy import sparse

from baselines.cf.matrices import history_matrix
from baselines.cf.popularity import interaction_counts
from baselines.cf.scoring import predict_candidates
from benchkit.types import Capability, Interactions, Prediction, Request, RunContext, TrainView


class Markov:
    """score(j) = P(j | history), a probability over the catalogue.

    With c(i, j) the weighted number of times that j comes g <= window places after i in training,
    each time worth decay^(g - 1), and n(j) the number of training interactions with j:

        P(j)     = (n(j) + pseudo_count) / sum over k of (n(k) + pseudo_count)
        P(j | i) = max(c(i, j) - discount, 0) / c(i) + b(i) P(j),   c(i) = sum over j of c(i, j)
        P(j | h) = sum over the newest `window` items i of h of w(i) P(j | i)

    b(i) is the mass that the discount frees, which makes P(. | i) sum to 1; it is 1 where i was
    never followed by anything. w(i) is proportional to decay^age(i), age 0 for the newest item,
    and sums to 1. window = 1 is the first-order chain. Users need not be known from training; an
    empty history scores by popularity, P(j).
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"scores", "cold_users"})

    class Config(BaseModel):
        """Settings of the Markov chain, with the names of the formulas."""

        model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

        window: PositiveInt = 10
        """Largest distance of two items in a sequence that is counted as a transition."""
        decay: float = Field(default=0.8, gt=0, le=1)
        """Weight of a transition relative to one of a distance shorter by 1."""
        discount: float = Field(default=0.25, ge=0, le=1)
        """Subtracted from every count for the lower-order model."""
        pseudo_count: PositiveFloat = 1.0
        """Added to every item's number of interactions."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, data: TrainView, run: RunContext) -> None:
        config = self.config
        self.index = data.catalog.index
        smoothed = interaction_counts(data) + config.pseudo_count
        self.popularity = smoothed / smoothed.sum()
        counts = transition_counts(
            data.interactions, len(data.catalog), config.window, config.decay
        )
        self.direct, self.backoff = discount_transitions(counts, config.discount)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return predict_candidates(requests, self.index, self.score_items)

    def score_items(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """Compute P(j | history), [b, n_items]; each row sums to 1."""
        weights = history_matrix(requests, self.index, self.config.decay, self.config.window)
        total = weights.sum(axis=1)
        share = weights.multiply(1.0 / np.where(total > 0, total, 1.0)[:, None]).tocsr()
        backoff = np.where(total > 0, share @ self.backoff, 1.0)
        direct = (share @ self.direct).toarray()
        scores: NDArray[np.float64] = direct + backoff[:, None] * self.popularity
        return scores


def transition_counts(
    rows: Interactions, n_items: int, window: int = 1, decay: float = 1.0
) -> sparse.csr_array:
    """Count the weighted transitions c(i, j) of `Markov`, [n_items, n_items]."""
    counts = sparse.csr_array((n_items, n_items), dtype=np.float64)
    for gap in range(1, window + 1):
        same = rows.user[gap:] == rows.user[:-gap]
        pair = (rows.item[:-gap][same], rows.item[gap:][same])
        weight = np.full(len(pair[0]), decay ** (gap - 1))
        counts = counts + sparse.csr_array((weight, pair), shape=counts.shape)
    return counts


def discount_transitions(
    counts: sparse.csr_array, discount: float
) -> tuple[sparse.csr_array, NDArray[np.float64]]:
    """Compute the terms of P(j | i): max(c - discount, 0) / c(i), [n_items, n_items], and b(i)."""
    total = counts.sum(axis=1)
    remaining = counts.copy()
    remaining.data = np.maximum(remaining.data - discount, 0.0)
    direct = remaining.multiply(1.0 / np.where(total > 0, total, 1.0)[:, None]).tocsr()
    return direct, np.maximum(1.0 - direct.sum(axis=1), 0.0)  # rounding can leave -1e-16
