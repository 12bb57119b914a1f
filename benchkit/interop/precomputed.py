"""Score answers that exist already with the code that scores every run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchkit.evaluation.lookup import find_protocol
from benchkit.evaluation.protocols.base import ProtocolResult
from benchkit.interop.evaluation_task import EvaluationTask
from benchkit.runs.progress import SilentProgress
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView


class PrecomputedRecommender:
    """A recommender that repeats answers that it was constructed with, by case."""

    capabilities: frozenset[Capability] = frozenset({"scores", "samples", "candidates_only"})

    def __init__(self, predictions: Mapping[str, Prediction]) -> None:
        self._predictions = predictions

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Do nothing: there is nothing to learn."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:  # noqa: ARG002
        return (self._predictions[request.case_id] for request in requests)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self.predict(requests, run)


def score_precomputed(
    task: EvaluationTask, answers: Mapping[str, Mapping[str, Prediction]], scratch: Path
) -> list[ProtocolResult]:
    """Return the results that a run with these answers would have.

    Args:
        task: The task that was answered.
        answers: Protocol -> case id -> prediction.
        scratch: Any folder; nothing is written to it.

    Raises:
        MethodError: A prediction is no answer to its case.
    """
    context = RunContext(
        seed=0,
        catalog=task.dataset.catalog,
        scratch=scratch,
        progress=SilentProgress(),
        cache=scratch,
        decoding=task.suite.decoding.model_dump(),
    )
    results: list[ProtocolResult] = []
    for name, predictions in answers.items():
        recommender = PrecomputedRecommender(predictions)
        results += find_protocol(name).evaluate(recommender, task.setup, context)
    return results
