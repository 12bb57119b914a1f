"""NDCG on validation cases, by which methods choose when to stop training."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.types import Prediction, ValidationCase


def mean_validation_ndcg(
    predictions: Iterable[Prediction], cases: Sequence[ValidationCase], k: int
) -> float:
    """Return the mean NDCG@k of the frozen candidates of validation cases.

    Ties count by their expectation, and a case without scores counts 0. Lists of candidates may
    have different lengths, and need not hold the target.

    Args:
        predictions: One for each case, in their order.
        cases: At least one case.
        k: Cut-off.

    >>> from benchkit.types import Request
    >>> cases = [
    ...     ValidationCase(Request("a", "u", (), ("i", "j", "k")), "j"),
    ...     ValidationCase(Request("b", "v", (), ("i", "j")), "i"),
    ... ]
    >>> answers = [Prediction("a", [0.1, 0.2, 0.9]), Prediction("b", None, status="refused")]
    >>> round(mean_validation_ndcg(answers, cases, 5), 4)  # (1 / log2(3) + 0) / 2
    0.3155
    """
    lengths = np.array([len(case.request.candidates) for case in cases])
    table = np.full((len(cases), int(lengths.max(initial=1))), -np.inf)
    answered = np.zeros(len(cases), dtype=np.bool_)
    target = np.full(len(cases), -1)
    for row, (case, prediction) in enumerate(zip(cases, predictions, strict=True)):
        candidates = list(case.request.candidates)
        if case.target in candidates:
            target[row] = candidates.index(case.target)
        if prediction.scores is not None:
            answered[row] = True
            table[row, : lengths[row]] = prediction.scores
    ranks = ranks_from_scores(table, target, answered, lengths)
    return float(NDCG(k).values(ranks).mean())
