"""Models of transformers in this process, with or without adapters of peft."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from benchkit import seeds
from benchkit.lm.architecture import can_share_prefix, unwrap_peft
from benchkit.lm.packing import Kernel
from benchkit.lm.packing.bins import fill_padded_bins
from benchkit.lm.tokenization import continuation_ids, end_of_turn, prompt_ids, text_ids
from benchkit.lm.types import (
    Completion,
    ContinuationScores,
    Decoding,
    EngineSettings,
    Generation,
    Prompt,
)

if TYPE_CHECKING:
    from benchkit.lm.backbones import Backbone

_CHUNK = 256  # prompts that are sorted by length together
_T = TypeVar("_T")


class HFConfig(EngineSettings):
    """Settings of the engine; the model is that of the method's `backbone`."""

    kind: Literal["hf"] = "hf"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Data type of the weights; `auto` is float32 on a CPU and bfloat16 elsewhere."""
    batch_tokens: PositiveInt = 8192
    """Tokens of a forward pass, padding included; a single prompt with its continuations may have
    more."""
    prefix_attention: Kernel = "auto"
    """How continuations behind one prompt attend: as training's setting of this name."""


class HFEngine:
    """Asks a loaded model, which is in evaluation mode meanwhile."""

    Config = HFConfig
    can_score = True
    can_constrain = True

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        config: HFConfig | None = None,
        context: int | None = None,
    ) -> None:
        self.model, self.tokenizer, self.context = model, tokenizer, context
        self.config = config or HFConfig()

    @classmethod
    def from_config(
        cls,
        config: HFConfig,
        load_backbone: "Callable[[], Backbone]",
        cache_dir: Path,  # noqa: ARG003
    ) -> Self:
        """Build the engine of a configuration with the run's model."""
        backbone = load_backbone()
        return cls(backbone.model, backbone.tokenizer, config, backbone.context)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        from benchkit.lm.sampling.completions import sample_completions
        from benchkit.lm.sampling.token_draws import UniformStreams

        tokenizer = self.tokenizer
        # A stop that is one token ends an answer without looking at its text.
        single = {t[0] for t in (text_ids(tokenizer, s) for s in decoding.stop) if len(t) == 1}
        ends = {*end_of_turn(tokenizer), *_eos(tokenizer), *single}
        texts = tuple(s for s in decoding.stop if len(text_ids(tokenizer, s)) > 1)
        longest = max((len(text_ids(tokenizer, s)) for s in texts), default=0)

        def ends_with_stop(tokens: list[int]) -> bool:
            tail = tokenizer.decode(tokens[-longest - 4 :])
            return any(text in tail for text in texts)

        def answers(ids: Sequence[list[int]], keys: Sequence[str]) -> list[Generation]:
            drawn = sample_completions(
                self.model,
                ids,
                UniformStreams.for_prompts(keys, decoding.n, decoding.seed),
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                top_k=decoding.top_k,
                max_tokens=decoding.max_tokens,
                ends=ends,
                stopped=ends_with_stop if texts else None,
            )
            return [
                Generation(
                    tuple(self._completion(d.tokens, d.ended, texts) for d in samples),
                    {
                        "prompt_tokens": float(len(prompt)),
                        "completion_tokens": float(sum(len(d.tokens) for d in samples)),
                    },
                )
                for prompt, samples in zip(ids, drawn, strict=True)
            ]

        ids = [self._ids(prompt) for prompt in prompts]
        sizes = [decoding.n * (len(i) + decoding.max_tokens) for i in ids]
        yield from self._run_batches(
            sizes, lambda rows: answers([ids[r] for r in rows], [prompts[r].key for r in rows])
        )

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        ids, options = self._tokenised(prompts, continuations, end)

        def score_rows(rows: Sequence[int]) -> list[ContinuationScores]:
            sums = self._response_sums([ids[r] for r in rows], [options[r] for r in rows])
            results = []
            for row, total in zip(rows, sums, strict=True):
                sizes = np.array([len(option) for option in options[row]], dtype=np.int64)
                usage = {"prompt_tokens": float(len(ids[row])), "scored_tokens": float(sizes.sum())}
                results.append(ContinuationScores(total[: len(sizes)], sizes, "stop", usage))
            return results

        yield from self._run_packed(ids, options, score_rows)

    def constrained_choice(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], decoding: Decoding
    ) -> Iterator[tuple[int, ...]]:
        from benchkit.lm.tokens.trie import Trie, draw_option

        ids, tokens = self._tokenised(prompts, options, end=True)

        def choose_rows(rows: Sequence[int]) -> list[tuple[int, ...]]:
            row_options = [tokens[r] for r in rows]
            tries, known = [], dict[tuple[tuple[int, ...], ...], Trie]()
            for texts in row_options:  # samples of a case share them, after different rationales
                same = tuple(map(tuple, texts))
                tries.append(known.get(same) or known.setdefault(same, Trie.from_options(texts)))
            logits_of = self._logit_readers([ids[r] for r in rows], row_options)
            logits = [
                _needed_logits(read, texts, trie)
                for read, texts, trie in zip(logits_of, row_options, tries, strict=True)
            ]
            results = []
            for row, trie, table in zip(rows, tries, logits, strict=True):
                steps = max(map(len, tokens[row])) + 1
                draws = []
                for number in range(decoding.n):
                    key = ("choose", decoding.seed, prompts[row].key, number)
                    uniform = seeds.generator(*key).random(steps)
                    draws.append(draw_option(trie, table, decoding.temperature, uniform))
                results.append(tuple(draws))
            return results

        yield from self._run_packed(ids, tokens, choose_rows)

    def count_tokens(self, text: str) -> int:
        return len(text_ids(self.tokenizer, text))

    def _ids(self, prompt: Prompt) -> list[int]:
        ids = prompt_ids(self.tokenizer, prompt)
        if ids:
            return ids
        # Without history a compact prompt is empty, but something must come before an answer.
        first = self.tokenizer.bos_token_id
        return [self.tokenizer.eos_token_id if first is None else first]

    def _tokenised(
        self, prompts: Sequence[Prompt], texts: Sequence[Sequence[str]], end: bool
    ) -> tuple[list[list[int]], list[list[list[int]]]]:
        known: dict[str, list[int]] = {}  # the same titles come back in many prompts

        def ids(text: str) -> list[int]:
            if text not in known:
                known[text] = continuation_ids(self.tokenizer, text, end)
            return known[text]

        options = [[ids(text) for text in row_texts] for row_texts in texts]
        return [self._ids(prompt) for prompt in prompts], options

    @cached_property
    def _packs(self) -> bool:
        """Whether the model can read several continuations behind one prompt."""
        return can_share_prefix(self.model)

    def _response_sums(
        self, ids: list[list[int]], options: list[list[list[int]]]
    ) -> Sequence[NDArray[np.float64]]:
        """Return for each prompt the log-probability of each of its options."""
        if not self._packs:
            from benchkit.lm.engines.repeated_prefix import response_logprobs

            pairs = zip(ids, options, strict=True)
            return [response_logprobs(self.model, i, o).cpu().numpy() for i, o in pairs]
        from benchkit.lm import shared_prefix as sp

        batch = self._pack(ids, options)
        values = sp.response_token_logprobs(self.model, batch).double()
        sums: NDArray[np.float64] = sp.sum_per_response(batch, values).cpu().numpy()
        return list(sums)

    def _logit_readers(
        self, ids: list[list[int]], options: list[list[list[int]]]
    ) -> Iterator[Callable[[list[int]], Any]]:
        """Yield for each prompt what returns the logits at places of its joined options."""
        if not self._packs:
            from benchkit.lm.engines.repeated_prefix import response_logits

            for prompt, texts in zip(ids, options, strict=True):
                yield response_logits(self.model, prompt, texts).__getitem__
            return
        from benchkit.lm import shared_prefix as sp

        def read(states: Any, places: list[int]) -> Any:
            return sp.lm_head_logits(unwrap_peft(self.model), states[places])

        for states in sp.hidden_states(self.model, self._pack(ids, options)):
            yield partial(read, states)

    def _pack(self, ids: list[list[int]], options: list[list[list[int]]]) -> Any:
        from benchkit.lm import shared_prefix as sp

        return sp.pack_batch(ids, options, device=next(self.model.parameters()).device)

    def _run_packed(
        self,
        ids: Sequence[list[int]],
        options: Sequence[list[list[int]]],
        function: Callable[[Sequence[int]], list[_T]],
    ) -> Iterator[_T]:
        """Yield `function` of rows, in batches of one packed pass each."""
        from benchkit.lm.packing.kernels import force_kernel
        from benchkit.lm.shared_prefix import use_shared_prefix

        sizes = [len(i) + sum(map(len, o)) for i, o in zip(ids, options, strict=True)]

        def inside(rows: Sequence[int]) -> list[_T]:
            if not self._packs:
                return function(rows)
            with force_kernel(self.config.prefix_attention), use_shared_prefix(self.model):
                return function(rows)

        yield from self._run_batches(sizes, inside)

    def _run_batches(
        self, sizes: Sequence[int], function: Callable[[Sequence[int]], list[_T]]
    ) -> Iterator[_T]:
        """Yield results of `function`, called with rows of similar size, in the rows' order."""
        import torch

        for start in range(0, len(sizes), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(sizes)))
            results: dict[int, _T] = {}
            was_training = self.model.training
            self.model.eval()
            try:
                with torch.inference_mode():
                    for batch in fill_padded_bins(rows, sizes, self.config.batch_tokens):
                        results |= zip(batch, function(batch), strict=True)
            finally:
                self.model.train(was_training)
            yield from (results[row] for row in rows)

    def _completion(self, tokens: list[int], ended: bool, stops: Sequence[str]) -> Completion:
        text = self.tokenizer.decode(tokens, skip_special_tokens=False)
        cuts = [position for stop in stops if (position := text.find(stop)) >= 0]
        return Completion(
            text[: min(cuts)] if cuts else text, "stop" if ended else "length", len(tokens)
        )


