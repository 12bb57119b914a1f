"""The protocol `sampled`: n generated answers a case become a list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, Dataset
from benchkit.errors import MethodError
from benchkit.evaluation import predict, random_baseline
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.evaluation.metrics.validity import validity
from benchkit.evaluation.ranks import Ranks, rank_by_frequency, ranks_from_lists
from benchkit.evaluation.scoring import ProtocolResult, mean_summary, metrics_table
from benchkit.runs.records import MetricSummary
from benchkit.stats.chance_test import rank_distribution_p_value
from benchkit.types import Prediction, Recommender, RunContext, Sample, Sampler


@dataclass(frozen=True)
class SampledAnswers:
    """The answers of N cases, n each, in draw order.

    items: what each answer names, None for an invalid one. statuses: of each answer; a case that
    could not be asked counts as n answers with its status.
    """

    items: tuple[tuple[str | None, ...], ...]
    statuses: tuple[tuple[str, ...], ...]


def collect_samples(predictions: Sequence[Prediction], n: int) -> SampledAnswers:
    """What checked predictions hold. An answer is valid if its status is "ok"."""
    return SampledAnswers(
        tuple(
            tuple(s.item if s.status == "ok" else None for s in p.samples) or (None,) * n
            for p in predictions
        ),
        tuple(tuple(s.status for s in p.samples) or (p.status,) * n for p in predictions),
    )


def rank_targets(
    answers: SampledAnswers, targets: Sequence[str], of: NDArray[np.int64], first_only: bool
) -> Ranks:
    """Where the targets stand: in the first answer alone, or in the list of all n.

    targets: [N] item ids. of: [N] number of candidates.
    """
    lists = [rank_by_frequency(items[:1] if first_only else items) for items in answers.items]
    return ranks_from_lists(lists, targets, of)


def evaluate_sampled(
    recommender: Recommender,
    dataset: Dataset,
    cases: Cases,
    metrics: Sequence[RankMetric],
    run: RunContext,
) -> ProtocolResult:
    """Draw `run.decoding["n"]` answers a case and judge the first and the list that they make."""
    if not isinstance(recommender, Sampler):
        raise MethodError(
            "it declares the capability 'samples', but has no method sample",
            "write sample(requests, run), or leave the capability out",
        )
    n = int(run.decoding["n"])
    predictions = list(predict.draw_samples(recommender, dataset, cases, run))
    answers = collect_samples(predictions, n)
    targets = [dataset.catalog.ids[code] for code in cases.target]
    of = np.full(len(cases), cases.candidates.shape[1], dtype=np.int64)
    columns = _case_values(answers, targets, of, metrics)
    by_chance = {metric.name: metric for metric in metrics}
    summary = [
        _summary_with_chance(by_chance[name], values, answers, of, n)
        if name in by_chance
        else mean_summary("sampled", name, values)
        for name, values in columns.items()
    ]
    return ProtocolResult(
        "sampled", metrics_table("sampled", cases.ids, columns), summary, predictions
    )


def recompute_values(
    predictions: pl.DataFrame, metrics: Sequence[RankMetric], n: int
) -> dict[str, NDArray[np.float64]]:
    """Per-case values by name, from the record of a run (schema `records.PREDICTIONS`) alone.

    metrics: without those that must know more of a case than its target.
    """
    rows = predictions.select("case_id", "samples", "sampled_status").iter_rows()
    answers = collect_samples(
        [
            Prediction(case, None, tuple(Sample(**s) for s in samples), status=status)
            for case, samples, status in rows
        ],
        n,
    )
    of = np.full(len(predictions), n, dtype=np.int64)  # no list is longer
    return _case_values(answers, predictions["target"].to_list(), of, metrics)


def _case_values(
    answers: SampledAnswers,
    targets: Sequence[str],
    of: NDArray[np.int64],
    metrics: Sequence[RankMetric],
) -> dict[str, NDArray[np.float64]]:
    ranks = {only: rank_targets(answers, targets, of, only) for only in (True, False)}
    return {
        **{metric.name: metric.values(ranks[metric.first_only]) for metric in metrics},
        **validity(answers.items, answers.statuses),
    }


def _summary_with_chance(
    metric: RankMetric,
    values: NDArray[np.float64],
    answers: SampledAnswers,
    of: NDArray[np.int64],
    n: int,
) -> MetricSummary:
    """Mean, interval, the value of n uniform draws, and p of not being above it."""
    law = random_baseline.single_draw if metric.first_only else random_baseline.independent_draws(n)
    weighed = metric.weights(len(values)) > 0  # the other cases cannot gain, whatever is drawn
    p = None
    if weighed.any():
        null = random_baseline.mean_distribution(of[weighed], law)
        if not metric.first_only:
            # Whoever repeats itself less than uniform draws do lists more and hits more often
            # without knowing anything: the null is the larger of chance and of its own lengths.
            lengths = np.array([len(set(items) - {None}) for items in answers.items])
            own = random_baseline.fixed_lengths(lengths[weighed], of[weighed], len(null))
            null = np.maximum(null, own)
        mean = float(values.mean() / weighed.mean())
        gains = metric.gains(int(of.max()))
        p = rank_distribution_p_value(mean, gains, null, int(weighed.sum()), metric.unlisted_gain)
    return mean_summary("sampled", metric.name, values).model_copy(
        update={"chance": metric.chance_level(of, law), "p_chance": p}
    )
