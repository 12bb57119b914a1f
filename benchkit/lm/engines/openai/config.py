"""Settings of the `openai` engine."""

from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from benchkit.lm.types import EngineSettings

Endpoint = Literal["completions", "chat/completions"]

# Fields that the engine sets itself; `extra_body` may not change them.
RESERVED_FIELDS = frozenset(
    {"model", "messages", "prompt", "n", "seed", "stream", "echo", "logprobs", "prompt_logprobs"}
    | {"suffix", "best_of", "use_beam_search", "continue_final_message", "add_generation_prompt"}
)


class OpenAIConfig(EngineSettings):
    """A server with OpenAI's interface."""

    kind: Literal["openai"] = "openai"
    base_url: str = "https://api.openai.com/v1"
    """Address of the interface, up to and with `/v1`."""
    model: str
    """Name of the model on the server."""
    model_revision: str | None = None
    """Tells apart in the cache what the server calls by the same name."""
    server: Literal["openai", "vllm"] = "openai"
    """`vllm` sends what only vLLM understands (top_k, a prefilled answer, token ids to check);
    `openai` sends nothing that OpenAI does not document."""
    api: Literal["chat", "completions"] = "chat"
    """`chat` leaves the chat template to the server; `completions` applies that of the tokenizer
    here and sends token ids."""
    tokenizer: str | None = None
    """A folder or a Hugging Face id; needed for `completions` and for scoring."""
    scoring: Literal["auto", "echo", "prompt_logprobs", "off"] = "auto"
    """How log-probabilities are obtained: `auto` is `prompt_logprobs` for vLLM and `echo`
    otherwise; `off` is for servers that can do neither."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable with the key; the key itself is stored nowhere."""
    concurrency: PositiveInt = 16
    """Requests at once."""
    timeout_s: PositiveFloat = 300.0
    """Seconds without a byte after which a request counts as lost."""
    max_retries: NonNegativeInt = 6
    """Further attempts of a request."""
    max_tokens_total: PositiveInt | None = None
    """Tokens that one run may spend."""
    max_cost: PositiveFloat | None = None
    """Money that one run may spend; needs the prices."""
    price_prompt: NonNegativeFloat = 0.0
    """Price of a million prompt tokens."""
    price_completion: NonNegativeFloat = 0.0
    """Price of a million generated tokens."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Newer OpenAI models want `max_completion_tokens`."""
    send_seed: bool = True
    """Whether the server takes a seed."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each request; null leaves a field out."""

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
        """Return how log-probabilities are obtained; `off` without a tokenizer."""
        if self.tokenizer is None:
            return "off"
        if self.scoring == "auto":
            return "prompt_logprobs" if self.server == "vllm" else "echo"
        return self.scoring

    @property
    def endpoint(self) -> Endpoint:
        """Return where texts are generated."""
        return "chat/completions" if self.api == "chat" else "completions"
