"""The protocol `scored`: the frozen candidates of a case, ranked by scores."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from benchkit.evaluation.metrics.base import Metric
from benchkit.evaluation.metrics.list_level import Coverage
from benchkit.evaluation.metrics.validity import Refused, Truncated, Valid
from benchkit.evaluation.protocols.base import (
    AnswerToJudge,
    EvaluationProtocol,
    ProtocolResult,
    ProtocolTable,
    as_list,
    candidate_scores,
)
from benchkit.evaluation.scoring import compute_metrics
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.types import Prediction, Request, RunContext

_COVERAGE_CUTOFF = 5


class Scored(EvaluationProtocol):
    """Ranks the frozen candidates by the scores that `Recommender.predict` gives.

    Where a method gives token counts, a second table ranks by the mean score of a token: a sum of
    log-probabilities favours short titles, a mean long and predictable ones. Nothing is asked
    again.
    """

    name = "scored"
    caption = "frozen candidates, scored"
    short_title = "Scored"
    unsupported_note = "Give no scores"
    truncated_legend = (
        "TRUNCATED: share of the cases whose rationale was cut off; candidates are scored"
        " after what there is of it."
    )
    answer_noun = "scores"
    judged_answer_title = "the item ranked first"
    per_token = ProtocolTable(
        name="scored-mean",
        caption="frozen candidates, scored by the mean log-probability of a token",
        short_title="Scored per token",
        derived_from=name,
    )

    @property
    def tables(self) -> tuple[ProtocolTable, ...]:
        return (*super().tables, self.per_token)

    def standard_metrics(self, setup: EvaluationSetup) -> tuple[Metric, ...]:
        n_candidates = setup.cases.candidates.shape[1]
        coverage = Coverage(min(_COVERAGE_CUTOFF, n_candidates))
        return (Valid(), Truncated(), Refused(), coverage)

    def summarize(
        self, setup: EvaluationSetup, parts: Sequence[Any], run: RunContext
    ) -> list[ProtocolResult]:
        (result,) = super().summarize(setup, parts, run)
        predictions = result.predictions or []
        if not any(p.lengths is not None for p in predictions):
            return [result]
        means = candidate_scores(
            setup.cases,
            [
                None if p.scores is None else (np.asarray(p.scores) / (p.lengths or 1)).tolist()
                for p in predictions
            ],
        )
        context = self.rank_candidates(setup, setup.cases, predictions, means)
        named = {m.name for m in setup.metrics}
        metrics = [
            metric
            for metric in self.select_metrics(setup)
            if metric.name in named or not isinstance(metric, Coverage)
        ]
        per_token = compute_metrics(self.per_token.name, metrics, context)
        return [result, ProtocolResult(self.per_token.name, *per_token)]

    def record(self, predictions: Sequence[Prediction]) -> dict[str, Sequence[Any]]:
        return {
            "status": [p.status for p in predictions],
            "scores": [None if p.scores is None else as_list(p.scores) for p in predictions],
            "lengths": [None if p.lengths is None else list(p.lengths) for p in predictions],
            "rationale": [p.rationale for p in predictions],
        }

    def restore(self, row: Mapping[str, Any]) -> Prediction:
        return Prediction(
            row["case_id"],
            row["scores"],
            rationale=row["rationale"],
            status=row["status"],
            usage=row["usage"].get(self.name, {}),
            lengths=row["lengths"],
            partial=-math.inf in (row["scores"] or ()),
        )

    def has_answer(self, prediction: Prediction) -> bool:
        return prediction.scores is not None

    @property
    def rationale_to_judge(self) -> pl.Expr:
        return pl.col("rationale")

    def answer_to_judge(self, row: Mapping[str, Any], request: Request) -> AnswerToJudge:
        if not row["scores"]:
            return AnswerToJudge(None, None, row["status"] or "ok")
        item = request.candidates[int(np.argmax(row["scores"]))]
        return AnswerToJudge(item, row["rationale"], row["status"])
