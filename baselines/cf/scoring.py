"""What the collaborative filters share: from item codes to predictions."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit.types import Prediction, Request


def history_codes(request: Request, index: Mapping[str, int]) -> NDArray[np.int64]:
    """Item codes of the history, oldest first; items unknown in training are left out."""
    codes = (index.get(event.item, -1) for event in request.history)
    return np.fromiter((code for code in codes if code >= 0), dtype=np.int64)


def predict_candidates(
    requests: Sequence[Request],
    index: Mapping[str, int],
    score_all: Callable[[Sequence[Request]], NDArray[np.floating]],
    batch_size: int = 256,
) -> Iterator[Prediction]:
    """Score the whole catalogue for each batch, then take the candidates.

    score_all: maps b requests to scores [b, n_items] in the order of item codes.
    """
    asked: tuple[str, ...] = ()
    codes = np.empty(0, dtype=np.int64)
    for start in range(0, len(requests), batch_size):
        batch = requests[start : start + batch_size]
        for request, scores in zip(batch, score_all(batch), strict=True):
            if request.candidates is not asked:  # the same tuple comes again under `full`
                asked = request.candidates
                codes = np.fromiter((index[item] for item in asked), dtype=np.int64)
            yield Prediction(request.case_id, scores[codes].tolist())
