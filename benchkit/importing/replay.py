"""Answers that exist already, scored by the code that scores every run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchkit import evaluate
from benchkit.evaluate import Result
from benchkit.importing.place import Place
from benchkit.log import SilentProgress
from benchkit.protocols import (
    Capability,
    Prediction,
    ProtocolName,
    Request,
    RunContext,
    TrainView,
)

_ASK = {"scored": evaluate.scored, "sampled": evaluate.sampled}


class Replay:
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


def measured(
    place: Place, answers: Mapping[ProtocolName, Mapping[str, Prediction]], scratch: Path
) -> list[Result]:
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
        replay = Replay(predictions)
        results.append(_ASK[protocol](replay, place.dataset, place.cases, metrics, context))
        if protocol == "scored":
            results += evaluate.length_normalised(results[-1], place.cases, metrics)
    return results
