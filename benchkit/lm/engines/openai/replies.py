"""Validate the JSON of `/completions` and `/chat/completions` and turn it into plain values.

Whatever is not exactly what was asked for raises UnusableReplyError; no number is made of it.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.requests import UnusableReplyError, sum_logprobs
from benchkit.lm.types import FinishReason

# What servers say when a text is complete, besides OpenAI's own "stop" and "length".
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "refused",
    "refusal": "refused",
}


def read_usage(reply: Any) -> TokenUsage | None:
    """Return the tokens that a reply reports, None when it reports none."""
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    return TokenUsage(prompt, completion) if _count(prompt) and _count(completion) else None


def _count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def read_choices(reply: Any, chat: bool, limit: int) -> list[tuple[str, FinishReason, int | None]]:
    """Return (text, finish, tokens) of each usable choice, at most `limit`, ordered by `index`.

    Tokens are None where the reply does not report them.

    Raises:
        UnusableReplyError: No choice is usable.
    """
    raw = _choices(reply)
    choices = [_choice(c, chat) for c in raw]
    usable = [c for c in choices if not isinstance(c, str)]
    if not usable:
        raise UnusableReplyError(str(choices[0]))
    total = read_usage(reply)
    if len(raw) == 1 and usable[0][2] is None and total is not None:
        usable = [(*usable[0][:2], total.completion)]
    return usable[:limit]


def _choices(reply: Any) -> list[dict[str, Any]]:
    """Return the choices of a reply, ordered by their index if all have one."""
    raw = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(raw, list) or not raw:
        cause = reply.get("error") if isinstance(reply, dict) else None
        raise UnusableReplyError(f"it gave no choices{f' but {cause}' if cause else ''}"[:300])
    choices = [c for c in raw if isinstance(c, dict)]
    if not choices:
        raise UnusableReplyError("its choices are not objects")
    if all(_count(c.get("index")) for c in choices):
        choices.sort(key=lambda c: c["index"])
    return choices


def _choice(choice: dict[str, Any], chat: bool) -> tuple[str, FinishReason, int | None] | str:
    """Return a choice, or what is wrong with it."""
    finish = _FINISH.get(str(choice.get("finish_reason")))
    message = choice.get("message") if chat else choice
    if finish == "refused":
        message = message if isinstance(message, dict) else {}
    elif not isinstance(message, dict):
        return "a choice has no message"
    refusal = message.get("refusal")
    text = message.get("content" if chat else "text")
    if isinstance(refusal, str) and refusal:
        finish, text = "refused", refusal
    if finish is None:
        return f"a choice ended by {choice.get('finish_reason')!r}"
    if text is None and finish in ("refused", "length"):
        # Cut off before it said anything, e.g. while it was still thinking.
        text = ""
    if not isinstance(text, str):
        return "a choice has no text"
    ids = choice.get("token_ids")
    return _well_formed(text), finish, len(ids) if isinstance(ids, list) else None


def _well_formed(text: str) -> str:
    """Half a surrogate pair, which JSON can write, can be stored nowhere: it becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def sum_prompt_logprobs(reply: Any, ids: Sequence[int], start: int) -> float:
    """Return the sum of the log-probabilities of `ids[start:]` in a reply to `prompt_logprobs`.

    vLLM gives for each position None (the first) or an object {token id: {"logprob": ...}}.
    """
    choice = _choices(reply)[0]
    rows = choice.get("prompt_logprobs", reply.get("prompt_logprobs"))
    if not isinstance(rows, list) or len(rows) != len(ids):
        length = len(rows) if isinstance(rows, list) else "no"
        raise UnusableReplyError(f"it gave {length} log-probabilities for {len(ids)} tokens")
    logprobs: list[object] = []
    for token, row in zip(ids[start:], rows[start:], strict=True):
        entry = row.get(str(token)) if isinstance(row, dict) else None
        if not isinstance(entry, dict):
            raise UnusableReplyError(f"it gave no log-probability for token {token}")
        logprobs.append(entry.get("logprob"))
    return sum_logprobs(logprobs)


def sum_echo_logprobs(
    reply: Any, ids: Sequence[int], start: int, spellings: Sequence[frozenset[str] | None]
) -> float:
    """Return the sum of the log-probabilities of `ids[start:]` in a reply to `echo`.

    The prompt's tokens come first, then those generated, at most one here.

    Args:
        reply: JSON of the server.
        ids: Token ids that were sent.
        start: Where the continuation begins.
        spellings: For each of `ids[start:]` the ways in which it may be written; None: any.
    """
    log = _choices(reply)[0].get("logprobs")
    values = log.get("token_logprobs") if isinstance(log, dict) else None
    tokens = log.get("tokens") if isinstance(log, dict) else None
    if not isinstance(values, list) or not isinstance(tokens, list):
        raise UnusableReplyError("it gave no log-probabilities of the prompt")
    usage = read_usage(reply)
    lengths = {len(values), len(tokens)}
    if len(lengths) != 1 or lengths.pop() - len(ids) not in (0, 1):
        raise UnusableReplyError(f"it gave {len(values)} log-probabilities for {len(ids)} tokens")
    if usage is not None and usage.prompt != len(ids):
        raise UnusableReplyError(f"it read {usage.prompt} tokens where {len(ids)} were sent")
    end = len(ids)
    for token, spelling in zip(tokens[start:end], spellings, strict=True):
        if spelling is not None and token not in spelling:
            raise UnusableReplyError(f"it scored {token!r} where {min(spelling)!r} was sent")
    return sum_logprobs(values[start:end])


def token_spellings(tokenizer: Any, token: int) -> frozenset[str] | None:
    """Return how servers may write a token: by its id, as text, or as in the vocabulary.

    None for a part of a character: each server has its own way of writing that.
    """
    piece, text = str(tokenizer.convert_ids_to_tokens(token)), str(tokenizer.decode([token]))
    if "\ufffd" in text or piece.startswith("<0x"):
        return None
    spaced = piece.replace("\u2581", " ")
    return frozenset({text, piece, spaced, f"token_id:{token}"})
