"""Validate the log-probabilities in a server's replies and turn them into plain values.

Whatever is not exactly what was asked for raises UnusableReplyError; no number is made of it.
"""

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchkit.lm.engines.openai.replies import read_raw_choices, read_usage
from benchkit.lm.engines.requests import UnusableReplyError, sum_logprobs
from benchkit.lm.engines.shared_scoring import read_uncached

_FIRST_HAS_ONE = (
    "it gave the first token a log-probability, which none can have: they are shifted, each beside"
    " another token than its own"
)
_ROUNDING = 1e-2  # of a server that prints few digits, or computes them in another order


def sum_prompt_logprobs(reply: Any, ids: Sequence[int], start: int) -> float:
    """Return the sum of the log-probabilities of `ids[start:]` in a reply to `prompt_logprobs`.

    vLLM gives for each position None (the first) or an object {token id: {"logprob": ...}}.
    """
    choice = read_raw_choices(reply)[0]
    rows = choice.get("prompt_logprobs", reply.get("prompt_logprobs"))
    if not isinstance(rows, list) or len(rows) != len(ids):
        length = len(rows) if isinstance(rows, list) else "no"
        raise UnusableReplyError(f"it gave {length} log-probabilities for {len(ids)} tokens")
    if rows[0] is not None:
        raise UnusableReplyError(_FIRST_HAS_ONE)
    logprobs: list[object] = []
    for token, row in zip(ids[start:], rows[start:], strict=True):
        entry = row.get(str(token)) if isinstance(row, dict) else None
        if not isinstance(entry, dict):
            raise UnusableReplyError(f"it gave no log-probability for token {token}")
        logprobs.append(entry.get("logprob"))
    return sum_logprobs(logprobs)


def read_next_logprobs(reply: Any, count: int) -> list[dict[int, object]]:
    """Return token -> log-probability at the first generated token of each of `count` prompts.

    Raises:
        UnusableReplyError: They are not there.
    """
    choices = read_raw_choices(reply)
    if len(choices) != count:
        raise UnusableReplyError(f"it gave {len(choices)} choices for {count} prompts")
    results: list[dict[int, object]] = []
    for choice in choices:
        log = choice.get("logprobs")
        rows = log.get("top_logprobs") if isinstance(log, dict) else None
        row = rows[0] if isinstance(rows, list) and rows else None
        if not isinstance(row, dict):
            raise UnusableReplyError("it gave no log-probabilities of the next token")
        texts = [(name.removeprefix("token_id:"), value) for name, value in row.items()]
        results.append({int(text): value for text, value in texts if text.isdecimal()})
    return results


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
    log = read_raw_choices(reply)[0].get("logprobs")
    values = log.get("token_logprobs") if isinstance(log, dict) else None
    tokens = log.get("tokens") if isinstance(log, dict) else None
    likeliest = log.get("top_logprobs") if isinstance(log, dict) else None
    if not isinstance(values, list) or not isinstance(tokens, list):
        raise UnusableReplyError(
            'it gave no log-probabilities of the prompt; if it has none, set scoring = "off"'
        )
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
    _check_alignment(values, likeliest, start, end)
    return sum_logprobs(values[start:end])


def _check_alignment(values: Sequence[Any], top: object, start: int, end: int) -> None:
    """Raise UnusableReplyError where log-probabilities stand beside another token than theirs.

    The first token of a text has none, since nothing comes before it (some servers say 0), and no
    token is more probable than the most probable one at its place.
    """
    if values[0] not in (None, 0):
        raise UnusableReplyError(_FIRST_HAS_ONE)
    if not isinstance(top, list) or len(top) != len(values):
        return
    for value, likeliest in zip(values[start:end], top[start:end], strict=True):
        if not isinstance(likeliest, dict) or not isinstance(value, int | float):
            continue
        most = [v for v in likeliest.values() if isinstance(v, int | float)]
        if most and value > max(most) + _ROUNDING:
            raise UnusableReplyError(
                f"it gave a token the log-probability {value:g}, and {max(most):g} to the most"
                " probable one at its place: they are shifted"
            )


def token_spellings(tokenizer: Any, token: int) -> frozenset[str] | None:
    """Return how servers may write a token: by its id, as text, or as in the vocabulary.

    None for a part of a character: each server has its own way of writing that.
    """
    piece, text = str(tokenizer.convert_ids_to_tokens(token)), str(tokenizer.decode([token]))
    if "\ufffd" in text or piece.startswith("<0x"):
        return None
    spaced = piece.replace("\u2581", " ")
    return frozenset({text, piece, spaced, f"token_id:{token}"})


def read_token_scores(reply: Any, count: int) -> list[float] | None:
    """Return the log-probabilities of a passage, None where the cache had some of its tokens.

    They are a NumPy array of [count, 1] in base64.

    Raises:
        UnusableReplyError: They are something else.
    """
    text = reply.get("prompt_token_id_logprobs") if isinstance(reply, dict) else None
    if text is None:
        return None
    try:
        array = np.load(io.BytesIO(base64.b64decode(text, validate=True)), allow_pickle=False)
    except (TypeError, ValueError, EOFError, binascii.Error):
        raise UnusableReplyError("its log-probabilities are no array") from None
    if array.shape != (count, 1) or array.dtype.kind != "f":
        raise UnusableReplyError(f"it gave {array.shape} log-probabilities for {count} tokens")
    return [float(value) for value in array[:, 0]]


def read_rows_reply(reply: Any, ids: Sequence[int], first: int) -> list[object] | None:
    """Return the log-probabilities of `ids[first:]`, None where the cache had some of them.

    Raises:
        UnusableReplyError: They are not there, or may be those of cached tokens.
    """
    usage = reply.get("usage") if isinstance(reply, dict) else None
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    if isinstance(cached, int) and cached >= first:
        return None
    rows = reply.get("prompt_logprobs") if isinstance(reply, dict) else None
    entries = read_uncached(rows, [str(token) for token in ids], first, cached)
    return [entry.get("logprob") if isinstance(entry, Mapping) else None for entry in entries]
