"""The protocols `scored` and `full`: a ranking by scores."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchkit.data.dataset import Cases, Dataset
from benchkit.evaluation import predict
from benchkit.evaluation import ranks as rank
from benchkit.evaluation.metrics.list_level import coverage
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.evaluation.ranks import Ranks
from benchkit.evaluation.scoring import ProtocolResult, score_ranks
from benchkit.runs.records import PER_TOKEN, MetricSummary
from benchkit.types import Recommender, RunContext

COVERAGE_CUTOFF = 5


def evaluate_scored(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> ProtocolResult:
    """Rank the frozen candidates of every case."""
    predictions = list(predict.predict_scores(recommender, dataset, cases, run, "scored"))
    answered = np.array([p.scores is not None for p in predictions], dtype=np.bool_)
    blank = (0.0,) * cases.candidates.shape[1]
    scores = np.array([blank if p.scores is None else p.scores for p in predictions])
    ranks = rank.ranks_from_scores(scores, cases.target_position, answered)
    statuses = [p.status for p in predictions]
    table, summary = score_ranks("scored", cases.ids, ranks, metrics, statuses)
    k = min(COVERAGE_CUTOFF, scores.shape[1])
    share = coverage(cases.candidates, scores, answered, k)
    summary.append(
        MetricSummary(protocol="scored", metric=f"coverage@{k}", n=len(cases), mean=share)
    )
    return ProtocolResult("scored", table, summary, predictions)


def score_per_token(
    result: ProtocolResult, cases: Cases, metrics: Sequence[RankMetric]
) -> Iterator[ProtocolResult]:
    """The result of `scored` again, ranked by mean instead of sum, where lengths are given.

    A sum of log-probabilities favours short titles, a mean long and predictable ones; both are
    shown. Nothing is asked again.
    """
    predictions = result.predictions or []
    if not any(p.lengths is not None for p in predictions):
        return
    blank = np.zeros(cases.candidates.shape[1])
    answered = np.array([p.scores is not None for p in predictions], dtype=np.bool_)
    scores = np.array(
        [
            blank if p.scores is None else np.asarray(p.scores) / (p.lengths or 1)
            for p in predictions
        ]
    )
    ranks = rank.ranks_from_scores(scores, cases.target_position, answered)
    statuses = [p.status for p in predictions]
    yield ProtocolResult(
        PER_TOKEN, *score_ranks(PER_TOKEN, cases.ids, ranks, metrics, statuses), None
    )


def evaluate_full(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> ProtocolResult:
    """Rank the whole catalogue without the items of the user's history (the target stays in)."""
    size = predict.BATCH_SIZES["full"]
    parts = [
        _full_ranks(recommender, dataset, cases.slice(start, start + size), run)
        for start in range(0, len(cases), size)
    ]
    table, summary = score_ranks("full", cases.ids, rank.concatenate_ranks(parts), metrics)
    return ProtocolResult("full", table, summary, None)


def _full_ranks(recommender: Recommender, dataset: Dataset, cases: Cases, run: RunContext) -> Ranks:
    predictions = list(predict.predict_scores(recommender, dataset, cases, run, "full"))
    answered = np.array([p.scores is not None for p in predictions], dtype=np.bool_)
    blank = np.zeros(len(dataset.catalog))
    scores = np.array(
        [blank if p.scores is None else p.scores for p in predictions], dtype=np.float64
    )
    left_out = np.zeros(len(cases), dtype=np.int64)
    for row, (start, stop) in enumerate(zip(cases.start, cases.stop, strict=True)):
        seen = np.unique(dataset.interactions.item[start:stop])
        seen = seen[seen != cases.target[row]]  # a repeated target is still the answer
        scores[row, seen] = -np.inf
        left_out[row] = len(seen)
    ranks = rank.ranks_from_scores(scores, cases.target, answered)
    return Ranks(ranks.n_better, ranks.n_tied, ranks.n_candidates - left_out, answered)
