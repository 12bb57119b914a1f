"""Okapi BM25: how well documents match the words of a query."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.retrieval.term_weights import idf


class BM25:
    """An index of documents, each a sequence of words.

    A word q adds idf(q) f (k1 + 1) / (f + k1 (1 - b + b l / l_mean)) to the score of a document of
    l words that contains it f times, with idf(q) = log(1 + (N - n + .5) / (n + .5)) where n of the
    N documents contain it. idf is never negative: no word makes a document worse.

    Reference:
        Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
    """

    def __init__(
        self, documents: Sequence[Sequence[str]], k1: float = 1.5, b: float = 0.75
    ) -> None:
        """Index the documents.

        Args:
            documents: Words of each document; any number of them, also none.
            k1: How much repetitions of a word add; 0 for nothing.
            b: How much long documents are held back, 0 to 1.
        """
        self.size = len(documents)
        counts = [Counter(words) for words in documents]
        lengths = np.array([len(words) for words in documents], dtype=np.float64)
        mean = lengths.mean() if lengths.any() else 1.0
        room = k1 * (1 - b + b * lengths / mean)  # [N]
        rows: dict[str, list[int]] = {}
        for row, count in enumerate(counts):
            for word in count:
                rows.setdefault(word, []).append(row)
        self._postings: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for word, members in rows.items():
            index = np.array(members, dtype=np.int64)
            f = np.array([counts[row][word] for row in members], dtype=np.float64)
            weight = idf(len(members), self.size)
            self._postings[word] = index, weight * f * (k1 + 1) / (f + room[index])

    def scores(self, query: Sequence[str]) -> NDArray[np.float64]:
        """Return [N] scores of the documents; 0 for those that share no word with the query.

        A word that the query repeats counts as often. Words that no document contains are ignored.

        >>> BM25([["blue", "moon"], ["red"]]).scores(["moon", "sun"]).round(4).tolist()
        [0.6027, 0.0]
        """
        total = np.zeros(self.size, dtype=np.float64)
        for word, times in Counter(query).items():
            if word in self._postings:
                index, weight = self._postings[word]
                total[index] += times * weight
        return total
