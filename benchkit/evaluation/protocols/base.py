"""What an evaluation protocol is: how to ask, how to rank the answers, what to record."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import PADDING_ITEM, Cases, PreparedDataset
from benchkit.errors import ConfigError
from benchkit.evaluation.metrics.base import AnswerFeature, Metric, MetricContext
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.evaluation.metrics.validity import Valid
from benchkit.evaluation.predict import validate_predictions
from benchkit.evaluation.random_baseline import RandomRanking
from benchkit.evaluation.ranks import ranks_from_scores, top_columns
from benchkit.evaluation.relevant_ranks import relevant_ranks_from_scores
from benchkit.evaluation.scoring import compute_metrics
from benchkit.faults import UNKNOWN_CAUSE, FaultTally
from benchkit.runs.records import MetricSummary
from benchkit.types import Capability, Prediction, Recommender, Request, RunContext, Status


@dataclass(frozen=True)
class EvaluationSetup:
    """What every method of a task is asked, and the metrics of its answers."""

    dataset: PreparedDataset
    cases: Cases
    metrics: tuple[Metric, ...]
    popular_share: float
    max_fault_share: float = 1.0
    """Share of the cases that may have faults of the engine; with more, asking ends."""
    faults: dict[str, FaultTally] = field(default_factory=dict)
    """Protocol -> the faults of its answers, as they are given."""

    def __post_init__(self) -> None:
        """Refuse metrics of one relevant item where cases have several.

        Raises:
            ConfigError: Such a metric would count every relevant item but one as an error.
        """
        if self.cases.other_targets is None:
            return
        wrong = [metric.name for metric in self.metrics if isinstance(metric, RankMetric)]
        if wrong:
            raise ConfigError(
                f"dataset {self.dataset.name!r} has cases with several relevant items, and"
                f" {', '.join(wrong)} look at one",
                'use metrics = ["recall@5", "precision@5", "map@5", "graded-ndcg@5"] and'
                ' primary = one of them, or split.cases = "row"',
            )


@dataclass(frozen=True)
class ProtocolResult:
    """The results of one table of a protocol."""

    protocol: str
    """Name of the table (`ProtocolTable.name`)."""
    metrics: pl.DataFrame
    """Schema `records.METRICS_SCHEMA`."""
    summary: list[MetricSummary]
    predictions: list[Prediction] | None = None
    """One a case, where they are recorded."""
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """What is recorded of the predictions: columns of the per-case record."""


@dataclass(frozen=True)
class ProtocolTable:
    """A table that a protocol fills in, and what it is called."""

    name: str
    """In records and file names."""
    caption: str
    """In captions: "frozen candidates, scored"."""
    short_title: str
    """Where there is little room, as on the results page: "Scored"."""
    derived_from: str = ""
    """Table whose answers it ranks again; such a table only has the rows that can be."""


class AnswerToJudge(NamedTuple):
    """The answer to a case that judges look at."""

    item: str | None
    rationale: str | None
    status: Status


class EvaluationProtocol:
    """One way of asking. A suite names it in `protocols`.

    A subclass sets `name` and the texts. As it stands it has the frozen candidates ranked by
    scores; override `requests` to ask something else, `ask` to ask for something else, and
    `context` where that is ranked another way.
    """

    name: str
    """What suites (of a protocol that is not in a file) and records call it."""
    caption: ClassVar[str] = ""
    """What captions say, by default the name: "frozen candidates, scored"."""
    short_title: ClassVar[str] = ""
    """For where there is little room, as on the results page; by default the name."""
    unsupported_note: ClassVar[str] = "Cannot be asked"
    """Begins the note that lists methods without the capability: "Do not sample"."""
    legend: ClassVar[str] = "Ties count by their expectation over all orders."
    """What tables say of how answers become ranks."""
    truncated_legend: ClassVar[str] = "TRUNCATED: share of the answers that were cut off."
    """What the column `truncated` means."""
    needs: ClassVar[frozenset[Capability]] = frozenset({"scores"})
    excludes: ClassVar[frozenset[Capability]] = frozenset()
    provides: ClassVar[frozenset[AnswerFeature]] = frozenset({"ranks", "lists", "relevant"})
    """What metrics can rely on; see `Metric.requires`."""
    batch_size: ClassVar[int] = 1024
    """Cases asked at once; it bounds memory."""
    uses_decoding: ClassVar[bool] = False
    """Whether answers depend on the suite's `[decoding]`."""
    ranks_candidates: ClassVar[bool] = True
    """Whether only the frozen candidates are ranked, as in published tables."""
    answer_noun: ClassVar[str] = ""
    """What an answer consists of ("scores") where files of answers can be imported."""
    judged_answer_title: ClassVar[str] = ""
    """Which of its answers judges look at; empty where none is recorded."""

    def __init__(self, name: str = "") -> None:
        self.name = name or self.name

    @property
    def tables(self) -> tuple[ProtocolTable, ...]:
        """The tables that it fills in."""
        return (ProtocolTable(self.name, self.caption or self.name, self.short_title or self.name),)

    def supports(self, capabilities: Collection[Capability]) -> bool:
        """Return whether a method with these capabilities can be asked."""
        return self.needs <= set(capabilities) and not self.excludes & set(capabilities)

    def requests(self, dataset: PreparedDataset, cases: Cases) -> Iterator[Request]:
        """Yield the questions; override it to ask differently."""
        return dataset.requests(cases)

    def ask(
        self, recommender: Recommender, requests: Sequence[Request], run: RunContext
    ) -> Iterator[Prediction]:
        """Yield one validated prediction a request."""
        return validate_predictions(recommender.predict(requests, run), requests)

    def context(
        self,
        setup: EvaluationSetup,
        cases: Cases,
        predictions: Sequence[Prediction],
        run: RunContext,  # noqa: ARG002
    ) -> MetricContext:
        """Return what metrics look at, from the [n] predictions for `cases`."""
        scores = candidate_scores(cases, [p.scores for p in predictions])
        return self.rank_candidates(setup, cases, predictions, scores)

    def rank_candidates(
        self,
        setup: EvaluationSetup,
        cases: Cases,
        predictions: Sequence[Prediction],
        scores: NDArray[np.float64],
    ) -> MetricContext:
        """Return what metrics look at, with the frozen candidates ranked by `scores` [n, c].

        Columns beyond the end of a list score -inf; see `candidate_scores`.
        """
        answered = np.array([p.scores is not None for p in predictions], dtype=np.bool_)
        metrics = self.select_metrics(setup)
        depth = max((metric.depth for metric in metrics), default=0)
        return MetricContext(
            dataset=setup.dataset,
            cases=cases,
            popular_share=setup.popular_share,
            ranks=ranks_from_scores(scores, cases.target_position, answered, cases.lengths),
            relevant=relevant_ranks_from_scores(
                cases, scores, answered, cases.candidates, cases.lengths
            )
            if self.needs_relevant(setup)
            else None,
            baseline=RandomRanking(),
            statuses=tuple((p.status,) for p in predictions),
            top_items=top_columns(scores, answered, depth, labels=cases.candidates),
            candidates=cases.candidates,
        )

    def standard_metrics(self, setup: EvaluationSetup) -> tuple[Metric, ...]:  # noqa: ARG002
        """Return the metrics that are computed even if the suite does not name them."""
        return (Valid(),)

    def evaluate(
        self, recommender: Recommender, setup: EvaluationSetup, run: RunContext
    ) -> list[ProtocolResult]:
        """Ask every case, and compute the metrics; one result a table that has any."""
        batches = self.answer_batches(recommender, setup, run)
        predictions = [prediction for _, batch in batches for prediction in batch]
        context = self.context(setup, setup.cases, predictions, run)
        table, summary = compute_metrics(self.name, self.select_metrics(setup), context)
        return [ProtocolResult(self.name, table, summary, predictions, self.record(predictions))]

    def answer_batches(
        self, recommender: Recommender, setup: EvaluationSetup, run: RunContext
    ) -> Iterator[tuple[Cases, list[Prediction]]]:
        """Yield consecutive slices of the cases with their predictions."""
        n = len(setup.cases)
        tally = setup.faults[self.name] = FaultTally(n, setup.max_fault_share)
        run.progress.start(f"{self.name} cases", n)
        for start in range(0, n, self.batch_size):
            cases = setup.cases.slice(start, start + self.batch_size)
            requests = list(self.requests(setup.dataset, cases))
            predictions = []
            for prediction in self.ask(recommender, requests, run):
                predictions.append(prediction)
                fault = _find_fault(prediction)
                if not fault:
                    run.progress.advance()
                    continue
                run.progress.advance(note=f"case {prediction.case_id}: {fault}")  # for the log
                tally.add(fault)
            yield cases, predictions

    def select_metrics(self, setup: EvaluationSetup) -> list[Metric]:
        """Return the suite's metrics that are defined here, then the standard ones."""
        named = {m.name: m for m in (*setup.metrics, *self.standard_metrics(setup))}
        return [metric for metric in named.values() if metric.requires <= self.provides]

    def needs_relevant(self, setup: EvaluationSetup) -> bool:
        """Return whether a metric looks at all relevant items of a case."""
        return any("relevant" in metric.requires for metric in self.select_metrics(setup))

    def record(self, predictions: Sequence[Prediction]) -> dict[str, Sequence[Any]]:
        """Return the columns that are recorded: by default one, with each answer as JSON."""
        return {f"{self.name}_answer": [_to_json(prediction) for prediction in predictions]}

    @property
    def rationale_to_judge(self) -> pl.Expr:
        """Where a record has the rationale that judges look at."""
        return pl.lit(None, dtype=pl.String)

    def restore(self, row: Mapping[str, Any]) -> Prediction:  # noqa: ARG002
        """Return the prediction of a recorded row, where answers can be imported."""
        raise self._missing("imported", "restore and has_answer")

    def has_answer(self, prediction: Prediction) -> bool:  # noqa: ARG002
        """Return whether an imported prediction answers under this protocol."""
        raise self._missing("imported", "restore and has_answer")

    def answer_to_judge(
        self,
        row: Mapping[str, Any],  # noqa: ARG002
        request: Request,  # noqa: ARG002
    ) -> AnswerToJudge:
        """Return what judges look at, of a recorded row."""
        raise self._missing("judged", "answer_to_judge and rationale_to_judge")

    def _missing(self, what: str, methods: str) -> ConfigError:
        """Return the error for an ability that a protocol need not have."""
        return ConfigError(
            f"answers of the protocol {self.name!r} cannot be {what}",
            f"choose another protocol, or override {methods} in {type(self).__name__}",
        )


def _find_fault(prediction: Prediction) -> str:
    """Return why a prediction cannot be read, '' if it can.

    Answers that were cut off before their first letter count, too. They stay `truncated` and are
    kept, as the same request would bring the same again, but nothing of what the model would say is
    known: more than a few of them measure the budget, not the model.
    """
    statuses = {prediction.status, *(sample.status for sample in prediction.samples)}
    if "error" in statuses:
        return prediction.fault or UNKNOWN_CAUSE
    return prediction.fault if "truncated" in statuses else ""


def candidate_scores(
    cases: Cases, answers: Sequence[Sequence[float] | None]
) -> NDArray[np.float64]:
    """Return [n, c] the scores of the candidates: 0 where there is no answer, -inf where a list has
    ended."""
    table = np.where(cases.candidates == PADDING_ITEM, -np.inf, 0.0)
    for row, (scores, length) in enumerate(zip(answers, cases.lengths.tolist(), strict=True)):
        if scores is not None:
            table[row, :length] = scores
    return table


def _to_json(prediction: Prediction) -> str:
    return json.dumps(asdict(prediction), default=lambda value: np.asarray(value).tolist())
