"""Answers that exist already, scored by the code that scores every run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchkit import evaluation
from benchkit.evaluation import ProtocolResult
from benchkit.interop.evaluation_task import EvaluationTask
from benchkit.runs.progress import SilentProgress
from benchkit.types import Capability, Prediction, ProtocolName, Request, RunContext, TrainView

_EVALUATE = {"scored": evaluation.evaluate_scored, "sampled": evaluation.evaluate_sampled}


class PrecomputedRecommender:
    """A recommender that gives the answers that it was given, by case."""

    capabilities: frozenset[Capability] = frozenset({"scores", "samples", "candidates_only"})

    def __init__(self, predictions: Mapping[str, Prediction]) -> None:
        self._predictions = predictions

    def fit(self, data: TrainView, run: RunContext) -> None:
        """It has nothing to learn."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:  # noqa: ARG002
        return (self._predictions[request.case_id] for request in requests)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self.predict(requests, run)


def score_precomputed(
    place: EvaluationTask, answers: Mapping[ProtocolName, Mapping[str, Prediction]], scratch: Path
) -> list[ProtocolResult]:
    """What the answers of each protocol (`scored`, `sampled`) are worth, as a run would have it.

    scratch: any folder; nothing is written to it. Raises MethodError for what is no answer.
    """
    context = RunContext(
        seed=0,
        catalog=place.dataset.catalog,
        scratch=scratch,
        progress=SilentProgress(),
        cache=scratch,
        decoding=place.suite.decoding.model_dump(),
    )
    metrics, results = place.metrics, []
    for protocol, predictions in answers.items():
        replay = PrecomputedRecommender(predictions)
        results.append(_EVALUATE[protocol](replay, place.dataset, place.cases, metrics, context))
        if protocol == "scored":
            results += evaluation.score_per_token(results[-1], place.cases, metrics)
    return results
