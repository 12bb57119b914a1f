"""How often a model's first candidate is that of the recommender that it is to explain."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from baselines import experts
from benchkit.types import Prediction, Recommender, Request, RunContext

PredictFunction = Callable[[Sequence[Request], RunContext], Iterable[Prediction]]


def expert_agreement(
    predict: PredictFunction, expert: Recommender, requests: Sequence[Request], run: RunContext
) -> float | None:
    """Compute the share of requests in which the top candidate of `predict` is the expert's.

    Of t candidates that tie at the top, each counts 1 / t. None without requests.
    """
    if not requests:
        return None
    hits = 0.0
    rows = experts.expert_scores(expert, requests, run)
    for prediction, expert_row in zip(predict(requests, run), rows, strict=True):
        if prediction.scores is None:
            continue
        scores = np.asarray(prediction.scores)
        top = scores == scores.max()
        hits += float(top[expert_row.argmax()] / top.sum())
    return hits / len(requests)
