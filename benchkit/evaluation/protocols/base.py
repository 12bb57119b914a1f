"""What an evaluation protocol is: how to ask, how to rank the answers, what to record."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.request_batch import PADDING_ITEM, RequestBatch
from benchkit.errors import ConfigError
from benchkit.evaluation.metrics.base import AnswerFeature, Metric, MetricContext
from benchkit.evaluation.metrics.validity import Valid
from benchkit.evaluation.predict import validate_predictions
from benchkit.evaluation.random_baseline import RandomRanking
from benchkit.evaluation.ranks import ranks_from_scores, top_columns
from benchkit.evaluation.relevant_ranks import relevant_ranks_from_scores
from benchkit.evaluation.scoring import compute_metrics
from benchkit.evaluation.setup import EvaluationSetup
from benchkit.faults import UNKNOWN_CAUSE
from benchkit.runs.records import MetricSummary
from benchkit.types import Capability, Prediction, Recommender, Request, RunContext, Status


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

    def requests(self, dataset: PreparedDataset, cases: Cases) -> Iterable[Request]:
        """Return the questions; override it to ask differently."""
        return dataset.request_batch(cases)

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
        parts = [self.collect(recommender, setup, cases, run) for cases in setup.slices]
        return self.summarize(setup, parts, run)

    def collect(
        self, recommender: Recommender, setup: EvaluationSetup, cases: Cases, run: RunContext
    ) -> Any:
        """Ask some cases; return what `summarize` needs of the answers, by default all of them."""
        batches = self.answer_batches(recommender, setup, cases, run)
        return [prediction for _, batch in batches for prediction in batch]

    def summarize(
        self, setup: EvaluationSetup, parts: Sequence[Any], run: RunContext
    ) -> list[ProtocolResult]:
        """Compute the metrics of what `collect` returned for consecutive slices of the cases."""
        predictions = [prediction for part in parts for prediction in part]
        context = self.context(setup, setup.cases, predictions, run)
        table, summary = compute_metrics(self.name, self.select_metrics(setup), context)
        return [ProtocolResult(self.name, table, summary, predictions, self.record(predictions))]

    def answer_batches(
        self, recommender: Recommender, setup: EvaluationSetup, cases: Cases, run: RunContext
    ) -> Iterator[tuple[Cases, list[Prediction]]]:
        """Yield consecutive batches of the cases with their predictions."""
        tally = setup.tally(self.name)
        if len(setup.slices) == 1:
            run.progress.start(f"{self.name} cases", len(cases))
        for start in range(0, len(cases), self.batch_size):
            batch = cases.slice(start, start + self.batch_size)
            requests = self.requests(setup.dataset, batch)
            if not isinstance(requests, RequestBatch):
                requests = list(requests)
            predictions = []
            for prediction in self.ask(recommender, requests, run):
                predictions.append(prediction)
                fault = _find_fault(prediction)
                if not fault:
                    run.progress.advance()
                    continue
                run.progress.advance(note=f"case {prediction.case_id}: {fault}")  # for the log
                tally.add(fault)
            yield batch, predictions

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


def as_list(scores: Sequence[float]) -> list[float]:
    """Return scores as a list, also those of an array."""
    return scores.tolist() if isinstance(scores, np.ndarray) else list(scores)


def _to_json(prediction: Prediction) -> str:
    return json.dumps(asdict(prediction), default=lambda value: np.asarray(value).tolist())
