"""How much a term says of the text it is in: BM25's idf, and vectors of weighted terms."""

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_WORD = re.compile(r"\w+")
_T = TypeVar("_T", bound=Hashable)


def text_words(text: str) -> list[str]:
    """Split a text into the words to index or search by, without case and punctuation.

    >>> text_words("Star Wars: Episode IV (1977)")
    ['star', 'wars', 'episode', 'iv', '1977']
    """
    return _WORD.findall(text.casefold())


def idf(frequency: int, documents: int) -> float:
    """Return BM25's weight of a term that `frequency` of the documents contain; never negative.

    GRAM chooses the words of its ids by it.

    Reference:
        Robertson and Zaragoza, 2009.

    >>> [round(idf(f, 10), 5) for f in (1, 5, 10)]
    [1.99243, 0.69315, 0.04652]
    """
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def weigh_terms(documents: Sequence[Sequence[_T]]) -> tuple["csr_array", list[_T]]:
    """Return [n, v] how often each document has each term, times the term's idf, and the v terms.

    Terms are in the order in which they occur first.
    """
    from scipy.sparse import csr_array

    columns: dict[_T, int] = {}
    counts = [Counter(document) for document in documents]
    frequency: Counter[_T] = Counter()
    for count in counts:
        frequency.update(count.keys())
        for term in count:
            columns.setdefault(term, len(columns))
    weight = {term: idf(frequency[term], len(documents)) for term in columns}
    offsets = np.cumsum([0, *map(len, counts)])
    where = [columns[term] for count in counts for term in count]
    values = [number * weight[term] for count in counts for term, number in count.items()]
    shape = (len(documents), len(columns))
    table = csr_array((np.array(values, dtype=np.float64), where, offsets), shape=shape)
    return table, list(columns)


class TfIdfEncoder:
    """Vectors of texts without a language model: TF-IDF of words, reduced by an SVD.

    A vector depends on all texts that are encoded with it.
    """

    name = "tf-idf-svd"

    def __init__(self, size: int = 64) -> None:
        self.size = size
        self.name = f"tf-idf-svd-{size}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return [n, size] vectors of length 1; zero for a text without words."""
        from scipy.sparse.linalg import svds

        table, _ = weigh_terms([text_words(text) for text in texts])
        vectors = np.zeros((len(texts), self.size))
        rank = min(self.size, min(table.shape, default=0) - 1)
        if rank >= 1:
            # A start of our own: the library's would be drawn from a global generator.
            start = np.ones(min(table.shape))
            left, values, _ = svds(table, k=rank, v0=start)
            vectors[:, :rank] = left * values
        elif table.shape[1]:
            vectors[:, :1] = table.toarray()[:, :1]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(length > 1e-12, length, 1)).astype(np.float32)
