"""A language model that gives its reasons, and a score predictor that ranks after them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from baselines.preference.score_predictor import ScorePredictor
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.types import Completion, Decoding
from benchkit.types import Catalog, Prediction, Request, RunContext, Sample, Status


@dataclass(frozen=True)
class RationaleRanker(LMPredictor):
    """Writes one rationale a request, and ranks the candidates by the predictor after it."""

    score_predictor: ScorePredictor | None = None

    def sample_rationales(
        self, requests: Sequence[Request], catalog: Catalog, decoding: Decoding
    ) -> Iterator[tuple[Completion, ...]]:
        """`decoding.n` rationales of each request."""
        ends = {"max_tokens": self.rationale_tokens, "stop": (self.response_format.end_rationale,)}
        prompts = [self._prompt(request, catalog) for request in requests]
        return self._reasons(prompts, decoding.model_copy(update=ends))

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        predictor = self._ready(run.catalog)
        greedy = self.sample_rationales(requests, run.catalog, Decoding())
        for request, (reason,) in zip(requests, greedy, strict=True):
            scores = _after(predictor, request, reason)
            usage = {"completion_tokens": float(reason.tokens)}
            status: Status = "ok" if scores is not None else "error"
            yield Prediction(
                request.case_id, scores, rationale=reason.text, status=status, usage=usage
            )

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Each draw is a rationale and the candidate that is first after it."""
        drawn = {"n": 5, "temperature": 0.7, **run.decoding}
        known = {
            name: drawn[name] for name in ("n", "temperature", "top_p", "top_k") if name in drawn
        }
        predictor = self._ready(run.catalog)
        decoding = Decoding.model_validate({**known, "seed": run.seed})
        for request, reasons in zip(
            requests, self.sample_rationales(requests, run.catalog, decoding), strict=True
        ):
            samples = []
            for reason in reasons:
                scores = _after(predictor, request, reason)
                if scores is None:
                    samples.append(Sample(reason.text, None, None, "error"))
                else:
                    item = request.candidates[scores.index(max(scores))]
                    samples.append(Sample(reason.text, item, reason.text, "ok"))
            yield Prediction(request.case_id, None, tuple(samples))

    def _ready(self, catalog: Catalog) -> ScorePredictor:
        if self.score_predictor is None:
            raise ValueError("the predictor is not trained yet")
        return self.score_predictor.with_catalog(catalog)


def _after(predictor: ScorePredictor, request: Request, reason: Completion) -> list[float] | None:
    """Scores of the candidates after a rationale; None where there is none."""
    if reason.finish not in ("stop", "length"):
        return None
    scores = predictor.scores(request.history, reason.text, request.candidates)
    return [float(score) for score in scores]
