"""From texts that a model has written to a ranked list of items, by BM25 in turns."""

from collections.abc import Sequence

from benchkit.lm.retrieval.bm25 import BM25
from benchkit.lm.retrieval.term_weights import text_words
from benchkit.lm.tokens.control_tokens import unquote


def rank_by_words(queries: Sequence[str], documents: Sequence[str]) -> list[list[int]]:
    """Rank documents for each query by BM25, best first, without those that share no word."""
    index = BM25([text_words(unquote(document)) for document in documents])
    rankings = []
    for query in queries:
        scores = index.scores(text_words(unquote(query)))
        order = (-scores).argsort(kind="stable").tolist()
        rankings.append([place for place in order if scores[place] > 0])
    return rankings


def round_robin(rankings: Sequence[Sequence[int]], count: int) -> list[tuple[int, int]]:
    """Merge rankings: each in turn adds its best item that is not yet in the list.

    Args:
        rankings: Items of each ranking, best first; the first ranking begins.
        count: Most items of the list.

    Returns:
        Items with the number of the ranking that each comes from.

    >>> [item for item, _ in round_robin([[0, 1], [0, 2]], 5)]
    [0, 2, 1]
    """
    merged: dict[int, int] = {}
    waiting = [iter(ranking) for ranking in rankings]
    while waiting and len(merged) < count:
        size = len(merged)
        for number, ranking in enumerate(waiting):
            item = next((i for i in ranking if i not in merged), None)
            if item is not None and len(merged) < count:
                merged[item] = number
        if len(merged) == size:
            break
    return list(merged.items())
