"""How RecLM answers: candidates scored as the first entry of a list, and lists that are drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from baselines import list_generation
from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_list
from benchkit.lm.predictor import LMPredictor, first_fault, status_of
from benchkit.lm.types import Completion, Decoding, Prompt
from benchkit.types import Catalog, Prediction, Request, RunContext, Sample


@dataclass(frozen=True)
class ListPredictor(LMPredictor):
    """Asks a model that writes numbered lists."""

    def prompts(self, requests: Sequence[Request], catalog: Catalog) -> list[Prompt]:
        """Return the prompts that ask for lists."""
        return [self._prompt(request, catalog) for request in requests]

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield the log-probability of each candidate's title as the first entry of the list.

        What follows the title is not part of it: a list may end there or go on.
        """
        prompts = [self._prefill_with(p, None) for p in self.prompts(requests, run.catalog)]
        options = self._options(requests, run.catalog)
        scored = self.engine.score(prompts, options, end=False)
        for request, scores in zip(requests, scored, strict=True):
            if scores.logprobs is None or scores.token_counts is None:
                status = status_of(scores.finish)
                yield Prediction(
                    request.case_id, None, status="error" if status == "ok" else status,
                    usage=scores.usage, fault=scores.fault,
                )  # fmt: skip
                continue
            yield Prediction(
                request.case_id,
                scores.logprobs.tolist(),
                lengths=scores.token_counts.tolist(),
                usage=scores.usage,
            )

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield one list for each request, with its first n entries as samples.

        Entries that name no candidate, or one again, and places without an entry, are unparsed.
        """
        settings = run.decoding
        count = int(settings.get("n", 5))
        decoding = Decoding(
            temperature=float(settings.get("temperature", 0.7)),
            top_p=float(settings.get("top_p", 1.0)),
            top_k=int(settings.get("top_k", 0)),
            max_tokens=int(settings.get("max_tokens", 512)),
            seed=run.seed,
        )
        prompts = self.prompts(requests, run.catalog)
        if settings.get("constrained"):
            titles = self._options(requests, run.catalog)
            lists = list_generation.decode_lists(self.engine, prompts, titles, count, decoding)
            for request, row, places in zip(requests, titles, lists, strict=True):
                entries = [Sample(row[p], request.candidates[p], None, "ok") for p in places]
                yield Prediction(request.case_id, None, _fill(entries, count))
            return
        for request, answer in zip(requests, self.engine.generate(prompts, decoding), strict=True):
            entries = self._entries(answer.completions[0], request, run)
            yield Prediction(
                request.case_id, None, _fill(entries, count), usage=answer.usage,
                fault=first_fault(answer.completions),
            )  # fmt: skip

    def _entries(self, completion: Completion, request: Request, run: RunContext) -> list[Sample]:
        """Return the entries of a written list."""
        grounder: Grounder = self._grounder(request, run.catalog)
        samples: list[Sample] = []
        for entry in parse_list(completion.text, completion.finish):
            place = grounder.ground(entry)
            item = None if place is None else request.candidates[place]
            if item is not None and item in {sample.item for sample in samples}:
                item = None
            samples.append(Sample(entry, item, None, "unparsed" if item is None else "ok"))
        return samples


def _fill(entries: Sequence[Sample], count: int) -> tuple[Sample, ...]:
    missing = [Sample("", None, None, "unparsed")] * (count - len(entries))
    return (*entries[:count], *missing)
