"""Sum the log-probabilities of a continuation in a reply, checking that they are its tokens'."""

from collections.abc import Sequence
from typing import Any

from benchkit.lm.engines.openai.replies import raw_choices, read_usage
from benchkit.lm.engines.requests import UnusableReplyError, sum_logprobs

_FIRST_HAS_ONE = (
    "it gave the first token a log-probability, which none can have: they are shifted, each beside"
    " another token than its own"
)
_ROUNDING = 1e-2  # of a server that prints few digits, or computes them in another order


def sum_prompt_logprobs(reply: Any, ids: Sequence[int], start: int) -> float:
    """Return the sum of the log-probabilities of `ids[start:]` in a reply to `prompt_logprobs`.

    vLLM gives for each position None (the first) or an object {token id: {"logprob": ...}}.
    """
    choice = raw_choices(reply)[0]
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
    log = raw_choices(reply)[0].get("logprobs")
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
