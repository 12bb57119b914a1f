"""Asking a language model to recommend: scored, or sampled, with a rationale of its own or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_answer
from benchkit.lm.prompts import Template, render_prompt
from benchkit.lm.response_format import ResponseFormat
from benchkit.lm.types import Completion, ContinuationScores, Decoding, Engine, Generation, Prompt
from benchkit.types import Catalog, Prediction, Request, RunContext, Sample, Status

_STATUS: dict[str, Status] = {
    "stop": "ok",
    "length": "truncated",
    "refused": "refused",
    "error": "error",
}


@dataclass(frozen=True)
class LMPredictor:
    """How one model is asked.

    rationale: whether the model gives its reasons before the item. prompt_tokens: budget of a
    prompt, None for no limit. rationale_tokens: longest rationale. strict_substring: ground
    answers by the rule of S-DPO.
    """

    engine: Engine
    template: Template
    rationale: bool = False
    prompt_tokens: int | None = None
    rationale_tokens: int = 300
    strict_substring: bool = False

    @property
    def response_format(self) -> ResponseFormat:
        """The form of the answers."""
        return self.template.response_format(self.rationale)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Log-probability of each candidate's title; with `rationale`, after the model's own.

        The rationale is generated greedily, without a look at any candidate's score, and all
        candidates of a case are scored after the same one (METHODS: scored protocol).
        """
        prompts = [self._prompt(request, run.catalog) for request in requests]
        asked = self._options(requests, run.catalog)
        if not self.rationale:
            opened = [replace(p, prefill=self.response_format.opening()) for p in prompts]
            for request, scored in zip(requests, self.engine.score(opened, asked), strict=True):
                yield _prediction(request, scored, None)
            return
        greedy = Decoding(
            max_tokens=self.rationale_tokens, stop=(self.response_format.end_rationale,)
        )
        reasons = [own[0] for own in self._reasons(prompts, greedy)]
        told = [place for place, reason in enumerate(reasons) if _usable(reason)]
        scores = self.engine.score(
            [self._opened(prompts[place], reasons[place]) for place in told],
            [asked[place] for place in told],
        )
        for request, reason in zip(requests, reasons, strict=True):
            # Without a rationale there is nothing to score the candidates after.
            scored = (
                next(scores) if _usable(reason) else ContinuationScores(None, None, reason.finish)
            )
            yield _prediction(request, scored, reason)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """`run.decoding["n"]` answers a request, free or constrained to the candidates."""
        settings = run.decoding
        decoding = Decoding(
            n=int(settings.get("n", 5)),
            temperature=float(settings.get("temperature", 0.7)),
            top_p=float(settings.get("top_p", 1.0)),
            top_k=int(settings.get("top_k", 0)),
            max_tokens=int(settings.get("max_tokens", 512)),
            seed=run.seed,
        )
        prompts = [self._prompt(request, run.catalog) for request in requests]
        if settings.get("constrained"):
            ask = self._explained if self.rationale else self._chosen
            yield from ask(requests, prompts, decoding, run.catalog)
            return
        for request, answer in zip(requests, self.engine.generate(prompts, decoding), strict=True):
            grounder = self._grounder(request, run.catalog)
            samples = tuple(self._sample(c, request, grounder) for c in answer.completions)
            yield Prediction(request.case_id, None, samples, usage=answer.usage)

    def _chosen(
        self,
        requests: Sequence[Request],
        prompts: Sequence[Prompt],
        decoding: Decoding,
        catalog: Catalog,
    ) -> Iterator[Prediction]:
        """Answers constrained to the candidates, without a rationale."""
        options = self._options(requests, catalog)
        opened = [replace(p, prefill=self.response_format.opening()) for p in prompts]
        picks = self.engine.constrained_choice(opened, options, decoding)
        for request, own, chosen in zip(requests, options, picks, strict=True):
            samples = [Sample(own[p], request.candidates[p], None, "ok") for p in chosen]
            yield Prediction(request.case_id, None, tuple(samples))

    def _explained(
        self,
        requests: Sequence[Request],
        prompts: Sequence[Prompt],
        decoding: Decoding,
        catalog: Catalog,
    ) -> Iterator[Prediction]:
        """A free rationale first, and then one of the candidates, drawn for each rationale."""
        ends = {"max_tokens": self.rationale_tokens, "stop": (self.response_format.end_rationale,)}
        reasons = list(self._reasons(prompts, decoding.model_copy(update=ends)))
        options = self._options(requests, catalog)
        asked = [
            (replace(self._opened(prompt, reason), key=f"{prompt.key}#{draw}"), own)
            for prompt, own, reasons_ in zip(prompts, options, reasons, strict=True)
            for draw, reason in enumerate(reasons_)
            if _usable(reason)
        ]
        one = decoding.model_copy(update={"n": 1})
        picks = self.engine.constrained_choice(
            [p for p, _ in asked], [own for _, own in asked], one
        )
        for request, own, reasons_ in zip(requests, options, reasons, strict=True):
            samples = []
            for reason in reasons_:
                if not _usable(reason):
                    samples.append(Sample(reason.text, None, None, _STATUS[reason.finish]))
                    continue
                (place,) = next(picks)
                text = "".join((*self.response_format.opening(reason.text), own[place]))
                samples.append(Sample(text, request.candidates[place], reason.text, "ok"))
            yield Prediction(request.case_id, None, tuple(samples))

    def _options(self, requests: Sequence[Request], catalog: Catalog) -> list[list[str]]:
        """What ends an answer, for each candidate of each request."""
        closing = self.response_format.closing
        return [[self._title(item, catalog) + closing for item in r.candidates] for r in requests]

    def _reasons(
        self, prompts: Sequence[Prompt], decoding: Decoding
    ) -> Iterator[tuple[Completion, ...]]:
        begun = [replace(p, prefill=self.response_format.begin_rationale) for p in prompts]
        answers: Iterator[Generation] = self.engine.generate(begun, decoding)
        return (answer.completions for answer in answers)

    def _opened(self, prompt: Prompt, reason: Completion) -> Prompt:
        return replace(prompt, prefill=self.response_format.opening(reason.text))

    def _sample(self, completion: Completion, request: Request, grounder: Grounder) -> Sample:
        parsed = parse_answer(completion.text, completion.finish, self.response_format)
        place = None
        if parsed.status == "ok" and parsed.item is not None:
            place = grounder.ground(parsed.item, parsed.item_id)
        status = "unparsed" if parsed.status == "ok" and place is None else parsed.status
        item = None if place is None else request.candidates[place]
        return Sample(completion.text, item, parsed.rationale, status)

    def _prompt(self, request: Request, catalog: Catalog) -> Prompt:
        return render_prompt(
            self.template,
            request,
            catalog,
            rationale=self.rationale,
            count_tokens=self.engine.count_tokens,
            budget=self.prompt_tokens,
        ).prompt

    def _grounder(self, request: Request, catalog: Catalog) -> Grounder:
        titles = [self._title(item, catalog) for item in request.candidates]
        return Grounder(request.candidates, titles, self.strict_substring)

    def _title(self, item: str, catalog: Catalog) -> str:
        return self.template.item_title(catalog, item)


def _usable(reason: Completion) -> bool:
    """Whether a rationale was written; one that is cut off is gone on from where it ends."""
    return reason.finish in ("stop", "length")


def _prediction(
    request: Request, scored: ContinuationScores, reason: Completion | None
) -> Prediction:
    told = None if reason is None else reason.text
    if scored.logprobs is None or scored.token_counts is None:
        status: Status = _STATUS.get(scored.finish, "error")
        return Prediction(
            request.case_id,
            None,
            rationale=told,
            status="error" if status == "ok" else status,
            usage=scored.usage,
        )
    usage = dict(scored.usage)
    if reason is not None:
        usage["completion_tokens"] = usage.get("completion_tokens", 0.0) + reason.tokens
    return Prediction(
        request.case_id,
        scored.logprobs.tolist(),
        lengths=scored.token_counts.tolist(),
        rationale=told,
        status="ok" if reason is None else _STATUS[reason.finish],
        usage=usage,
    )
