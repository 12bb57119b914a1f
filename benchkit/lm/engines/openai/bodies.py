"""Bodies of the requests that the `openai` engine sends."""

from collections.abc import Sequence
from typing import Any

from benchkit.errors import ConfigError
from benchkit.lm.engines.openai.config import DecodingField, OpenAIConfig
from benchkit.lm.tokens.control_tokens import quote_for_server
from benchkit.lm.types import Decoding, Prompt

# In this order: an answer's key does not depend on it, but logs are easier to compare.
_GENERATION_FIELDS: tuple[DecodingField, ...] = ("max_tokens", "temperature", "top_p")


def build_generation_body(
    config: OpenAIConfig, prompt: Prompt, decoding: Decoding, ids: Sequence[int], end: Sequence[int]
) -> dict[str, Any]:
    """Return the body of a request for completions, but for `n` and `seed`.

    Args:
        config: Settings of the engine.
        prompt: The prompt.
        decoding: How answers are drawn.
        ids: The prompt's token ids, for the api `completions`.
        end: Token ids that end a turn, for the api `completions`.

    Raises:
        ConfigError: The server cannot do what is asked.
    """
    body: dict[str, Any] = {"model": config.model}
    for field in _GENERATION_FIELDS:
        if config.sends(field):
            body[config.wire_name(field)] = getattr(decoding, field)
    if config.reasoning_effort:
        body["reasoning_effort"] = config.reasoning_effort
    if decoding.stop:
        body["stop"] = list(decoding.stop)
    if config.server == "vllm":
        # Sent explicitly, since the server's own defaults come from the model's generation config.
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
        body |= _chat_fields(config, prompt)
    return apply_extra_body(config, body)


def _chat_fields(config: OpenAIConfig, prompt: Prompt) -> dict[str, Any]:
    messages = [{"role": m.role, "content": quote_for_server(m.content)} for m in prompt.messages]
    if not prompt.prefill:
        return {"messages": messages}
    if config.server != "vllm":
        raise ConfigError(
            "a chat server of this kind cannot continue a prefilled answer",
            "set server to 'vllm' if it is one, or api to 'completions' with a tokenizer",
        )
    messages.append({"role": "assistant", "content": quote_for_server("".join(prompt.prefill))})
    return {"messages": messages, "continue_final_message": True, "add_generation_prompt": False}


def build_scoring_body(config: OpenAIConfig, ids: Sequence[int]) -> dict[str, Any]:
    """Return the body of a request for the log-probabilities of token ids.

    One token is generated and ignored, as not all servers take 0.
    """
    body = _one_token(config) | {"prompt": list(ids)}
    if config.scores_by == "echo":
        body |= {"echo": True, "logprobs": 1}
    else:
        body["prompt_logprobs"] = 0
    return apply_extra_body(config, body)


def build_next_tokens_body(
    config: OpenAIConfig, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
) -> dict[str, Any]:
    """Return the body of a request for the log-probabilities of tokens behind each prompt."""
    body = _one_token(config) | {"prompt": [list(ids) for ids in prompts]}
    # `logprobs` is the number of further tokens, the likeliest; without it there are none at all.
    body |= {"logprobs": 1, "logprob_token_ids": list(tokens), "return_tokens_as_token_ids": True}
    return apply_extra_body(config, body)


def _one_token(config: OpenAIConfig) -> dict[str, Any]:
    body: dict[str, Any] = {"model": config.model}
    if config.sends("max_tokens"):
        body[config.rename_fields.get("max_tokens", "max_tokens")] = 1
    if config.sends("temperature"):
        body[config.wire_name("temperature")] = 0
    return body


def apply_extra_body(config: OpenAIConfig, body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with the further fields of `extra_body`; null removes a field."""
    merged = body | config.extra_body
    return {name: value for name, value in merged.items() if value is not None}
