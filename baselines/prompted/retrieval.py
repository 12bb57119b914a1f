"""Order candidates before a language model sees them, as ChatRec's recommender system does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from baselines import experts
from benchkit.lm.teachers.encoder import TextEncoder, item_embedding_texts
from benchkit.lm.teachers.encoder import load_or_encode as stored_vectors
from benchkit.lm.teachers.sentence_encoder import MINILM, open_encoder
from benchkit.types import Catalog, Recommender, Request, RunContext


@dataclass(frozen=True)
class CandidateRetriever:
    """An expert orders the items that it knows; text vectors order those that are new to it.

    A new item is looked up by the similarity of its text to the texts of the history (ChatRec,
    cold-start recommendation). As the two kinds of scores cannot be compared, both kinds of items
    are mixed in proportion to their numbers.
    """

    expert: Recommender
    """Fitted on the training data."""
    known_items: frozenset[str]
    """Items with a training interaction."""
    training_ids: tuple[str, ...]
    """Items of the training catalogue; in another catalogue all items are new."""
    encoder: TextEncoder | str = MINILM
    """Encodes texts of items, once there is a new one; or the setting that names what does."""

    def scores(self, requests: Sequence[Request], run: RunContext) -> list[NDArray[np.float64]]:
        """Return [c] scores of each request's candidates, higher is better.

        Without new items they are in the expert's order, and its ties are ties.
        """
        known = self.known_items if run.catalog.ids == self.training_ids else frozenset()
        is_known = [np.array([i in known for i in r.candidates], dtype=bool) for r in requests]
        rows = [row for row, mask in enumerate(is_known) if mask.any()]
        expert_requests = [
            replace(
                requests[row],
                history=tuple(e for e in requests[row].history if e.item in known),
                candidates=tuple(i for i in requests[row].candidates if i in known),
            )
            for row in rows
        ]
        of_expert = dict(
            zip(rows, experts.expert_scores(self.expert, expert_requests, run), strict=True)
        )
        results = []
        for row, (request, mask) in enumerate(zip(requests, is_known, strict=True)):
            scores = np.empty(len(mask))
            scores[mask] = relative_ranks(of_expert.get(row, np.empty(0)))
            new_items = [item for item in request.candidates if item not in known]
            if new_items:
                scores[~mask] = relative_ranks(self.text_similarity(request, new_items, run))
            results.append(scores)
        return results

    def text_similarity(
        self, request: Request, items: Sequence[str], run: RunContext
    ) -> NDArray[np.float64]:
        """Return [n] mean cosines of items' texts with those of the history; 0 without one."""
        vectors = _item_vectors(run.catalog, self.encoder, run)
        index = run.catalog.index
        if not request.history:
            return np.zeros(len(items))
        history = vectors[[index[event.item] for event in request.history]].mean(axis=0)
        cosines: NDArray[np.float32] = vectors[[index[item] for item in items]] @ history
        return cosines.astype(np.float64)


def relative_ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [n] values between -1 and 0 in the order of scores [n]; ties stay ties.

    >>> relative_ranks(np.array([3.0, 9.0, 3.0, 1.0])).tolist()
    [-0.375, -0.125, -0.375, -0.875]
    """
    better = (scores[None, :] > scores[:, None]).sum(axis=1)
    ranks: NDArray[np.float64] = -(better + 0.5) / max(1, len(scores))
    return ranks


def narrow_requests(
    requests: Sequence[Request],
    scores: Sequence[NDArray[np.float64]],
    limit: int,
    ordered: bool,
) -> list[Request]:
    """Return the requests with at most `limit` candidates, those with the highest scores.

    Args:
        requests: The requests.
        scores: [c] scores of each one's candidates.
        limit: Candidates that stay; 0 for all.
        ordered: Put them into the order of the scores; otherwise they stay in theirs.
    """
    narrowed = []
    for request, row in zip(requests, scores, strict=True):
        order = experts.order_by_score(row)[: limit or None]
        places = order if ordered else sorted(order)
        candidates = tuple(request.candidates[place] for place in places)
        narrowed.append(replace(request, candidates=candidates))
    return narrowed


def _item_vectors(
    catalog: Catalog, encoder: TextEncoder | str, run: RunContext
) -> NDArray[np.float32]:
    if isinstance(encoder, str):
        encoder = open_encoder(encoder, run.device)
    return stored_vectors(encoder, item_embedding_texts(catalog), run.cache)
