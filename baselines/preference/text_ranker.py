"""A language model that writes a rationale, and a score predictor that ranks by it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from baselines.preference.score_predictor import ScorePredictor
from benchkit.lm.predictor import LMPredictor, first_fault, status_of
from benchkit.lm.types import Completion, Decoding
from benchkit.types import Catalog, Prediction, Request, RunContext, Sample


@dataclass(frozen=True)
class RationaleRanker(LMPredictor):
    """Write one rationale per request, and rank the candidates by the score predictor."""

    score_predictor: ScorePredictor | None = None
    """Fitted after fine-tuning; None before."""

    def sample_rationales(
        self, requests: Sequence[Request], catalog: Catalog, decoding: Decoding
    ) -> Iterator[tuple[Completion, ...]]:
        """Sample `decoding.n` rationales for each request."""
        ends = {"max_tokens": self.rationale_tokens, "stop": (self.response_format.end_rationale,)}
        prompts = [self._prompt(request, catalog) for request in requests]
        return self._generate_rationales(prompts, decoding.model_copy(update=ends))

    def sample_distinct(
        self, requests: Sequence[Request], run: RunContext, decoding: Decoding
    ) -> list[list[str]]:
        """Sample rationales for each request, and return the distinct texts that were written."""
        run.progress.start("sampling rationales", len(requests))
        texts = []
        for reasons in self.sample_rationales(requests, run.catalog, decoding):
            usable = (r.text.strip() for r in reasons if r.finish in ("stop", "length"))
            texts.append(list(dict.fromkeys(text for text in usable if text)))
            run.progress.advance()
        return texts

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        predictor = self._fitted(run.catalog)
        greedy = self.sample_rationales(requests, run.catalog, Decoding())
        for request, (reason,) in zip(requests, greedy, strict=True):
            scores = _scores(predictor, request, reason)
            usage = {"completion_tokens": float(reason.tokens)}
            yield Prediction(
                request.case_id,
                scores,
                rationale=reason.text,
                status="ok" if scores is not None else status_of(reason.finish),
                usage=usage,
                fault=reason.fault,
            )

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Sample rationales; each answer is the candidate that ranks first by its rationale."""
        settings = {"n": 5, "temperature": 0.7, **run.decoding}
        names = ("n", "temperature", "top_p", "top_k")
        known = {name: settings[name] for name in names if name in settings}
        predictor = self._fitted(run.catalog)
        decoding = Decoding.model_validate({**known, "seed": run.seed})
        rationales = self.sample_rationales(requests, run.catalog, decoding)
        for request, reasons in zip(requests, rationales, strict=True):
            samples = []
            for reason in reasons:
                scores = _scores(predictor, request, reason)
                if scores is None:
                    status = status_of(reason.finish)
                    samples.append(Sample(reason.text, None, None, status))
                else:
                    item = request.candidates[scores.index(max(scores))]
                    samples.append(Sample(reason.text, item, reason.text, "ok"))
            yield Prediction(request.case_id, None, tuple(samples), fault=first_fault(reasons))

    def _fitted(self, catalog: Catalog) -> ScorePredictor:
        if self.score_predictor is None:
            raise ValueError("the predictor is not trained yet")
        return self.score_predictor.with_catalog(catalog)


def _scores(predictor: ScorePredictor, request: Request, reason: Completion) -> list[float] | None:
    """Return the candidates' scores given a rationale; None if it was not written."""
    if reason.finish not in ("stop", "length"):
        return None
    scores = predictor.scores(request.history, reason.text, request.candidates)
    return [float(score) for score in scores]
