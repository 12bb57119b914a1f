"""The protocol `sampled`: n generated answers a case become a list."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import Cases
from benchkit.evaluation.metrics import validity
from benchkit.evaluation.metrics.base import Metric, MetricContext
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.evaluation.metrics.validity import Refused, Truncated, Unique, Valid
from benchkit.evaluation.predict import as_sampler, validate_samples
from benchkit.evaluation.protocols.base import AnswerToJudge, EvaluationProtocol
from benchkit.evaluation.random_baseline import RandomDraws
from benchkit.evaluation.ranks import Ranks, rank_by_frequency, ranks_from_lists
from benchkit.evaluation.relevant_ranks import relevant_ranks_from_lists
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.types import Prediction, Recommender, Request, RunContext, Sample, Status


class Sampled(EvaluationProtocol):
    """Draws `run.decoding["n"]` answers a case: the first, and the list that all of them make."""

    name = "sampled"
    caption = "sampled answers"
    short_title = "Sampled"
    unsupported_note = "Do not sample"
    legend = (
        "Metrics of the first place judge the first answer; the others the distinct valid"
        " answers, the most frequent first. VALID: share of the answers that name a candidate;"
        " UNIQUE: how many candidates a case's answers name. Chance: as many uniform draws."
    )
    truncated_legend = (
        "TRUNCATED: share of the answers that were cut off before they named an item."
    )
    needs = frozenset({"samples"})
    provides = frozenset({"ranks", "lists", "samples", "relevant"})
    uses_decoding = True
    answer_noun = "samples"
    judged_answer_title = "the first sampled answer"

    def ask(
        self, recommender: Recommender, requests: Sequence[Request], run: RunContext
    ) -> Iterator[Prediction]:
        answers = as_sampler(recommender).sample(requests, run)
        return validate_samples(answers, requests, int(run.decoding["n"]))

    def context(
        self,
        setup: EvaluationSetup,
        cases: Cases,
        predictions: Sequence[Prediction],
        run: RunContext,
    ) -> MetricContext:
        n = int(run.decoding["n"])
        answers = collect_samples(predictions, n)
        targets = [setup.dataset.catalog.ids[code] for code in cases.target]
        n_candidates = cases.lengths
        lists = answers.lists()
        lengths = np.array([len(items) for items in lists], dtype=np.int64)
        codes = [[setup.dataset.catalog.index[item] for item in items] for items in lists]
        top = np.full((len(cases), n), -1, dtype=np.int32)  # no list is longer
        for row, items in enumerate(codes):
            top[row, : len(items)] = items
        return MetricContext(
            dataset=setup.dataset,
            cases=cases,
            popular_share=setup.popular_share,
            ranks=ranks_from_lists(lists, targets, n_candidates),
            relevant=relevant_ranks_from_lists(cases, codes, n_candidates)
            if self.needs_relevant(setup)
            else None,
            first_ranks=ranks_from_lists(answers.lists(1), targets, n_candidates),
            baseline=RandomDraws(n, lengths),
            statuses=answers.statuses,
            top_items=top,
            candidates=cases.candidates,
            list_lengths=lengths,
            sampled_items=answers.items,
        )

    def standard_metrics(self, setup: EvaluationSetup) -> tuple[Metric, ...]:  # noqa: ARG002
        return (Valid(), Unique(), Truncated(), Refused())

    def record(self, predictions: Sequence[Prediction]) -> dict[str, Sequence[Any]]:
        return {
            "samples": [[asdict(sample) for sample in p.samples] for p in predictions],
            "sampled_status": [p.status for p in predictions],
        }

    def restore(self, row: Mapping[str, Any]) -> Prediction:
        samples = tuple(Sample(**sample) for sample in row["samples"] or ())
        usage = row["usage"].get(self.name, {})
        return Prediction(row["case_id"], None, samples, status=row["sampled_status"], usage=usage)

    def has_answer(self, prediction: Prediction) -> bool:
        return bool(prediction.samples)

    @property
    def rationale_to_judge(self) -> pl.Expr:
        return pl.col("samples").list.first().struct.field("rationale")

    def answer_to_judge(self, row: Mapping[str, Any], request: Request) -> AnswerToJudge:  # noqa: ARG002
        """Return the first sample, as a user would get it."""
        if not row["samples"]:
            status: Status = row.get("sampled_status") or "ok"  # not in the oldest records
            return AnswerToJudge(None, None, status)
        first = row["samples"][0]
        item = first["item"] if first["status"] == "ok" else None
        return AnswerToJudge(item, first["rationale"], first["status"])


@dataclass(frozen=True)
class SampledAnswers:
    """The answers of N cases, n each, in draw order."""

    items: tuple[tuple[str | None, ...], ...]
    """What each answer names; None for an invalid one."""
    statuses: tuple[tuple[Status, ...], ...]
    """Of each answer; a case that could not be asked counts as n answers with its status."""

    def lists(self, first: int | None = None) -> list[list[str]]:
        """Return [N] the list that the answers of each case make, or the first so many of them."""
        return [rank_by_frequency(items[:first]) for items in self.items]


def collect_samples(predictions: Iterable[Prediction], n: int) -> SampledAnswers:
    """Return what validated predictions hold. An answer is valid if its status is "ok"."""
    items, statuses = [], []
    for prediction in predictions:
        samples = prediction.samples
        named = tuple(s.item if s.status == "ok" else None for s in samples)
        items.append(named or (None,) * n)
        statuses.append(tuple(s.status for s in samples) or (prediction.status,) * n)
    return SampledAnswers(tuple(items), tuple(statuses))


def recompute_values(
    predictions: pl.DataFrame, metrics: Sequence[RankMetric], n: int
) -> dict[str, NDArray[np.float64]]:
    """Return per-case values by name, from the record of a run alone.

    Args:
        predictions: Schema `records.PREDICTIONS_SCHEMA`.
        metrics: Those that need no more of a case than its target.
        n: Samples a case.
    """
    rows = predictions.select("case_id", "samples", "sampled_status").iter_rows()
    answers = collect_samples(
        (
            Prediction(case, None, tuple(Sample(**s) for s in samples), status=status)
            for case, samples, status in rows
        ),
        n,
    )
    targets = predictions["target"].to_list()
    bound = np.full(len(predictions), n, dtype=np.int64)  # no list is longer
    ranks: dict[bool, Ranks] = {
        True: ranks_from_lists(answers.lists(1), targets, bound),
        False: ranks_from_lists(answers.lists(), targets, bound),
    }
    return {
        **{metric.name: metric.values(ranks[metric.first_only]) for metric in metrics},
        Valid.kind: validity.valid_shares(answers.items),
        Unique.kind: validity.distinct_counts(answers.items),
        Truncated.kind: validity.status_shares(answers.statuses, Truncated.kind),
        Refused.kind: validity.status_shares(answers.statuses, Refused.kind),
    }
