"""Settings of the `openai` engine."""

import re
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

from benchkit.key_access import OPENAI_KEY, OPENAI_URL
from benchkit.lm.cost_estimate import BATCH_PRICE
from benchkit.lm.types import BATCH_LINES, EngineSettings

Endpoint = Literal["completions", "chat/completions", "inference/v1/generate"]
ScoringWay = Literal["prefix_cache", "prompt_logprobs", "echo", "off"]
DecodingField = Literal["temperature", "top_p", "max_tokens", "seed"]

# Fields that the engine sets itself; `extra_body` may not change them.
RESERVED_FIELDS = frozenset(
    {"model", "messages", "prompt", "n", "seed", "stream", "echo", "logprobs", "prompt_logprobs"}
    | {"suffix", "best_of", "use_beam_search", "continue_final_message", "add_generation_prompt"}
)


class OpenAIConfig(EngineSettings):
    """A server with OpenAI's interface."""

    kind: Literal["openai"] = "openai"
    base_url: str = OPENAI_URL
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
    trust_remote_code: bool = Field(default=False, exclude_if=lambda value: not value)
    """Run the code that comes with the tokenizer, for those that transformers does not know."""
    scoring: Literal["auto"] | ScoringWay = "auto"
    """How log-probabilities are obtained: `auto` is `prefix_cache` for vLLM, which computes a
    prompt once for all its continuations, and `echo` otherwise; `prompt_logprobs` and `echo`
    compute it for each; `off` is for servers that can do none of them."""
    api_key_env: str = OPENAI_KEY
    """The environment variable with the key, "" for a server that needs none; the key itself is
    stored nowhere, and sent only where the user allows it (`--allow-key VARIABLE=HOST`)."""
    concurrency: PositiveInt = 16
    """Requests at once."""
    timeout_s: PositiveFloat = 300.0
    """Seconds without a byte after which a request counts as lost."""
    deadline_s: PositiveFloat | None = None
    """Seconds for one request as a whole, however its bytes come; four times `timeout_s` unless
    set."""
    max_retries: NonNegativeInt = 6
    """Further attempts of a request."""
    batch_api: bool = Field(default=False, exclude=True)
    """Ask by the Batch endpoint: at half the price, with answers within a day. A call that is
    interrupted goes on when it is repeated; live calls and batches share their answers."""
    batch_poll_s: PositiveFloat = Field(default=30.0, exclude=True)
    """Seconds between looks at a batch."""
    batch_lines: PositiveInt = Field(default=BATCH_LINES, le=BATCH_LINES, exclude=True)
    """Requests of a batch, at most; OpenAI's own limit is 50,000."""
    batch_megabytes: PositiveInt = Field(default=200, le=200, exclude=True)
    """Size of the file of a batch, at most; OpenAI's own limit is 200."""
    batch_price: float = Field(default=BATCH_PRICE, ge=0, le=1, exclude=True)
    """Price of a batch's tokens as a share of `price_prompt` and `price_completion`."""
    max_tokens_total: PositiveInt | None = None
    """Tokens that one run may spend."""
    max_cost: PositiveFloat | None = None
    """Money that one run may spend; needs the prices."""
    price_prompt: NonNegativeFloat = 0.0
    """Price of a million prompt tokens."""
    price_completion: NonNegativeFloat = 0.0
    """Price of a million generated tokens."""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """Newer OpenAI models want `max_completion_tokens`; the same as in `rename_fields`."""
    send_seed: bool = True
    """Whether the server takes a seed; false is the same as "seed" in `omit_fields`."""
    reasoning_effort: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """How much a reasoning model thinks ("minimal", "low", "medium", "high"), where it takes that.
    Its thinking is no part of the answer, but counts against `max_tokens` and is paid for."""
    rename_fields: dict[DecodingField, str] = Field(default_factory=dict)
    """What the server calls a field, e.g. {max_tokens = "max_completion_tokens"}."""
    omit_fields: tuple[DecodingField, ...] = ()
    """Fields that are not sent, for models that refuse them, e.g. ["temperature", "top_p"]; the
    server's own values hold then."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each request; null leaves a field out (TOML has no null: `omit_fields`)."""
    finish_reasons: dict[str, Literal["stop", "length", "refused"]] = Field(default_factory=dict)
    """What a `finish_reason` means that benchkit does not know, in lower case, e.g.
    {null = "stop"} for a server that gives none; an answer with an unknown one is a fault."""
    empty_content: Literal["fault", "answer"] = "fault"
    """What a chat answer without text is that did not run out of tokens: a fault of the server
    (e.g. it put the text elsewhere), or the model's own empty answer."""

    @field_validator("base_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("must be an http or https address")
        if url.username or url.password or url.query:
            raise ValueError("must hold no user, password or query: keys belong in the environment")
        if not re.fullmatch(r"[!-\[\]-~]+", value) or not re.fullmatch(r"[\w.:\[\]-]+", url.netloc):
            raise ValueError("must be plain ASCII, without spaces and backslashes")
        return value

    @field_validator("finish_reasons")
    @classmethod
    def _lower_case(
        cls, value: dict[str, Literal["stop", "length", "refused"]]
    ) -> dict[str, Literal["stop", "length", "refused"]]:
        return {name.strip().lower(): meaning for name, meaning in value.items()}

    @field_validator("extra_body")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(RESERVED_FIELDS & set(value)):
            raise ValueError(f"may not set {', '.join(taken)}")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if both := sorted({*self.omit_fields} & self.rename_fields.keys()):
            raise ValueError(f"{', '.join(both)}: stands in omit_fields and in rename_fields")
        names = list(self.rename_fields.values())
        if taken := sorted({n for n in names if n in RESERVED_FIELDS or names.count(n) > 1}):
            raise ValueError(f"rename_fields may not use {', '.join(taken)}")
        if self.reasoning_effort and "reasoning_effort" in self.extra_body:
            raise ValueError("reasoning_effort stands in extra_body, too")
        if self.tokenizer is None and self.api == "completions":
            raise ValueError("api 'completions' sends token ids: set tokenizer")
        if self.max_cost is not None and not (self.price_prompt or self.price_completion):
            raise ValueError("max_cost needs price_prompt and price_completion")
        return self

    @property
    def request_deadline_s(self) -> float:
        """Return the seconds after which a request counts as lost, whatever has come of it."""
        return self.deadline_s or 4 * self.timeout_s

    @property
    def price_share(self) -> float:
        """Return what is paid of the prices."""
        return self.batch_price if self.batch_api else 1.0

    @property
    def scores_by(self) -> ScoringWay:
        """Return how log-probabilities are obtained; `off` without a tokenizer, and in batches."""
        if self.tokenizer is None or self.batch_api:
            return "off"
        if self.scoring == "auto":
            return "prefix_cache" if self.server == "vllm" else "echo"
        return self.scoring

    @property
    def has_budget(self) -> bool:
        """Return whether it matters how many tokens the server counts."""
        limits = (self.max_tokens_total, self.max_cost, self.price_prompt)
        return any(limit for limit in limits)

    @property
    def caveats(self) -> tuple[str, ...]:
        """Return what a reader must know: which of the suite's decoding the server does not get."""
        left_out = sorted({*self.omit_fields} - {"seed"})
        caveats = [f"the server's own {' and '.join(left_out)}"] if left_out else []
        if not self.sends("seed"):
            caveats.append("asked without a seed: what is drawn cannot be drawn again")
        if self.reasoning_effort:
            caveats.append(f"reasoning effort {self.reasoning_effort}")
        return tuple(caveats)

    def sends(self, field: DecodingField) -> bool:
        """Return whether a request has this field, by this or another name."""
        return field not in self.omit_fields and (field != "seed" or self.send_seed)

    def wire_name(self, field: DecodingField) -> str:
        """Return what the server calls a field."""
        default = self.max_tokens_field if field == "max_tokens" else field
        return self.rename_fields.get(field, default)

    def sampling_temperature(self, temperature: float) -> float:
        """Return the temperature at which the server draws where `temperature` is asked for.

        One that is not sent is unknown and counts as 1: the server may draw, so that n answers are
        asked for, each with a seed of its own.
        """
        if "temperature" in self.extra_body:
            value = self.extra_body["temperature"]
            return float(value) if isinstance(value, int | float) else 1.0
        return temperature if self.sends("temperature") else 1.0

    @property
    def reading(self) -> dict[str, Any]:
        """Return the settings that decide how an answer is read, where they are not the default."""
        reading: dict[str, Any] = {}
        if self.finish_reasons:
            reading["finish_reasons"] = self.finish_reasons
        if self.empty_content != "fault":
            reading["empty_content"] = self.empty_content
        return reading

    @property
    def endpoint(self) -> Endpoint:
        """Return where texts are generated."""
        return "chat/completions" if self.api == "chat" else "completions"
