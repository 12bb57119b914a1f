"""Predictions of a language model: scored or sampled, with or without its own rationale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_answer
from benchkit.lm.prompts import Template, render_prompt
from benchkit.lm.rationale_scoring import ScoredRationale, combine_rationales, has_rationale_text
from benchkit.lm.response_format import ResponseFormat
from benchkit.lm.tokens.control_tokens import unquote
from benchkit.lm.types import (
    Completion,
    ContinuationScores,
    Decoding,
    Engine,
    FinishReason,
    Generation,
    Prompt,
)
from benchkit.types import Catalog, Prediction, Request, RunContext, Sample, Status

_STATUS: dict[str, Status] = {
    "stop": "ok",
    "length": "truncated",
    "refused": "refused",
    "error": "error",
}


@dataclass(frozen=True)
class LMPredictor:
    """Asks one model in one way."""

    engine: Engine
    template: Template
    rationale: bool = False
    """Whether the model writes a rationale before the item."""
    prompt_tokens: int | None = None
    """Budget of a prompt, None for no limit."""
    rationale_tokens: int = 300
    """Longest rationale."""
    strict_substring: bool = False
    """Ground answers by the rule of S-DPO."""
    rationales: int = 1
    """Rationales that a case is scored after; several are drawn, a single one is greedy."""
    rationale_temperature: float = 1.0
    """At which several are drawn."""

    @property
    def response_format(self) -> ResponseFormat:
        """Return the form of the answers."""
        return self.template.response_format(self.rationale)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield the log-probability of each candidate's title; with `rationale`, after one.

        The rationale is generated greedily, without a look at any candidate's score, and all
        candidates of a case are scored after the same one (METHODS: scored protocol). Where
        `rationales` is above 1, as many are drawn and the candidates' probabilities averaged over
        them (`combine_rationales`).
        """
        prompts = [self._prompt(request, run.catalog) for request in requests]
        options = self._options(requests, run.catalog)
        if not self.rationale:
            prefilled = [self._prefill_with(prompt, None) for prompt in prompts]
            results = self.engine.score(prefilled, options)
            for request, scores in zip(requests, results, strict=True):
                yield _prediction(request, scores, None)
            return
        rationales = list(self._generate_rationales(prompts, self._rationale_decoding(run)))
        usable = [
            (row, rationale)
            for row, drawn in enumerate(rationales)
            for rationale in drawn
            if has_rationale_text(rationale)
        ]
        results = self.engine.score(
            [self._prefill_with(prompts[row], rationale) for row, rationale in usable],
            [options[row] for row, _ in usable],
        )
        combined = combine_rationales(rationales, iter(results))
        for request, scored in zip(requests, combined, strict=True):
            yield _prediction(request, scored.scores, scored)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield `run.decoding["n"]` answers to each request, free or constrained to candidates."""
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
            sample = self._sample_with_rationale if self.rationale else self._sample_candidates
            yield from sample(requests, prompts, decoding, run.catalog)
            return
        for request, answer in zip(requests, self.engine.generate(prompts, decoding), strict=True):
            grounder = self._grounder(request, run.catalog)
            samples = tuple(self._sample(c, request, grounder) for c in answer.completions)
            yield Prediction(
                request.case_id,
                None,
                samples,
                usage=answer.usage,
                fault=first_fault(answer.completions),
            )

    def _sample_candidates(
        self,
        requests: Sequence[Request],
        prompts: Sequence[Prompt],
        decoding: Decoding,
        catalog: Catalog,
    ) -> Iterator[Prediction]:
        """Yield answers constrained to the candidates, without a rationale."""
        options = self._options(requests, catalog)
        prefilled = [self._prefill_with(prompt, None) for prompt in prompts]
        choices = self.engine.constrained_choice(prefilled, options, decoding)
        for request, texts, picks in zip(requests, options, choices, strict=True):
            samples = [Sample(unquote(texts[p]), request.candidates[p], None, "ok") for p in picks]
            yield Prediction(request.case_id, None, tuple(samples))

    def _sample_with_rationale(
        self,
        requests: Sequence[Request],
        prompts: Sequence[Prompt],
        decoding: Decoding,
        catalog: Catalog,
    ) -> Iterator[Prediction]:
        """Yield a free rationale and then one of the candidates, drawn for each rationale."""
        ends = {"max_tokens": self.rationale_tokens, "stop": (self.response_format.end_rationale,)}
        rationales = list(self._generate_rationales(prompts, decoding.model_copy(update=ends)))
        options = self._options(requests, catalog)
        prefilled: list[Prompt] = []
        texts: list[list[str]] = []
        for prompt, row_options, draws in zip(prompts, options, rationales, strict=True):
            for number, rationale in enumerate(draws):
                if has_rationale_text(rationale):
                    key = f"{prompt.key}#{number}"
                    prefilled.append(replace(self._prefill_with(prompt, rationale), key=key))
                    texts.append(row_options)
        choices = self.engine.constrained_choice(
            prefilled, texts, decoding.model_copy(update={"n": 1})
        )
        for request, row_options, draws in zip(requests, options, rationales, strict=True):
            samples = []
            for rationale in draws:
                if not has_rationale_text(rationale):
                    samples.append(Sample(rationale.text, None, None, status_of(rationale.finish)))
                    continue
                (pick,) = next(choices)
                text = "".join((*self.response_format.prefix(rationale.text), row_options[pick]))
                answer = Sample(unquote(text), request.candidates[pick], rationale.text, "ok")
                samples.append(answer)
            yield Prediction(request.case_id, None, tuple(samples), fault=first_fault(draws))

    def write_prompt(self, request: Request, catalog: Catalog) -> Prompt:
        """Return the prompt that a request is asked with, before an answer is begun."""
        return self._prompt(request, catalog)

    def _options(self, requests: Sequence[Request], catalog: Catalog) -> list[list[str]]:
        """Return what ends an answer, for each candidate of each request."""
        suffix = self.response_format.suffix
        return [[self._title(item, catalog) + suffix for item in r.candidates] for r in requests]

    def _generate_rationales(
        self, prompts: Sequence[Prompt], decoding: Decoding
    ) -> Iterator[tuple[Completion, ...]]:
        prefilled = [replace(p, prefill=self.response_format.begin_rationale) for p in prompts]
        answers: Iterator[Generation] = self.engine.generate(prefilled, decoding)
        return (answer.completions for answer in answers)

    def _rationale_decoding(self, run: RunContext) -> Decoding:
        """Return how the rationales that candidates are scored after are written."""
        several = self.rationales > 1
        return Decoding(
            n=self.rationales,
            temperature=self.rationale_temperature if several else 0.0,
            max_tokens=self.rationale_tokens,
            stop=(self.response_format.end_rationale,),
            seed=run.seed if several else 0,
        )

    def _prefill_with(self, prompt: Prompt, rationale: Completion | None) -> Prompt:
        text = None if rationale is None else rationale.text
        return replace(prompt, prefill=self.response_format.prefix(text))

    def _sample(self, completion: Completion, request: Request, grounder: Grounder) -> Sample:
        parsed = parse_answer(completion.text, completion.finish, self.response_format)
        position = None
        if parsed.status == "ok" and parsed.item is not None:
            position = grounder.ground(parsed.item, parsed.item_id)
        status = "unparsed" if parsed.status == "ok" and position is None else parsed.status
        item = None if position is None else request.candidates[position]
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


def first_fault(completions: Sequence[Completion]) -> str:
    """Return what the engine did wrong with the first completion that is an `error`, else ''.

    Where every completion was cut off before its first letter, that is what is returned.
    """
    errors = [c.fault for c in completions if c.finish == "error"]
    if errors:
        return errors[0]
    faults = [c.fault for c in completions if c.fault]
    return faults[0] if faults and len(faults) == len(completions) else ""


def status_of(finish: FinishReason) -> Status:
    """Return the status of an answer that ended so, apart from what it says."""
    return _STATUS[finish]


def _prediction(
    request: Request, scores: ContinuationScores, explained: ScoredRationale | None
) -> Prediction:
    rationale = None if explained is None else explained.rationale
    text = None if rationale is None else rationale.text
    if scores.logprobs is None or scores.token_counts is None:
        status: Status = _STATUS.get(scores.finish, "error")
        return Prediction(
            request.case_id,
            None,
            rationale=text,
            status="error" if status == "ok" else status,
            usage=scores.usage,
            fault=scores.fault,
        )
    usage = dict(scores.usage)
    if explained is not None:
        written = usage.get("completion_tokens", 0.0) + explained.completion_tokens
        usage["completion_tokens"] = written
    return Prediction(
        request.case_id,
        scores.logprobs.tolist(),
        lengths=scores.token_counts.tolist(),
        rationale=text,
        status="ok" if rationale is None else status_of(rationale.finish),
        usage=usage,
    )
