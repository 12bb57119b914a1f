"""Queries that a language model writes for a retriever, and what BM25 finds by them.

An answer holds its query as JSON, `{"query": "..."}`, in the tag `<answer>` (Lin et al., Rec-R1,
2025).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.retrieval.bm25 import BM25
from benchkit.lm.retrieval.term_weights import text_words
from benchkit.lm.tokens.control_tokens import quote, unquote
from benchkit.types import Catalog

BEGIN_QUERY, END_QUERY = '{"query": "', '"}'
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_COLUMNS = (
    "title", "description", "details", "features", "genres", "categories", "category", "style",
    "brand", "store", "tags",
)  # fmt: skip
_QUERY_COLUMNS = ("title", "genres", "categories", "category", "style", "brand", "store", "tags")
_QUERY_CHARACTERS = 200


def query_pieces(text: str) -> tuple[str, str, str]:
    """Return the JSON of a query in pieces, with control tokens quoted.

    >>> query_pieces('The "Blue" one')
    ('{"query": "', 'The \\\\"Blue\\\\" one', '"}')
    """
    return BEGIN_QUERY, quote(json.dumps(text, ensure_ascii=False)[1:-1]), END_QUERY


def parse_query(text: str) -> str | None:
    """Return the query of an answer; None unless there is one tag with one JSON object in it.

    >>> parse_query('<think>Teas.</think><answer>{"query": "green tea"}</answer>')
    'green tea'
    >>> parse_query("<answer>green tea</answer>") is None
    True
    """
    matches = _ANSWER.findall(unquote(text))
    if len(matches) != 1:
        return None
    try:
        value = json.loads(matches[0])
    except (ValueError, RecursionError):
        return None
    query = value.get("query") if isinstance(value, dict) else None
    return query if isinstance(query, str) and query.strip() else None


def read_open_query(text: str) -> str:
    """Return a query from the inside of its JSON string; as it stands where it is no JSON."""
    text = unquote(text)
    try:
        return str(json.loads(f'"{text}"'))
    except (ValueError, RecursionError):
        return text


def item_query(catalog: Catalog, item: str) -> str:
    """Return a query that finds an item: its title, and the short texts that name its kind."""
    columns = [name for name in _QUERY_COLUMNS if name in catalog.texts]
    texts = [" ".join((catalog.text(item, name) or "").split()) for name in columns]
    return " ".join(text for text in texts if text)[:_QUERY_CHARACTERS].rstrip() or item


def item_documents(catalog: Catalog) -> list[list[str]]:
    """Return the words of each item's texts, by which it is found; of its id, without any."""
    columns = [catalog.texts[name] for name in _COLUMNS if name in catalog.texts]
    rows = zip(catalog.ids, *columns, strict=True)
    return [
        text_words(" ".join(text for text in texts if text)) or text_words(item)
        for item, *texts in rows
    ]


@dataclass
class CatalogSearch:
    """Searches the items of one catalogue at a time; the index of the last one is kept."""

    k1: float = 1.5
    b: float = 0.75
    _state: tuple[Catalog, BM25] | None = field(default=None, repr=False)

    def scores(self, query: str, items: Sequence[str], catalog: Catalog) -> NDArray[np.float64]:
        """Return [n] BM25 scores of `items`, 0 for those that share no word with the query."""
        if self._state is None or self._state[0] is not catalog:
            self._state = (catalog, BM25(item_documents(catalog), self.k1, self.b))
        codes = [catalog.index[item] for item in items]
        return self._state[1].scores(text_words(query))[codes]

    def rank(self, query: str, target: str, items: Sequence[str], catalog: Catalog) -> float | None:
        """Return the target's rank among `items`, from 1; None if it shares no word.

        Of t items with the same score the target has the middle rank.
        """
        values = self.scores(query, items, catalog)
        score = values[list(items).index(target)]
        if score <= 0:
            return None
        ties = float((values == score).sum()) - 1
        return 1 + float((values > score).sum()) + ties / 2
