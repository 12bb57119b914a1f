"""The `vllm` engine: a model served by vLLM in this process, for machines with a GPU.

Prompts go in as token ids, so that prompt and continuation are cut as everywhere else. Its choice
of kernels depends on what is batched together: the last digits may differ from run to run.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from benchkit.errors import ConfigError, EngineError
from benchkit.files.hub_cache import cached_commit
from benchkit.lm import tokenization
from benchkit.lm.engines.requests import request_seed
from benchkit.lm.engines.vllm_scoring import VLLMScorer
from benchkit.lm.model_files.load_errors import explain_load_errors
from benchkit.lm.tokens import tokenizer_check
from benchkit.lm.types import (
    Completion,
    ContinuationScores,
    Decoding,
    EngineSettings,
    FinishReason,
    Generation,
    Prompt,
)

_HINT = "give a local folder or the id of a model that is downloaded or can be, and see vLLM's log"
_CPU_BLOCK = 32  # tokens; the smallest that vLLM's attention takes on a CPU
_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class VLLMConfig(EngineSettings):
    """Settings of `vllm.LLM`."""

    kind: Literal["vllm"] = "vllm"
    model: str
    """A folder or a Hugging Face id."""
    revision: str | None = None
    """Revision on the hub."""
    trust_remote_code: bool = Field(default=False, exclude_if=lambda value: not value)
    """Run the code that comes with the model, for those that vLLM does not know."""
    lora: str | None = None
    """The folder of an adapter."""
    max_lora_rank: PositiveInt = 64
    """Largest rank of an adapter that vLLM makes room for."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights; `auto` is what the model's files say."""
    max_model_len: PositiveInt | None = None
    """Tokens of prompt and answer together."""
    gpu_memory_utilization: PositiveFloat = Field(0.9, le=1)
    """Share of a GPU's memory that vLLM takes."""
    tensor_parallel_size: PositiveInt = 1
    """GPUs that one copy of the model is spread over."""
    batch: PositiveInt = 512
    """Prompts handed over at once; vLLM decides how many of them it computes together."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of `vllm.LLM`."""

    @field_validator("options")
    @classmethod
    def _leave_out_settings(cls, options: dict[str, Any]) -> dict[str, Any]:
        if settings := sorted(options.keys() & cls.model_fields.keys()):
            raise ValueError(f"{', '.join(settings)}: set it beside options, not in them")
        return options


