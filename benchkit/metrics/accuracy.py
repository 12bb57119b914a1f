"""Accuracy metrics, each a gain per rank: HR@k, NDCG@k and MRR with one relevant item."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import ConfigError
from benchkit.metrics.ranks import Ranks

_NAME = re.compile(r"(?P<kind>hr|ndcg)@(?P<k>[1-9]\d*)|mrr")


@dataclass(frozen=True)
class RankMetric:
    """A metric that is the mean over cases of a gain at the target's rank r.

    hr@k: 1 if r <= k (hit rate; with one relevant item, recall@k).
    ndcg@k: 1 / log2(r + 1) if r <= k (Järvelin & Kekäläinen 2002; the ideal DCG is 1).
    mrr: 1 / r.

    >>> RankMetric("ndcg@5").gains(4).round(4).tolist()
    [1.0, 0.6309, 0.5, 0.4307]
    """

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"unknown metric {self.name!r}", "use hr@K, ndcg@K or mrr")

    def gains(self, n: int) -> NDArray[np.float64]:
        """Gain of the ranks 1..m, m <= n: those beyond it gain nothing."""
        rank = np.arange(1, n + 1, dtype=np.float64)
        if self.name == "mrr":
            return 1.0 / rank
        kind, _, k = self.name.partition("@")
        rank = rank[: int(k)]
        return np.ones_like(rank) if kind == "hr" else 1.0 / np.log2(rank + 1.0)

    def values(self, ranks: Ranks) -> NDArray[np.float64]:
        """[n] expected gain of each case; unanswered cases are 0."""
        return ranks.expected(self.gains(int(ranks.of.max(initial=1))))

    def chance(self, of: NDArray[np.int64]) -> float:
        """Exact expectation when every rank is as likely: mean over cases of sum(gains) / of.

        of: [n] number of candidates of each case.

        >>> round(RankMetric("hr@1").chance(np.array([30])), 6)
        0.033333
        >>> round(RankMetric("ndcg@5").chance(np.array([30])), 6)
        0.098282
        """
        sizes, cases = np.unique(of, return_counts=True)
        each = np.array([self.gains(int(size)).sum() / size for size in sizes])
        return float(np.average(each, weights=cases))
