"""Validate the JSON of `/completions` and `/chat/completions` and turn it into plain values.

Whatever is not exactly what was asked for raises UnusableReplyError; no number is made of it.
"""

import json
import re
from collections.abc import Callable
from typing import Any, TypeGuard

from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.requests import UnusableReplyError
from benchkit.lm.types import FinishReason

# What servers say, in any case, besides OpenAI's own "stop", "length" and "content_filter".
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "refused",
    "refusal": "refused",
    "safety": "refused",
}
# Parts of a reply that say nothing of what went wrong, and some of which differ each time.
_ENVELOPE = {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
_MOST_TOKENS = 10**9  # what a server counts beyond is no count
ReplyReader = Callable[[Any], dict[str, Any]]
_THINKING = ("thinking", "redacted_thinking", "reasoning")  # types of content parts


def read_usage(reply: Any) -> TokenUsage | None:
    """Return the tokens that a reply reports, None when it reports none."""
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    return TokenUsage(prompt, completion) if _count(prompt) and _count(completion) else None


def read_cost(reply: Any, max_usage: TokenUsage) -> TokenUsage:
    """Return the tokens of a reply; the most that it may have where it reports none."""
    return read_usage(reply) or max_usage


def build_answer(reply: Any, read: ReplyReader, max_usage: TokenUsage) -> dict[str, Any]:
    """Return what is stored of a reply: what `read` makes of it, with its `usage`.

    Raises:
        UnusableReplyError: Nothing can be made of it.
    """
    spent = read_cost(reply, max_usage)
    usage = {"prompt_tokens": spent.prompt, "completion_tokens": spent.completion}
    if reasoning := _reasoning_tokens(reply):
        usage["reasoning_tokens"] = reasoning  # of the completion
    try:
        return read(reply) | {"usage": usage | {"requests": 1, "cached": 0}}
    except RecursionError:
        raise UnusableReplyError("its JSON is nested too deeply") from None


def _reasoning_tokens(reply: Any) -> int:
    """Return how many of a reply's tokens are a model's thinking, 0 where it does not say."""
    try:
        count = reply["usage"]["completion_tokens_details"]["reasoning_tokens"]
    except (KeyError, TypeError):
        return 0
    return count if _count(count) else 0


def _count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def read_choices(
    reply: Any, config: OpenAIConfig, limit: int
) -> list[tuple[str, FinishReason, int | None]]:
    """Return (text, finish, tokens) of each usable choice, at most `limit`, ordered by `index`.

    Tokens are None where the reply does not report them.

    Raises:
        UnusableReplyError: No choice is usable.
    """
    raw = read_raw_choices(reply)
    choices = [_choice(c, config) for c in raw]
    usable = [c for c in choices if not isinstance(c, str)]
    if not usable:
        raise UnusableReplyError(str(choices[0]))
    total = read_usage(reply)
    if len(raw) == 1 and usable[0][2] is None and total is not None:
        usable = [(*usable[0][:2], total.completion)]
    return usable[:limit]


def read_raw_choices(reply: Any) -> list[dict[str, Any]]:
    """Return the choices of a reply, ordered by their index if all have one."""
    if not isinstance(reply, dict):
        raise UnusableReplyError(f"it answered with a {type(reply).__name__}, not with an object")
    if error := reply.get("error"):
        raise UnusableReplyError(f"it answered with an error: {describe_error(error)}")
    raw = reply.get("choices")
    if not isinstance(raw, list) or not raw:
        rest = {name: value for name, value in reply.items() if name not in _ENVELOPE}
        instead = f" but {json.dumps(rest)[:200]}" if rest else f" (choices is {json.dumps(raw)})"
        raise UnusableReplyError(f"it gave no choices{instead}")
    choices = [c for c in raw if isinstance(c, dict)]
    if not choices:
        raise UnusableReplyError("its choices are not objects")
    if all(_count(c.get("index")) for c in choices):
        choices.sort(key=lambda c: c["index"])
    return choices


def describe_error(error: Any) -> str:
    """Return the words of an error object, with its code.

    >>> describe_error({"message": "model overloaded", "code": 503})
    'model overloaded (503)'
    """
    if not isinstance(error, dict):
        return str(error)[:300]
    message = error.get("message")
    words = message if isinstance(message, str) and message else json.dumps(error)
    code = error.get("code")
    return words[:300] + (f" ({code})" if code is not None else "")


def _choice(
    choice: dict[str, Any], config: OpenAIConfig
) -> tuple[str, FinishReason, int | None] | str:
    """Return a choice, or what is wrong with it."""
    chat = config.api == "chat"
    if error := choice.get("error"):
        return f"a choice is an error: {describe_error(error)}"
    finish = _finish(choice.get("finish_reason"), config)
    message = choice.get("message") if chat else choice
    if finish == "refused":
        message = message if isinstance(message, dict) else {}
    elif not isinstance(message, dict):
        return "a choice has no message"
    try:
        text, refusal = _read_content(message.get("content" if chat else "text"))
    except UnusableReplyError as error:
        return str(error)
    if refusal := message.get("refusal") or refusal:
        finish, text = "refused", str(refusal)
    if finish != "refused" and not (text or "").strip() and (call := _tool_call(message)):
        return call
    if finish is None:
        reason = choice.get("finish_reason")
        return (
            f"a choice has finish_reason {json.dumps(reason)}, which says not whether it is whole;"
            f' if it is, set finish_reasons = {{ {_toml_key(_reason_name(reason))} = "stop" }}'
        )
    is_empty = finish == "stop" and not (text or "").strip()
    if is_empty and (problem := _empty_content(message, text, config)):
        return problem
    ids = choice.get("token_ids")
    return _well_formed(text or ""), finish, len(ids) if isinstance(ids, list) else None


def _finish(reason: object, config: OpenAIConfig) -> FinishReason | None:
    """Return how a choice ended; None where that is not known."""
    name = _reason_name(reason)
    return config.finish_reasons.get(name) or _FINISH.get(name)


def _reason_name(reason: object) -> str:
    """Return what `finish_reasons` calls the end of a choice."""
    return "null" if reason is None else str(reason).strip().lower()


def _toml_key(name: str) -> str:
    """Return a key as TOML writes it: with quotes where it is no plain word."""
    plain = re.fullmatch(r"[A-Za-z0-9_-]+", name) is not None
    return name if plain else json.dumps(name, ensure_ascii=False)


def _tool_call(message: dict[str, Any]) -> str:
    """Return what is wrong with a message without text that calls a tool; '' if it does not."""
    name = next((n for n in ("tool_calls", "function_call") if message.get(n)), "")
    return name and (
        f"it calls a tool ({name}) and has no text: benchkit offers no tools; turn them off in the"
        " server, and its parser of tool calls"
    )


def _read_content(content: object) -> tuple[str | None, str]:
    """Return the text of a message, None without one, and a refusal that stands in it.

    Content in parts is joined; a model's thinking is no part of the answer.

    Raises:
        UnusableReplyError: It holds something else than text.
    """
    if content is None or isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        raise UnusableReplyError(f"its content is of type {type(content).__name__}, not text")
    texts: list[str] = []
    refusals: list[str] = []
    for part in content:
        fields = part if isinstance(part, dict) else {"type": "text", "text": part}
        kind = fields.get("type", "text")
        value = fields.get("refusal" if kind == "refusal" else "text")
        if kind in ("text", "output_text") and isinstance(value, str):
            texts.append(value)
        elif kind == "refusal" and isinstance(value, str):
            refusals.append(value)
        elif kind not in _THINKING:
            raise UnusableReplyError(f"its content has a part of type {kind!r}, which is no text")
    return "".join(texts) if texts else None, "".join(refusals)


def _empty_content(message: dict[str, Any], text: str | None, config: OpenAIConfig) -> str:
    """Return what is wrong with an answer that ended by itself and has no text; '' if nothing."""
    chat = config.api == "chat"
    if config.empty_content == "answer" or (not chat and text is not None):
        return ""
    what = "content is null" if text is None else "content is empty"
    for name in ("reasoning_content", "reasoning"):
        if isinstance(message.get(name), str) and message[name].strip():
            return (
                f"the {what}, and the text stands in {name}: turn the model's thinking off, or"
                " start the server without a parser for it"
            )
    return f'the {what}; if an empty answer is the model\'s own, set empty_content = "answer"'


def _well_formed(text: str) -> str:
    """Half a surrogate pair, which JSON can write, can be stored nowhere: it becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
