"""A language model that writes a query, and BM25, which ranks the candidates by it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from benchkit.lm.parsing import parse_answer
from benchkit.lm.predictor import LMPredictor, first_fault, status_of
from benchkit.lm.retrieval.query import BEGIN_QUERY, END_QUERY, CatalogSearch, read_open_query
from benchkit.lm.types import Completion, Decoding, Prompt
from benchkit.types import Catalog, Prediction, Request, RunContext, Sample, Status

_NO_RATIONALE = Completion("", "stop", 0)


@dataclass(frozen=True)
class QueryRanker(LMPredictor):
    """Let the model write a query after a request, and rank the candidates by BM25."""

    search: CatalogSearch = field(default_factory=CatalogSearch)
    query_tokens: int = 64
    """Longest query."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield the BM25 scores of the candidates by a greedy query.

        The tags and the JSON around rationale and query are set, as in other methods' scored
        answers. Candidates that share no word with the query tie with score 0.
        """
        answers = self.write_queries(requests, run.catalog, Decoding())
        for request, ((reason, query),) in zip(requests, answers, strict=True):
            scores = None
            if query.finish in ("stop", "length"):
                words = read_open_query(query.text)
                scores = self.search.scores(words, request.candidates, run.catalog).tolist()
            yield Prediction(
                request.case_id,
                scores,
                rationale=reason.text if self.rationale else None,
                status="ok" if scores is not None else status_of(query.finish),
                usage={"completion_tokens": float(reason.tokens + query.tokens)},
                fault=query.fault,
            )

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield sampled answers, each the best candidate by its query.

        Free answers must have the whole form; in constrained ones tags and JSON are set.
        """
        settings = {"n": 5, "temperature": 0.7, **run.decoding}
        names = ("n", "temperature", "top_p", "top_k", "max_tokens")
        known = {name: settings[name] for name in names if name in settings}
        decoding = Decoding.model_validate({**known, "seed": run.seed})
        if settings.get("constrained"):
            answers = self.write_queries(requests, run.catalog, decoding)
            for request, pairs in zip(requests, answers, strict=True):
                samples = [self._pair_sample(*pair, request, run.catalog) for pair in pairs]
                fault = first_fault([query for _, query in pairs])
                yield Prediction(request.case_id, None, tuple(samples), fault=fault)
            return
        prompts = [self._prompt(request, run.catalog) for request in requests]
        for request, answer in zip(requests, self.engine.generate(prompts, decoding), strict=True):
            samples = []
            for completion in answer.completions:
                parsed = parse_answer(completion.text, completion.finish, self.response_format)
                item = self._best(parsed.item, request, run.catalog)
                samples.append(Sample(completion.text, item, parsed.rationale, parsed.status))
            fault = first_fault(answer.completions)
            yield Prediction(request.case_id, None, tuple(samples), usage=answer.usage, fault=fault)

    def write_queries(
        self, requests: Sequence[Request], catalog: Catalog, decoding: Decoding
    ) -> Iterator[list[tuple[Completion, Completion]]]:
        """Yield `decoding.n` pairs of rationale and query for each request.

        After a rationale that the engine did not write, the query is that failure.
        """
        prompts = [self._prompt(request, catalog) for request in requests]
        ends = {"max_tokens": self.rationale_tokens, "stop": (self.response_format.end_rationale,)}
        reasons: list[tuple[Completion, ...]] = [(_NO_RATIONALE,) * decoding.n for _ in prompts]
        if self.rationale:
            rationale_decoding = decoding.model_copy(update=ends)
            reasons = list(self._generate_rationales(prompts, rationale_decoding))
        begun = [
            replace(self._prefill_query(prompt, reason), key=f"{prompt.key}#{number}")
            for prompt, row in zip(prompts, reasons, strict=True)
            for number, reason in enumerate(row)
            if reason.finish in ("stop", "length")
        ]
        ends = {"n": 1, "max_tokens": self.query_tokens, "stop": (END_QUERY,)}
        queries = self.engine.generate(begun, decoding.model_copy(update=ends))
        for row in reasons:
            yield [
                (r, next(queries).completions[0] if r.finish in ("stop", "length") else r)
                for r in row
            ]

    def _prefill_query(self, prompt: Prompt, reason: Completion) -> Prompt:
        prefix = self.response_format.prefix(reason.text if self.rationale else None)
        return replace(prompt, prefill=(*prefix, BEGIN_QUERY))

    def _pair_sample(
        self, reason: Completion, query: Completion, request: Request, catalog: Catalog
    ) -> Sample:
        status: Status = "ok" if query.finish in ("stop", "length") else status_of(query.finish)
        words = read_open_query(query.text) if status == "ok" else None
        item = self._best(words, request, catalog)
        return Sample(query.text, item, reason.text if self.rationale else None, status)

    def _best(self, query: str | None, request: Request, catalog: Catalog) -> str | None:
        """Return the first of the candidates that BM25 scores highest."""
        if query is None:
            return None
        scores = self.search.scores(query, request.candidates, catalog)
        return request.candidates[int(scores.argmax())]
