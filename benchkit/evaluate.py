"""Asking a recommender and scoring its answers: only here do questions and key meet."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit import records
from benchkit.data.dataset import Cases, Dataset
from benchkit.data.splits import TRAIN
from benchkit.errors import MethodError
from benchkit.metrics import ranks as rank
from benchkit.metrics.accuracy import RankMetric
from benchkit.metrics.coverage import coverage
from benchkit.metrics.ranks import Ranks
from benchkit.metrics.serendipity import Serendipity, popular_items
from benchkit.protocols import Prediction, Recommender, Request, RunContext
from benchkit.records import Summary
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.chance import p_value

_ASKED_AT_ONCE = {"scored": 1024, "full": 64}  # bounds memory: `full` asks for the whole catalogue
COVERAGE_AT = 5


@dataclass(frozen=True)
class Result:
    """What one protocol gave. predictions: of the frozen candidates only (None for `full`)."""

    protocol: str
    ranks: Ranks
    metrics: pl.DataFrame
    summary: list[Summary]
    predictions: pl.DataFrame | None


def scored(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> Result:
    """Rank the frozen candidates of every case."""
    predictions = list(_asked(recommender, dataset, cases, run, "scored"))
    answered = np.array([p.scores is not None for p in predictions], dtype=np.bool_)
    blank = (0.0,) * cases.candidates.shape[1]
    scores = np.array([blank if p.scores is None else p.scores for p in predictions])
    ranks = rank.from_scores(scores, cases.target_column, answered)
    table, summary = measured("scored", cases.ids, ranks, metrics)
    k = min(COVERAGE_AT, scores.shape[1])
    share = coverage(cases.candidates, scores, answered, k)
    summary.append(Summary(protocol="scored", metric=f"coverage@{k}", n=len(cases), mean=share))
    return Result("scored", ranks, table, summary, _table(predictions, cases))


def full(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> Result:
    """Rank the whole catalogue without the items of the user's history (the target stays in)."""
    parts = []
    for start in range(0, len(cases), _ASKED_AT_ONCE["full"]):
        some = cases.slice(start, start + _ASKED_AT_ONCE["full"])
        parts.append(_full_ranks(recommender, dataset, some, run))
    ranks = rank.concatenate(parts)
    table, summary = measured("full", cases.ids, ranks, metrics)
    return Result("full", ranks, table, summary, None)


def metrics_of(
    names: Sequence[str], dataset: Dataset, cases: Cases, popular_share: float
) -> list[RankMetric]:
    """The metrics called `names`, with what they must know of the cases."""
    trained = dataset.interactions.item[dataset.part == TRAIN]
    counts = np.bincount(trained, minlength=len(dataset.catalog))
    unpopular = ~popular_items(counts, popular_share)[cases.target]
    return [
        Serendipity(name, unpopular) if name.startswith("serendipity") else RankMetric(name)
        for name in names
    ]


def measured(
    protocol: str, case_ids: Sequence[str], ranks: Ranks, metrics: Sequence[RankMetric]
) -> tuple[pl.DataFrame, list[Summary]]:
    """Per-case values (schema `records.METRICS`) and their means with intervals.

    Cases without a ranking count as misses; `valid` says how many were answered.
    """
    columns = {metric.name: metric.values(ranks) for metric in metrics}
    summary = [_summary(protocol, metric, columns[metric.name], ranks) for metric in metrics]
    columns["valid"] = ranks.answered.astype(np.float64)
    low, high = mean_interval(columns["valid"])
    summary.append(
        Summary(
            protocol=protocol,
            metric="valid",
            n=len(ranks),
            mean=float(columns["valid"].mean()),
            low=low,
            high=high,
        )
    )
    ids = pl.Series("case_id", case_ids, dtype=pl.String)
    tables = [
        pl.DataFrame({"case_id": ids}).with_columns(
            pl.lit(protocol).alias("protocol"),
            pl.lit(name).alias("metric"),
            pl.Series("value", values, dtype=pl.Float64),
        )
        for name, values in columns.items()
    ]
    return pl.concat(tables), summary