def _eos(tokenizer: Any) -> list[int]:
    return [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]


def _needed_logits(
    logits_at: Callable[[list[int]], Any], options: Sequence[list[int]], root: Any
) -> dict[tuple[int, ...], dict[int, float]]:
    """Return prefix -> token -> logit, where more than one token may follow."""
    positions: dict[tuple[int, ...], int] = {}  # prefix -> a position that predicts what follows
    for option, start in zip(options, _starts(options), strict=True):
        for step in range(len(option)):
            positions.setdefault(tuple(option[:step]), start + step)
    forks = {prefix: node for prefix, node in _nodes(root) if len(node.children) > 1}
    rows = logits_at([positions[prefix] for prefix in forks]) if forks else ()
    return {
        prefix: dict(zip(node.children, row[list(node.children)].tolist(), strict=True))
        for (prefix, node), row in zip(forks.items(), rows, strict=True)
    }


def _starts(options: Sequence[Sequence[int]]) -> Iterator[int]:
    start = 0
    for option in options:
        yield start
        start += len(option)


def _nodes(root: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    stack: list[tuple[tuple[int, ...], Any]] = [((), root)]
    while stack:
        prefix, node = stack.pop()
        yield prefix, node
        stack += [((*prefix, token), child) for token, child in node.children.items()]
