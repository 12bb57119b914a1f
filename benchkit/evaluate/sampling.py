"""The protocol `sampled`: n generated answers a case become a list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, Dataset
from benchkit.errors import MethodError
from benchkit.evaluate import asking
from benchkit.evaluate.measuring import Result, case_table, described
from benchkit.metrics import chance
from benchkit.metrics.accuracy import RankMetric
from benchkit.metrics.ranks import Ranks, from_lists, ordered
from benchkit.metrics.validity import validity
from benchkit.protocols import Prediction, Recommender, RunContext, Sample, Sampler
from benchkit.records import Summary
from benchkit.stats.chance import p_value_under


@dataclass(frozen=True)
class Drawn:
    """The answers of N cases, n each, in draw order.

    items: what each answer names, None for an invalid one. statuses: of each answer; a case that
    could not be asked counts as n answers with its status.
    """

    items: tuple[tuple[str | None, ...], ...]
    statuses: tuple[tuple[str, ...], ...]


def drawn(predictions: Sequence[Prediction], n: int) -> Drawn:
    """What checked predictions hold. An answer is valid if its status is "ok"."""
    return Drawn(
        tuple(
            tuple(s.item if s.status == "ok" else None for s in p.samples) or (None,) * n
            for p in predictions
        ),
        tuple(tuple(s.status for s in p.samples) or (p.status,) * n for p in predictions),
    )


def places(
    answers: Drawn, targets: Sequence[str], of: NDArray[np.int64], first_only: bool
) -> Ranks:
    """Where the targets stand: in the first answer alone, or in the list of all n.

    targets: [N] item ids. of: [N] number of candidates.
    """
    lists = [ordered(items[:1] if first_only else items) for items in answers.items]
    return from_lists(lists, targets, of)


def sampled(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> Result:
    """Draw `run.decoding["n"]` answers a case and judge the first and the list that they make."""
    if not isinstance(recommender, Sampler):
        raise MethodError(
            "it declares the capability 'samples', but has no method sample",
            "write sample(requests, run), or leave the capability out",
        )
    n = int(run.decoding["n"])
    predictions = list(asking.samples(recommender, dataset, cases, run))
    answers = drawn(predictions, n)
    targets = [dataset.catalog.ids[code] for code in cases.target]
    of = np.full(len(cases), cases.candidates.shape[1], dtype=np.int64)
    columns = _values(answers, targets, of, metrics)
    by_chance = {metric.name: metric for metric in metrics}
    summary = [
        _above_chance(by_chance[name], values, answers, of, n)
        if name in by_chance
        else described("sampled", name, values)
        for name, values in columns.items()
    ]
    return Result("sampled", case_table("sampled", cases.ids, columns), summary, predictions)


def values_again(
    predictions: pl.DataFrame, metrics: Sequence[RankMetric], n: int
) -> dict[str, NDArray[np.float64]]:
    """Per-case values by name, from the record of a run (schema `records.PREDICTIONS`) alone.

    metrics: without those that must know more of a case than its target.
    """
    rows = predictions.select("case_id", "samples", "sampled_status").iter_rows()
    answers = drawn(
        [
            Prediction(case, None, tuple(Sample(**s) for s in samples), status=status)
            for case, samples, status in rows
        ],
        n,
    )
    of = np.full(len(predictions), n, dtype=np.int64)  # no list is longer
    return _values(answers, predictions["target"].to_list(), of, metrics)


def _values(
    answers: Drawn, targets: Sequence[str], of: NDArray[np.int64], metrics: Sequence[RankMetric]
) -> dict[str, NDArray[np.float64]]:
    ranks = {only: places(answers, targets, of, only) for only in (True, False)}
    return {
        **{metric.name: metric.values(ranks[metric.first_only]) for metric in metrics},
        **validity(answers.items, answers.statuses),
    }


def _above_chance(
    metric: RankMetric,
    values: NDArray[np.float64],
    answers: Drawn,
    of: NDArray[np.int64],
    n: int,
) -> Summary:
    """Mean, interval, the value of n uniform draws, and p of not being above it."""
    law = chance.first_draw if metric.first_only else chance.draws(n)
    weighed = metric.weights(len(values)) > 0  # the other cases cannot gain, whatever is drawn
    p = None
    if weighed.any():
        null = chance.mean_law(of[weighed], law)
        if not metric.first_only:
            # Whoever repeats itself less than uniform draws do lists more and hits more often
            # without knowing anything: the null is the larger of chance and of its own lengths.
            lengths = np.array([len(set(items) - {None}) for items in answers.items])
            own = chance.of_lengths(lengths[weighed], of[weighed], len(null))
            null = np.maximum(null, own)
        mean = float(values.mean() / weighed.mean())
        gains = metric.gains(int(of.max()))
        p = p_value_under(mean, gains, null, int(weighed.sum()), metric.unlisted)
    return described("sampled", metric.name, values).model_copy(
        update={"chance": metric.chance(of, law), "p_chance": p}
    )