def _summary(
    protocol: str, metric: RankMetric, values: NDArray[np.float64], ranks: Ranks
) -> Summary:
    low, high = mean_interval(values)
    mean = float(values.mean())
    weighed = metric.weights(len(values)) > 0  # the other cases cannot gain, whatever is ranked
    share = float(weighed.mean())
    return Summary(
        protocol=protocol,
        metric=metric.name,
        n=len(values),
        mean=mean,
        low=low,
        high=high,
        chance=metric.chance(ranks.of),
        p_chance=p_value(mean / share, metric.gains(int(ranks.of.max())), ranks.of[weighed])
        if share
        else None,
    )


def _full_ranks(recommender: Recommender, dataset: Dataset, cases: Cases, run: RunContext) -> Ranks:
    predictions = list(_asked(recommender, dataset, cases, run, "full"))
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


def _asked(
    recommender: Recommender, dataset: Dataset, cases: Cases, run: RunContext, protocol: str
) -> Iterator[Prediction]:
    size = _ASKED_AT_ONCE[protocol]
    listed = "catalog" if protocol == "full" else "frozen"
    run.progress.start(f"{protocol} cases", len(cases))
    for start in range(0, len(cases), size):
        requests = list(dataset.requests(cases, start, start + size, listed))  # type: ignore[arg-type]
        for prediction in checked(recommender.predict(requests, run), requests):
            yield prediction
            run.progress.advance()


def checked(answers: Iterator[Prediction], requests: Sequence[Request]) -> Iterator[Prediction]:
    """`answers` as they come, or a MethodError at the first that is no answer to its request."""
    given = iter(answers)
    for request in requests:
        prediction = next(given, None)
        if prediction is None:
            raise MethodError(
                f"predict ended before case {request.case_id!r}: fewer predictions than requests",
                "yield one Prediction a request, in order; an unanswerable one has scores=None and"
                " a status that is not 'ok'",
            )
        _check(prediction, request)
        yield prediction
    if next(given, None) is not None:
        raise MethodError("predict gave more predictions than requests", "yield one a request")


def _check(prediction: object, request: Request) -> None:
    where = f"case {request.case_id!r}"
    if not isinstance(prediction, Prediction):
        raise MethodError(
            f"{where}: predict gave a {type(prediction).__name__}", "yield benchkit's Prediction"
        )
    if prediction.case_id != request.case_id:
        raise MethodError(
            f"{where}: predict answered case {prediction.case_id!r} instead",
            "yield predictions in the order of the requests, with the request's case_id",
        )
    if prediction.scores is None:
        if prediction.status == "ok":
            raise MethodError(f"{where}: status 'ok' without scores", "give scores, or the status")
        return
    wanted, got = len(request.candidates), len(prediction.scores)
    if got != wanted:
        raise MethodError(
            f"{where}: {got} scores for {wanted} candidates",
            "give one score a candidate, in the order of request.candidates",
        )
    # A NaN or an infinity makes the sum non-finite: one test a case instead of one a score.
    if math.isfinite(sum(prediction.scores)):
        return
    for item, score in zip(request.candidates, prediction.scores, strict=True):
        if not math.isfinite(score):
            raise MethodError(
                f"{where}: the score of item {item!r} is {score}",
                "every score must be a finite number; did training diverge?",
            )


def _table(predictions: Sequence[Prediction], cases: Cases) -> pl.DataFrame:
    """Schema `records.PREDICTIONS`."""
    return pl.DataFrame(
        {
            "case_id": [p.case_id for p in predictions],
            "status": [p.status for p in predictions],
            "scores": [None if p.scores is None else list(p.scores) for p in predictions],
            "samples": [
                [
                    {"text": s.text, "item": s.item, "rationale": s.rationale, "status": s.status}
                    for s in p.samples
                ]
                for p in predictions
            ],
            "rationale": [p.rationale for p in predictions],
            "usage": [json.dumps(dict(p.usage), sort_keys=True) for p in predictions],
            "history_length": cases.stop - cases.start,
        },
        schema=records.PREDICTIONS,
    )
