"""Why a server rejects a request (HTTP 400, 413 or 422), and what it sent if that is no JSON.

It is the prompt's length, or one field; servers agree on no code, so their words are read as well.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from benchkit.lm.engines.openai.config import DecodingField
from benchkit.visible_text import make_visible_line

_LENGTH_CODES = {"context_length_exceeded", "string_above_max_length", "request_too_large"}
_LENGTH = re.compile(
    r"context[ _-]?(?:length|window|size)|too (?:long|many tokens)|maximum (?:sequence|input)|"
    r"max_model_len|exceeds?\b.{0,40}\btokens|reduce the length",
    re.IGNORECASE,
)
# Fields that no setting leaves out: they carry the question.
_ESSENTIAL = {"model", "messages", "prompt", "n"}
_LOGPROB_FIELDS = {"echo", "logprobs", "prompt_logprobs"}
_ONLY_VLLM = {
    "top_k", "min_p", "repetition_penalty", "return_token_ids", "stop_token_ids",
    "continue_final_message", "add_generation_prompt",
}  # fmt: skip
_SHOWN = 80  # bytes of an answer that cannot be read
# The name of a field of ours, whatever a server calls it.
_FIELD_OF = {name: name for name in get_args(DecodingField)} | {
    "max_completion_tokens": "max_tokens"
}


def read_message(error: Any) -> str:
    """Return the words of an APIStatusError of the openai package, else the body as it came.

    The package reads the field `error` alone; others put their words into `detail` or `message`.
    """
    message = str(error.message)
    is_bare = message.strip() == f"Error code: {error.status_code}"
    return str(error.response.text).strip() or message if is_bare else message


def describe_no_json(content: bytes, redact: Callable[[str], str]) -> str:
    r"""Return the beginning of an answer that is no JSON, and what it may be.

    Args:
        content: The whole answer.
        redact: Takes keys out of a text, before it is cut.

    >>> describe_no_json(b"data: {}\n\n", str)
    "'data: {}\\n\\n'; it streams: turn that off in the server or the proxy before it"
    """
    text = content.decode("utf-8", "replace").removeprefix("\ufeff")
    if not text.strip():
        return "it is empty"
    redacted = redact(text).encode("utf-8", "replace")[:_SHOWN].decode("utf-8", "ignore")
    shown = f"'{make_visible_line(redacted)}'"
    start = text.lstrip().lower()
    if start.startswith(("data:", "event:", ": ")):
        return f"{shown}; it streams: turn that off in the server or the proxy before it"
    if start.startswith(("<!doctype", "<html", "<?xml", "<head", "<body")):
        return f"{shown}; it is a page (HTML): base_url may lead to a website or a login"
    return shown


def find_field(error: Any, fields: Iterable[str]) -> str | None:
    """Return which of the fields of a request an error names, None if none.

    It is OpenAI's `param`, else a name in quotes; none where the prompt is too long, though some
    servers name `max_tokens` then.

    Args:
        error: An APIStatusError of the openai package.
        fields: Names of the fields that were sent.
    """
    if str(_details(error).get("code")) in _LENGTH_CODES or _LENGTH.search(read_message(error)):
        return None
    names = [name for name in fields if name not in _ESSENTIAL]
    param = str(_details(error).get("param") or "").partition(".")[0]
    if param in names:
        return param
    message = read_message(error)
    return next((n for n in names if re.search(rf"['\"`]{re.escape(n)}['\"`]", message)), None)


def advise(field: str) -> str:
    """Return the hint for a server that refuses a field.

    >>> print(advise("top_p"))
    leave it out: omit_fields = ["top_p"] in the engine, or give its name there in rename_fields
    """
    if field == "max_tokens":
        return (
            'give its new name: rename_fields = { max_tokens = "max_completion_tokens" } in the'
            ' engine, or leave it out: omit_fields = ["max_tokens"]'
        )
    if field in _FIELD_OF:
        name = _FIELD_OF[field]
        return (
            f'leave it out: omit_fields = ["{name}"] in the engine, or give its name there in'
            " rename_fields"
        )
    if field in _LOGPROB_FIELDS:
        return 'choose another way with scoring = "prompt_logprobs" or "echo", or "off" for none'
    if field in _ONLY_VLLM:
        return 'set server = "openai": only vLLM takes it'
    if field == "reasoning_effort":
        return "leave reasoning_effort out of the engine, or give it a value that the model takes"
    if field == "stop":
        return "the method ends its answers by it: ask a server or a model that takes it"
    return "remove it from extra_body or rename_fields"


def _details(error: Any) -> Mapping[str, Any]:
    return error.body if isinstance(error.body, dict) else {}