class VLLMEngine:
    """Asks vLLM; see `benchkit.lm.types.Engine`. The model is loaded when it is first needed.

    It cannot constrain: vLLM's guided decoding constrains the text and lets any token through that
    spells it, while a trie goes over the tokens of the options as they are trained.
    """

    Config = VLLMConfig
    can_score = True
    can_constrain = False

    def __init__(self, config: VLLMConfig) -> None:
        self.config = config

    @classmethod
    def from_config(cls, config: VLLMConfig, load_backbone: object, cache_dir: Path) -> Self:  # noqa: ARG003
        """Build the engine of a configuration, which names the model itself."""
        return cls(config)

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        """Yield `decoding.n` completions of each prompt; a greedy one is repeated n times."""
        n_drawn = decoding.n if decoding.temperature else 1
        common = {
            "n": n_drawn,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "top_k": decoding.top_k or -1,
            "max_tokens": decoding.max_tokens,
            "stop": list(decoding.stop),
            "stop_token_ids": list(tokenization.end_of_turn(self._tokenizer)),
        }
        requests = (
            (
                tokenization.prompt_ids(self._tokenizer, prompt),
                common | {"seed": request_seed(decoding, prompt.key)},
            )
            for prompt in prompts
        )
        for ids, result in self._run(requests):
            completions = [_completion(output) for output in result.outputs]
            usage = {
                "prompt_tokens": len(ids),
                "completion_tokens": sum(c.tokens for c in completions),
            }
            yield Generation(tuple(completions) * (decoding.n // n_drawn), usage)

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        """Yield log-probabilities of each prompt's continuations; see `VLLMScorer`."""
        tokenizer = self._tokenizer
        rows = (
            (
                tokenization.prompt_ids(tokenizer, prompt),
                [tokenization.continuation_ids(tokenizer, text, end) for text in texts],
            )
            for prompt, texts in zip(prompts, continuations, strict=True)
        )
        yield from self._scorer.score(rows)

    def constrained_choice(
        self,
        prompts: Sequence[Prompt],  # noqa: ARG002
        options: Sequence[Sequence[str]],  # noqa: ARG002
        decoding: Decoding,  # noqa: ARG002
    ) -> Iterator[tuple[int, ...]]:
        """Raise ConfigError; see the class."""
        raise ConfigError(
            "a vllm engine cannot choose among options", "use the engine 'hf', or score them"
        )

    def count_tokens(self, text: str) -> int:
        """Return the tokens of `text`."""
        return len(tokenization.text_ids(self._tokenizer, text))

    @property
    def title_tokenizer(self) -> Any:
        """The tokenizer, to be checked with the titles; loads the model."""
        return self._tokenizer

    @cached_property
    def _vllm(self) -> Any:
        try:
            import vllm
        except ImportError as error:
            raise EngineError("vllm is missing", "pip install 'benchkit[vllm]'") from error
        return vllm

    @cached_property
    def _llm(self) -> Any:
        config = self.config
        lora: dict[str, Any] = {}
        if config.lora is not None:
            lora = {"enable_lora": True, "max_lora_rank": config.max_lora_rank}
        options: dict[str, Any] = lora | config.options
        if _runs_on_cpu(self._vllm):
            # The default of 128 computes up to 127 tokens of a prompt anew for each continuation.
            options.setdefault("block_size", _CPU_BLOCK)
        llm = self._vllm.LLM
        with self._explain_errors():
            return llm(
                model=config.model,
                revision=cached_commit(config.model, config.revision) or config.revision,
                trust_remote_code=config.trust_remote_code,
                dtype=config.dtype,
                max_model_len=config.max_model_len,
                gpu_memory_utilization=config.gpu_memory_utilization,
                tensor_parallel_size=config.tensor_parallel_size,
                **options,
            )

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        name = f"model {self.config.model!r}"
        try:
            with explain_load_errors(name, _HINT):
                yield
        except RuntimeError as error:  # what went wrong in a process of its own is in its log
            raise EngineError(
                f"vLLM cannot load {name}: {str(error).partition(chr(10))[0][:300]}",
                "read vLLM's log above; often the GPU's memory is too small"
                " (gpu_memory_utilization, max_model_len), or it lacks the dtype",
            ) from error

    @cached_property
    def _scorer(self) -> VLLMScorer:
        config = getattr(getattr(self._llm, "llm_engine", None), "vllm_config", None)
        is_cached = getattr(getattr(config, "cache_config", None), "enable_prefix_caching", True)
        # On a CPU vLLM 0.32 ends with an error if a batch has an adapter and several requests for
        # log-probabilities of prompts.
        batch = 1 if self._adapter is not None and _runs_on_cpu(self._vllm) else self.config.batch
        obstacle = "" if is_cached else "its prefix cache is off"
        return VLLMScorer(partial(self._run, batch=batch), self.config.batch, obstacle)

    @cached_property
    def _adapter(self) -> Any:
        if self.config.lora is None:
            return None
        from vllm.lora.request import LoRARequest

        return LoRARequest("adapter", 1, self.config.lora)

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = self._llm.get_tokenizer()
        tokenizer_check.check_vocabulary(tokenizer, f"model {self.config.model!r}")
        return tokenizer

    def _run(
        self, requests: Iterator[tuple[list[int], dict[str, Any]]], batch: int | None = None
    ) -> Iterator[tuple[list[int], Any]]:
        """Yield (ids, vLLM's result) of each (ids, sampling parameters)."""
        while chunk := list(islice(requests, batch or self.config.batch)):
            try:
                results = self._llm.generate(
                    [{"prompt_token_ids": ids} for ids, _ in chunk],
                    [self._vllm.SamplingParams(**sampling) for _, sampling in chunk],
                    use_tqdm=False,
                    lora_request=self._adapter,
                )
            except ValueError as error:
                raise EngineError(
                    f"vLLM does not take these prompts: {str(error)[:300]}",
                    "shorten the prompts or raise max_model_len",
                ) from error
            yield from zip((ids for ids, _ in chunk), results, strict=True)


def _runs_on_cpu(vllm: Any) -> bool:
    platform = getattr(getattr(vllm, "platforms", None), "current_platform", None)
    return platform is not None and bool(platform.is_cpu())


def _completion(output: Any) -> Completion:
    finish = _FINISH.get(output.finish_reason or "", "error")
    fault = f"vLLM ended it by {output.finish_reason!r}" if finish == "error" else ""
    return Completion(output.text, finish, len(output.token_ids), fault)
