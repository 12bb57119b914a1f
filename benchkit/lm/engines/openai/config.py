"""Settings of the `openai` engine, and the bodies of its requests."""

from collections.abc import Sequence
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from benchkit import seeds
from benchkit.errors import ConfigError
from benchkit.lm.engines.openai.client import Endpoint
from benchkit.lm.types import Decoding, Prompt

# Fields that the engine answers for; `extra_body` may not change them.
RESERVED_FIELDS = frozenset(
    {"model", "messages", "prompt", "n", "seed", "stream", "echo", "logprobs", "prompt_logprobs"}
    | {"suffix", "best_of", "use_beam_search", "continue_final_message", "add_generation_prompt"}
)


class OpenAIConfig(BaseModel):
    """A server with OpenAI's interface.

    base_url: up to and with `/v1`. server: `vllm` sends what only vLLM understands (top_k, a begun
    answer, checked token ids); `openai` sends nothing that OpenAI does not document.
    api: `chat` leaves the chat template to the server; `completions` applies that of the tokenizer
    here and sends token ids. tokenizer: a folder or a Hugging Face id; needed for `completions`
    and for scoring. scoring: how log-probabilities are had, `prompt_logprobs` for vLLM and `echo`
    otherwise; `off` for servers that can do neither.
    model_revision: tells apart in the cache what the server calls by the same name.
    api_key_env: the environment variable with the key; the key itself is kept nowhere.
    concurrency: requests at once. timeout_s: seconds without a byte. max_retries: a request.
    max_tokens_total, max_cost: what one run may spend; prices are per million tokens.
    max_tokens_field: newer OpenAI models want `max_completion_tokens`.
    send_seed: whether the server takes a seed. extra_body: further fields of each request; null
    leaves a field out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    kind: Literal["openai"] = "openai"
    base_url: str = "https://api.openai.com/v1"
    model: str
    model_revision: str | None = None
    server: Literal["openai", "vllm"] = "openai"
    api: Literal["chat", "completions"] = "chat"
    tokenizer: str | None = None
    scoring: Literal["auto", "echo", "prompt_logprobs", "off"] = "auto"
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: PositiveInt = 16
    timeout_s: PositiveFloat = 300.0
    max_retries: NonNegativeInt = 6
    max_tokens_total: PositiveInt | None = None
    max_cost: PositiveFloat | None = None
    price_prompt: NonNegativeFloat = 0.0
    price_completion: NonNegativeFloat = 0.0
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    send_seed: bool = True
    extra_body: dict[str, Any] = Field(default_factory=dict)

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("must be an http or https address")
        if url.username or url.password or url.query:
            raise ValueError("must hold no user, password or query: keys belong in the environment")
        return value

    @field_validator("extra_body")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(RESERVED_FIELDS & set(value)):
            raise ValueError(f"may not set {', '.join(taken)}")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.tokenizer is None and self.api == "completions":
            raise ValueError("api 'completions' sends token ids: set tokenizer")
        if self.max_cost is not None and not (self.price_prompt or self.price_completion):
            raise ValueError("max_cost needs price_prompt and price_completion")
        return self

    @property
    def scores_by(self) -> Literal["echo", "prompt_logprobs", "off"]:
        """How log-probabilities are had; `off` without a tokenizer."""
        if self.tokenizer is None:
            return "off"
        if self.scoring == "auto":
            return "prompt_logprobs" if self.server == "vllm" else "echo"
        return self.scoring

    @property
    def endpoint(self) -> Endpoint:
        """Where texts are generated."""
        return "chat/completions" if self.api == "chat" else "completions"


def request_seed(decoding: Decoding, key: str, have: int = 0) -> int | None:
    """The seed of a request for the samples after the first `have` of a prompt; 31 bits, since not
    all servers take more. None for greedy decoding, which draws nothing."""
    if decoding.temperature == 0:
        return None
    return seeds.derive("completion", decoding.seed, key, have) % 2**31


def build_generation_body(
    config: OpenAIConfig, prompt: Prompt, decoding: Decoding, ids: Sequence[int], end: Sequence[int]
) -> dict[str, Any]:
    """What is asked of a prompt, but for `n` and `seed`.

    ids: the prompt's token ids and end: the end of turn, for the api `completions`.
    Raises ConfigError where the server cannot do what is asked.
    """
    body: dict[str, Any] = {
        "model": config.model,
        config.max_tokens_field: decoding.max_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
    }
    if decoding.stop:
        body["stop"] = list(decoding.stop)
    if config.server == "vllm":
        # Said outright, since the server's own defaults come from the model's generation config.
        body |= {"top_k": decoding.top_k, "min_p": 0.0, "repetition_penalty": 1.0}
        body["return_token_ids"] = True
    elif decoding.top_k:
        raise ConfigError(
            "top_k is not part of OpenAI's interface",
            "set server to 'vllm' if it is one, or put top_k into extra_body and 0 into decoding",
        )
    if config.api == "completions":
        body["prompt"] = list(ids)
        if config.server == "vllm" and end:
            body["stop_token_ids"] = list(end)
    else:
        body |= _chat(config, prompt)
    return apply_extra_body(config, body)


def _chat(config: OpenAIConfig, prompt: Prompt) -> dict[str, Any]:
    messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
    if not prompt.prefill:
        return {"messages": messages}
    if config.server != "vllm":
        raise ConfigError(
            "a chat server of this kind cannot go on from a begun answer",
            "set server to 'vllm' if it is one, or api to 'completions' with a tokenizer",
        )
    messages.append({"role": "assistant", "content": "".join(prompt.prefill)})
    return {"messages": messages, "continue_final_message": True, "add_generation_prompt": False}


def build_scoring_body(config: OpenAIConfig, ids: Sequence[int]) -> dict[str, Any]:
    """A request for the log-probabilities of these ids. One token is generated, as not all servers
    take 0; it is not looked at."""
    body: dict[str, Any] = {"model": config.model, "prompt": list(ids), "max_tokens": 1}
    body["temperature"] = 0
    if config.scores_by == "prompt_logprobs":
        body["prompt_logprobs"] = 0
    else:
        body |= {"echo": True, "logprobs": 1}
    return apply_extra_body(config, body)


def apply_extra_body(config: OpenAIConfig, body: dict[str, Any]) -> dict[str, Any]:
    """A body with the further fields of `extra_body`; null takes a field out."""
    merged = body | config.extra_body
    return {name: value for name, value in merged.items() if value is not None}
