"""The protocol `full`: the whole catalogue, ranked by scores."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.evaluation.metrics.base import MetricContext
from benchkit.evaluation.protocols.base import EvaluationProtocol, ProtocolResult
from benchkit.evaluation.random_baseline import RandomRanking
from benchkit.evaluation.ranks import Ranks, concatenate_ranks, ranks_from_scores, top_columns
from benchkit.evaluation.relevant_ranks import (
    concatenate_relevant_ranks,
    relevant_ranks_from_scores,
)
from benchkit.evaluation.scoring import compute_metrics
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.types import Prediction, Recommender, Request, RunContext


class Full(EvaluationProtocol):
    """Ranks the whole catalogue without the items of the user's history (the target stays in).

    Scores are not recorded: there are too many.
    """

    name = "full"
    caption = "whole catalogue, scored"
    short_title = "Whole catalogue"
    unsupported_note = "Do not rank the whole catalogue"
    excludes = frozenset({"candidates_only"})
    batch_size = 64
    ranks_candidates = False

    def requests(self, dataset: PreparedDataset, cases: Cases) -> Iterable[Request]:
        return dataset.request_batch(cases, candidates="catalog")

    def collect(
        self, recommender: Recommender, setup: EvaluationSetup, cases: Cases, run: RunContext
    ) -> list[MetricContext]:
        """Keep ranks and top items of each batch only: all scores would not fit into memory."""
        return [
            self.context(setup, batch, predictions, run)
            for batch, predictions in self.answer_batches(recommender, setup, cases, run)
        ]

    def summarize(
        self,
        setup: EvaluationSetup,
        parts: Sequence[list[MetricContext]],
        run: RunContext,  # noqa: ARG002
    ) -> list[ProtocolResult]:
        contexts = [context for part in parts for context in part]
        context = MetricContext(
            dataset=setup.dataset,
            cases=setup.cases,
            popular_share=setup.popular_share,
            ranks=concatenate_ranks([part.ranks for part in contexts]),
            relevant=concatenate_relevant_ranks(
                [part.relevant for part in contexts if part.relevant is not None]
            )
            if self.needs_relevant(setup)
            else None,
            baseline=RandomRanking(),
            statuses=tuple(status for part in contexts for status in part.statuses),
            top_items=np.concatenate([part.top_items for part in contexts]),
            candidates=None,
        )
        metrics = self.select_metrics(setup)
        return [ProtocolResult(self.name, *compute_metrics(self.name, metrics, context))]

    def context(
        self,
        setup: EvaluationSetup,
        cases: Cases,
        predictions: Sequence[Prediction],
        run: RunContext,  # noqa: ARG002
    ) -> MetricContext:
        answered = np.array([p.scores is not None for p in predictions], dtype=np.bool_)
        blank = np.zeros(len(setup.dataset.catalog))
        scores = np.array(
            [blank if p.scores is None else p.scores for p in predictions], dtype=np.float64
        )
        relevant = cases.relevant
        n_excluded = np.zeros(len(cases), dtype=np.int64)
        for row, (start, stop) in enumerate(zip(cases.start, cases.stop, strict=True)):
            history = np.unique(setup.dataset.interactions.item[start:stop])
            history = history[~np.isin(history, relevant[row])]  # repeated, they still are answers
            scores[row, history] = -np.inf
            n_excluded[row] = len(history)
        ranks = ranks_from_scores(scores, cases.target, answered)
        n_ranked = ranks.n_candidates - n_excluded
        return MetricContext(
            dataset=setup.dataset,
            cases=cases,
            popular_share=setup.popular_share,
            ranks=Ranks(ranks.n_better, ranks.n_tied, n_ranked, answered),
            relevant=relevant_ranks_from_scores(cases, scores, answered, None, n_ranked)
            if self.needs_relevant(setup)
            else None,
            baseline=RandomRanking(),
            statuses=tuple((p.status,) for p in predictions),
            top_items=top_columns(
                scores, answered, max((metric.depth for metric in setup.metrics), default=0)
            ),
            candidates=None,
        )

    def record(self, predictions: Sequence[Prediction]) -> dict[str, Sequence[Any]]:  # noqa: ARG002
        return {}
