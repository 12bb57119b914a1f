"""Metrics with one relevant item, each a gain per rank: HR@k, NDCG@k, MRR and RecPO's rates."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import ConfigError
from benchkit.evaluation.random_baseline import RankDistribution, uniform_ranks
from benchkit.evaluation.ranks import Ranks


@dataclass(frozen=True)
class RankMetric:
    """A metric that is the mean over cases of a gain at the target's rank r.

    A target that is not listed gains nothing, except in avoidance.

    hr@k: 1 if r <= k (hit rate; with one relevant item, recall@k).
    ndcg@k: 1 / log2(r + 1) if r <= k (Järvelin & Kekäläinen 2002; the ideal DCG is 1).
    mrr: 1 / r.
    adherence: 1 if r = 1; with split `adherence`, the item liked next is put before the one
        liked later (RecPO, appendix D.4).
    avoidance: 1 if r > 1; with split `avoidance`, the item that is going to be disliked is not put
        first (RecPO, appendix D.4).

    >>> RankMetric("ndcg@5").gains(4).round(4).tolist()
    [1.0, 0.6309, 0.5, 0.4307]
    """

    name: str
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(hr|ndcg)@(?P<k>[1-9]\d*)|mrr|adherence|avoidance"
    )

    def __post_init__(self) -> None:
        if not self.pattern.fullmatch(self.name):
            raise ConfigError(
                f"unknown metric {self.name!r}",
                "use hr@K, ndcg@K, mrr, serendipity@K, adherence or avoidance",
            )

    def gains(self, n: int) -> NDArray[np.float64]:
        """Gain of the ranks 1..m, m <= n: those beyond it gain nothing."""
        rank = np.arange(1, n + 1, dtype=np.float64)
        kind, _, k = self.name.partition("@")
        match kind:
            case "hr" | "adherence":
                return np.ones(min(n, int(k or 1)))
            case "ndcg":
                return 1.0 / np.log2(rank[: int(k)] + 1.0)
            case "mrr":
                return 1.0 / rank
            case _:
                return (rank > 1).astype(np.float64)

    @property
    def unlisted_gain(self) -> float:
        """Gain of a target that is not in the list."""
        return float(self.name == "avoidance")

    @property
    def first_only(self) -> bool:
        """Whether only the first place counts; of sampled answers it then judges the first."""
        return self.name.endswith("@1") or self.name in ("adherence", "avoidance")

    def weights(self, n: int) -> NDArray[np.float64]:
        """[n] what the gain of each case is multiplied by."""
        return np.ones(n)

    def values(self, ranks: Ranks) -> NDArray[np.float64]:
        """[n] expected gain of each case; unanswered cases are 0."""
        gains = self.gains(int(ranks.n_candidates.max(initial=1)))
        return ranks.expected_gain(gains, self.unlisted_gain) * self.weights(len(ranks))

    def chance_level(self, of: NDArray[np.int64], law: RankDistribution = uniform_ranks) -> float:
        """Exact expectation, mean over cases, for a recommender that knows nothing.

        of: [n] number of candidates of each case. law: how likely each rank then is; by default
        all are equally likely.

        >>> round(RankMetric("hr@1").chance(np.array([30])), 6)
        0.033333
        >>> round(RankMetric("ndcg@5").chance(np.array([30])), 6)
        0.098282
        """
        sizes, place = np.unique(of, return_inverse=True)
        each = np.array([self._expectation(law(int(size))) for size in sizes])
        return float((each[place] * self.weights(len(of))).mean())

    def _expectation(self, places: NDArray[np.float64]) -> float:
        gains = self.gains(len(places))
        return float(gains @ places[: len(gains)] + self.unlisted_gain * (1.0 - places.sum()))
