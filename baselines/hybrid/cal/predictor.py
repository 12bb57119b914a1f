"""How CALRec's model answers: by cosine, by log-probability, or by texts that name items."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from baselines.hybrid.cal.item_texts import item_text, start_ids
from baselines.hybrid.cal.text_matching import rank_by_words, round_robin
from benchkit.lm.predictor import LMPredictor, first_fault
from benchkit.lm.tokenization import prompt_ids, text_ids
from benchkit.lm.types import Decoding, Prompt
from benchkit.types import Catalog, Prediction, Request, RunContext, Sample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class CALRecPredictor(LMPredictor):
    """Asks a model that was trained to write an item's text and to align texts of both kinds."""

    score: Literal["cosine", "logprob"] = "logprob"
    """What scores candidates."""
    texts: int = 32
    """Texts that are drawn for a list."""
    temperature: float = 0.5
    """Of these texts."""
    vectors: dict[str, "torch.Tensor"] = field(default_factory=dict, repr=False, compare=False)
    """Vectors of the texts of items that were asked about."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield the log-probability of each candidate's text, or its cosine with the history."""
        if self.score == "logprob":
            yield from super().predict(requests, run)
            return
        import torch
        from torch.nn.functional import normalize

        from benchkit.lm.states.mean_states import mean_states

        engine: Any = self.engine
        ids = [prompt_ids(engine.tokenizer, self._prompt(r, run.catalog)) for r in requests]
        ids = [row or list(start_ids(engine.tokenizer)) or [0] for row in ids]
        options = self._options(requests, run.catalog)
        self._add_vectors(sorted({text for texts in options for text in texts}))
        users = normalize(mean_states(engine.model, ids), dim=-1)
        for request, user, texts, row in zip(requests, users, options, ids, strict=True):
            items = torch.stack([self.vectors[text] for text in texts])
            usage = {"prompt_tokens": float(len(row))}
            yield Prediction(request.case_id, (items @ user).double().tolist(), usage=usage)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield a list for each request, its first n items as samples.

        Texts are drawn and sorted by log-probability; each adds its best candidate by BM25 in turn.
        Places that no text fills are unparsed.
        """
        count = int(run.decoding.get("n", 5))
        prompts = [self._prompt(request, run.catalog) for request in requests]
        options = self._options(requests, run.catalog)
        drawn = self._draw_texts(prompts, options, run)
        scored = self.engine.score(prompts, [d.texts for d in drawn])
        for request, draw, row, titles in zip(requests, drawn, scored, options, strict=True):
            order = [] if row.logprobs is None else (-row.logprobs).argsort(kind="stable").tolist()
            texts = [draw.texts[place] for place in order]
            listed = round_robin(rank_by_words(texts, titles), count)
            samples = [
                Sample(texts[text], request.candidates[place], None, "ok") for place, text in listed
            ]
            rest = texts[0] if texts else ""
            samples += [Sample(rest, None, None, "unparsed")] * (count - len(samples))
            yield Prediction(
                request.case_id, None, tuple(samples), usage=draw.usage, fault=draw.fault
            )

    def _draw_texts(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], run: RunContext
    ) -> list["_Draw"]:
        """Draw texts for each prompt, each different one once; of candidates if constrained."""
        decoding = Decoding(
            n=self.texts,
            temperature=self.temperature,
            max_tokens=int(run.decoding.get("max_tokens", 512)),
            seed=run.seed,
        )
        if run.decoding.get("constrained"):
            picks = self.engine.constrained_choice(prompts, options, decoding)
            rows = zip(options, picks, strict=True)
            return [_Draw(sorted({texts[place] for place in row})) for texts, row in rows]
        return [
            _Draw(sorted({c.text for c in a.completions}), a.usage, first_fault(a.completions))
            for a in self.engine.generate(prompts, decoding)
        ]

    def _add_vectors(self, texts: Sequence[str]) -> None:
        from torch.nn.functional import normalize

        from benchkit.lm.states.mean_states import mean_states

        engine: Any = self.engine
        start, missing = start_ids(engine.tokenizer), [t for t in texts if t not in self.vectors]
        if missing:
            ids = [(*start, *text_ids(engine.tokenizer, text)) for text in missing]
            vectors = normalize(mean_states(engine.model, ids, skip=len(start)), dim=-1)
            self.vectors.update(zip(missing, vectors, strict=True))

    def _title(self, item: str, catalog: Catalog) -> str:
        return item_text(self.template, catalog, item)


class _Draw(NamedTuple):
    texts: list[str]
    usage: Mapping[str, float] = MappingProxyType({})
    fault: str = ""
