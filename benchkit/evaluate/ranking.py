"""The protocols `scored` and `full`: a ranking by scores."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchkit.data.dataset import Cases, Dataset
from benchkit.evaluate import asking
from benchkit.evaluate.measuring import Result, measured
from benchkit.metrics import ranks as rank
from benchkit.metrics.accuracy import RankMetric
from benchkit.metrics.coverage import coverage
from benchkit.metrics.ranks import Ranks
from benchkit.protocols import Recommender, RunContext
from benchkit.records import PER_TOKEN, Summary

COVERAGE_AT = 5


def scored(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> Result:
    """Rank the frozen candidates of every case."""
    predictions = list(asking.scores(recommender, dataset, cases, run, "scored"))
    answered = np.array([p.scores is not None for p in predictions], dtype=np.bool_)
    blank = (0.0,) * cases.candidates.shape[1]
    scores = np.array([blank if p.scores is None else p.scores for p in predictions])
    ranks = rank.from_scores(scores, cases.target_column, answered)
    statuses = [p.status for p in predictions]
    table, summary = measured("scored", cases.ids, ranks, metrics, statuses)
    k = min(COVERAGE_AT, scores.shape[1])
    share = coverage(cases.candidates, scores, answered, k)
    summary.append(Summary(protocol="scored", metric=f"coverage@{k}", n=len(cases), mean=share))
    return Result("scored", table, summary, predictions)


def length_normalised(
    result: Result, cases: Cases, metrics: Sequence[RankMetric]
) -> Iterator[Result]:
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
    ranks = rank.from_scores(scores, cases.target_column, answered)
    statuses = [p.status for p in predictions]
    yield Result(PER_TOKEN, *measured(PER_TOKEN, cases.ids, ranks, metrics, statuses), None)


def full(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> Result:
    """Rank the whole catalogue without the items of the user's history (the target stays in)."""
    size = asking.ASKED_AT_ONCE["full"]
    parts = [
        _full_ranks(recommender, dataset, cases.slice(start, start + size), run)
        for start in range(0, len(cases), size)
    ]
    table, summary = measured("full", cases.ids, rank.concatenate(parts), metrics)
    return Result("full", table, summary, None)


def _full_ranks(recommender: Recommender, dataset: Dataset, cases: Cases, run: RunContext) -> Ranks:
    predictions = list(asking.scores(recommender, dataset, cases, run, "full"))
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
    ranks = rank.from_scores(scores, cases.target, answered)
    return Ranks(ranks.better, ranks.tied, ranks.of - left_out, answered)
