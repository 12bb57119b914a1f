"""From item codes and catalogue scores to predictions, for all collaborative filters."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit.types import Prediction, Request

_MANY_SCORES = 1_000


def history_codes(request: Request, index: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the item codes of the history, oldest first, without items unknown in training."""
    codes = (index.get(event.item, -1) for event in request.history)
    return np.fromiter((code for code in codes if code >= 0), dtype=np.int64)


def predict_candidates(
    requests: Sequence[Request],
    index: Mapping[str, int],
    score_all: Callable[[Sequence[Request]], NDArray[np.floating]],
    batch_size: int = 256,
) -> Iterator[Prediction]:
    """Score the whole catalogue for each batch of requests, and select the candidates.

    Args:
        requests: The requests.
        index: Code of each item.
        score_all: Maps b requests to scores [b, n_items] in the order of item codes.
        batch_size: Most requests of a batch.
    """
    candidates: tuple[str, ...] = ()
    codes = np.empty(0, dtype=np.int64)
    for start in range(0, len(requests), batch_size):
        batch = requests[start : start + batch_size]
        for request, scores in zip(batch, score_all(batch), strict=True):
            if request.candidates is not candidates:  # the same tuple comes again under `full`
                candidates = request.candidates
                codes = np.fromiter(map(index.__getitem__, candidates), dtype=np.int64)
            yield Prediction(request.case_id, as_sequence(scores[codes]))


def as_sequence(scores: NDArray[np.floating]) -> Sequence[float]:
    """Return [c] scores as a list or, where there are many, as an `array`.

    A list of a catalogue of 100,000 items takes longer to make, and to make an array of again, than
    all of the evaluation.
    """
    if len(scores) < _MANY_SCORES:
        values: list[float] = scores.tolist()
        return values
    return array("d", scores.astype(np.float64).tobytes())
